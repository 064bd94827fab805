"""What is proven: each part measures one promise from outside and says its figure beside the bound."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.behaviours import Answer, Behaviour, Refuse, Silent, Status
from tests.e2e.markets import market, vote
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, provider
from tests.upstream import Received, Upstream

SANDBOX = ["sandbox/trend", "sandbox/reversion", "sandbox/breakout"]
DEADLINE = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure and its bound, in `unit`; `detail` is what else was seen."""

    promise: str
    figure: float
    bound: float
    unit: str
    detail: str = ""

    @property
    def holds(self) -> bool:
        """Whether the promise was kept."""
        return self.figure <= self.bound


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured: `rounds` of what is timed one by one; what is counted is counted in full."""

    rounds: int


Part = Callable[[Path, Scale], list[Finding]]


def fallback(folder: Path, scale: Scale) -> list[Finding]:
    """What a refused connection costs before the next provider answers: against asking that one directly."""
    with Upstream(Refuse()) as refusing, Upstream(Answer()) as healthy:
        both = [
            provider("first", refusing, priority=1, models=["shared-1"]),
            provider("second", healthy, priority=2, models=["shared-1"]),
        ]
        with Service(folder, providers=both, env=PATIENT) as gateway:
            direct, over = list[float](), list[float]()
            for _ in range(scale.rounds + 2):
                direct.append(_timed(gateway.client, "second/shared-1", attempts=1))
                over.append(_timed(gateway.client, "shared-1", attempts=2))
    direct, over = direct[2:], over[2:]  # the first ones open connections
    extra = (max(over) - statistics.median(direct)) * 1e3
    detail = f"median {_ms(over)} with the fallback, {_ms(direct)} without, n = {len(over)}"
    return [Finding("fallback from a refused connection, the slowest", extra, 50, "ms", detail)]


def panel(folder: Path, scale: Scale) -> list[Finding]:
    """Three sandbox members of 300 ms each, asked at once."""
    slow = {"name": "sandbox", "provider_type": "sandbox", "parameters": {"drill": "[[slow=300]]"}}
    took = []
    with Service(folder, providers=[slow], env=PATIENT) as gateway:
        for _ in range(scale.rounds + 1):
            seconds, decision = _decided(gateway.client, models=SANDBOX)
            voted = [v for v in decision["votes"] if v["action"] is not None]
            if len(voted) != 3 or seconds < 0.3:
                raise AssertionError(f"not three members at 300 ms: {decision['votes']}")
            took.append(seconds)
    detail = f"median {_ms(took[1:])}, n = {scale.rounds}"
    return [Finding("three sandbox members at 300 ms decide, the slowest", max(took[1:]) * 1e3, 400, "ms", detail)]


def deadline(folder: Path, scale: Scale) -> list[Finding]:
    """How far an answer comes after its deadline while an upstream is silent."""
    with Upstream(Silent()) as silent, Upstream(Answer(vote("BUY"))) as buys, Upstream(Answer(vote("SELL"))) as sells:
        upstreams = {"silent": silent, "buys": buys, "sells": sells}
        providers = [provider(name, upstream) for name, upstream in upstreams.items()]
        with Service(folder, providers=providers, env=PATIENT) as gateway:
            models = [f"{name}/{name}-1" for name in upstreams]
            chats, decisions = list[float](), list[float]()
            for _ in range(scale.rounds):
                seconds, _ = _decided(gateway.client, models=models, settle="all", deadline_ms=int(DEADLINE * 1e3))
                decisions.append(seconds - DEADLINE)
                body = {"messages": HELLO, "model": models[0], "deadline_ms": int(DEADLINE * 1e3)}
                began = time.perf_counter()
                answer = gateway.client.post("/chat", json=body)
                chats.append(time.perf_counter() - began - DEADLINE)
                if answer.status_code != 504:
                    raise AssertionError(f"a silent provider was answered with {answer.status_code}: {answer.text}")
    return [
        Finding(f"{what} with a silent {who}, overrun of its deadline, the worst", max(late) * 1e3, 250, "ms", detail)
        for what, who, late in (("decision", "member", decisions), ("chat", "provider", chats))
        for detail in [f"deadline {DEADLINE * 1e3:.0f} ms, n = {scale.rounds}"]
    ]


def lost(folder: Path, scale: Scale) -> list[Finding]:  # noqa: ARG001 - counted in full, always
    """Requests without an answer, of 500, while one of two providers fails half of its calls."""
    found = []
    for strategy in ("priority", "round_robin"):
        turns = itertools.count()

        def half(_: Received, turns: itertools.count[int] = turns) -> Behaviour:
            return Status(500) if next(turns) % 2 else Answer()

        with Upstream(half) as failing, Upstream(Answer()) as healthy:
            both = [provider("failing", failing, priority=1), provider("healthy", healthy, priority=2)]
            config = {"providers": both, "failover_strategy": strategy}
            place = folder / strategy
            with Service(place, config=config) as gateway:
                statuses = _many(gateway.client, 500)
            failed = failing.calls // 2
        missing = sum(status != 200 for status in statuses)
        detail = f"{strategy}; the failing one was asked {failing.calls} times and failed {failed}"
        if failed == 0:
            raise AssertionError("nothing failed, so nothing was proven")
        found.append(Finding("requests lost of 500 while one of two providers fails half", missing, 0, "", detail))
    return found


PARTS: tuple[Part, ...] = (fallback, panel, deadline, lost)


def _timed(client: httpx.Client, model: str, *, attempts: int) -> float:
    began = time.perf_counter()
    answer = client.post("/chat", json={"messages": HELLO, "model": model})
    seconds = time.perf_counter() - began
    if answer.status_code != 200 or answer.headers["x-outcry-attempts"] != str(attempts):
        raise AssertionError(f"{model}: {answer.status_code} after {answer.headers.get('x-outcry-attempts')} attempts")
    return seconds


def _decided(client: httpx.Client, **fields: object) -> tuple[float, dict[str, Any]]:
    body = {"symbol": "BTC/USDT", "market": market(), **fields}
    began = time.perf_counter()
    answer = client.post("/decisions", json=body)
    seconds = time.perf_counter() - began
    if answer.status_code != 200:
        raise AssertionError(f"{answer.status_code}: {answer.text}")
    return seconds, answer.json()


def _many(client: httpx.Client, requests: int) -> list[int]:
    def ask(_: int) -> int:
        return client.post("/chat", json={"messages": HELLO}).status_code

    with ThreadPoolExecutor(8) as callers:
        return list(callers.map(ask, range(requests)))


def _ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.1f} ms"
