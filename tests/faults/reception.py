"""Where misbehaving callers arrive: a real gateway before one provider, and what must be true once they are gone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.behaviours import Answer
from tests.e2e.nursery import Nursery
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, provider, total, within
from tests.faults.aftermath import Aftermath
from tests.faults.caller import PATIENCE, Caller
from tests.upstream import Upstream

MODEL: Final = "alpha/alpha-1"
WELL: Final = "well again"
LEAVING: Final = 0.5
"""Seconds in which a caller who left has stopped what was done for them."""

ROUTES: Final[Mapping[str, dict[str, Any]]] = {
    "/chat": {"model": MODEL, "messages": HELLO},
    "/v1/chat/completions": {"model": MODEL, "messages": HELLO},
    "/v1/responses": {"model": MODEL, "input": "hello"},
    "/v1/messages": {"model": MODEL, "max_tokens": 100, "messages": HELLO},
    "/decisions": {"symbol": "BTC/USDT", "prompt": "up or down?", "models": [MODEL]},
}
"""Every route that streams, with a question for it."""

STREAMS: Final = tuple(path for path in ROUTES if path != "/decisions")
"""Those that pass a provider's stream on; a decision's events are our own."""


@dataclass(frozen=True, slots=True)
class Reception:
    """A gateway and the provider behind it; `aftermath` looks at both."""

    gateway: Service
    alpha: Upstream
    aftermath: Aftermath

    def caller(self, *, window: int | None = None, patience: float = PATIENCE) -> Caller:
        """A new connection."""
        return Caller(self.gateway.port, window=window, patience=patience)

    def expects(self, *script: Any) -> int:
        """Script the provider; returns how many of its connections have ended so far."""
        self.alpha.behave(*script)
        self.alpha.forget()
        return self.alpha.connections_closed

    def is_asked(self, times: int = 1) -> bool:
        """Whether so many requests reach the provider."""
        return self.alpha.wait_until(lambda upstream: upstream.calls >= times)

    def seconds_until_closed(self, before: int) -> float:
        """How long the provider's connection still stands; fails when that is too long."""
        began = time.monotonic()
        assert self.alpha.wait_until(lambda upstream: upstream.connections_closed > before, LEAVING)
        return time.monotonic() - began

    def assert_cancelled(self, before: Mapping[str, float], path: str, request_id: str) -> None:
        """What was cancelled is counted and on record as such, and is held against nobody."""
        moved = self.aftermath.assert_moved
        moved(before, "outcry_attempts_total", provider="alpha", outcome="cancelled", code="caller_cancelled")
        moved(before, "outcry_requests_total", route=path, status="499", code="caller_cancelled")
        assert within(2.5, lambda: any(row["outcome"] == "cancelled" for row in self.rows_of(request_id)))
        (row,) = (row for row in self.rows_of(request_id) if row["outcome"] == "cancelled")
        assert (row["code"], row["usage_source"]) == ("caller_cancelled", "estimated"), row
        assert row["input_tokens"] > 0, row
        self.assert_unharmed(before)

    def rows_of(self, request_id: str) -> list[dict[str, Any]]:
        """The attempts on record that were made for a request."""
        rows = self.gateway.client.get("/usage", params={"limit": 20}).json()["items"]
        return [row for row in rows if row["request_id"].startswith(request_id)]

    def assert_unharmed(self, before: Mapping[str, float]) -> None:
        """The provider's circuit is closed and never opened, and no failure counts against it."""
        now = self.aftermath.samples()
        assert total(now, "outcry_ejections_total") == total(before, "outcry_ejections_total")
        errors = {"provider": "alpha", "outcome": "error"}
        assert total(now, "outcry_attempts_total", **errors) == total(before, "outcry_attempts_total", **errors)
        health = self.gateway.client.get("/providers/health").json()["providers"]["alpha"]
        assert (health["circuit"], health["is_healthy"]) == ("closed", True), health

    def assert_well(self, *, connections: int = 2) -> None:
        """The common check: everything is given back, and the next caller is served."""
        self.aftermath.assert_given_back(connections=connections, callers=max(2, self.aftermath.rest.callers))
        self.alpha.behave(Answer(WELL))
        self.aftermath.assert_serves("/chat", {"model": MODEL}, WELL)


@contextmanager
def reception(
    folder: Path,
    *script: Any,
    nursery: Nursery | None,
    env: Mapping[str, str] | None = None,
    warm: bool = True,
    key: str | None = None,
    **settings: Any,
) -> Iterator[Reception]:
    """A gateway for as long as the context lasts; `settings` are the provider's, `warm` asks it once beforehand.

    With a `key` the gateway's own client bears it.
    """
    models = ["alpha-1", "alpha-2"]
    with (
        Upstream(*script) as alpha,
        Service(
            folder, providers=[provider("alpha", alpha, models=models, **settings)], env=env, nursery=nursery
        ) as one,
    ):
        if key is not None:
            one.client.headers["x-api-key"] = key
        if warm:
            one.client.post("/chat", json=ROUTES["/chat"])
        yield Reception(one, alpha, Aftermath(one, [alpha]))
