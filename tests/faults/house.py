"""A gateway between two faulty providers and a healthy one, and what each fault must come to there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import httpx

from app.domain.errors import CONSEQUENCES, Code
from tests.behaviours import Answer, Behaviour
from tests.e2e.nursery import Nursery
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, content, provider
from tests.faults.aftermath import Aftermath, Reply, ask, assert_typed
from tests.upstream import Script, Upstream

Dialect = Literal["openai", "anthropic"]
DIALECTS: Final[tuple[Dialect, ...]] = ("openai", "anthropic")
CHAT: Final = "/v1/chat/completions"
DEADLINE: Final = 2.0
TIMEOUTS: Final = {"connect": 0.4, "first_token": 0.4, "idle": 0.4, "total": 0.6}
# One attempt a target: who is tried again, and how often, is the business of other tests. Breakers keep out of it.
ENVIRONMENT: Final = {
    "OUTCRY_BREAKER__FAILURES": "100000",
    "OUTCRY_BREAKER__MINIMUM": "100000",
    "OUTCRY_RETRY__BUDGET_FLOOR": "0",
    "OUTCRY_RETRY__BUDGET_RATIO": "0.000001",
    # What a crowd leaves in the pool is gone before anybody looks for leaks.
    "OUTCRY_TRANSPORT__KEEPALIVE": "0.3",
}
HEALTHY: Final = "beta answers"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail, and the code it must come to, whole and streamed: "" is a success, None is not asked.

    `in_band`: in a stream it comes after the first content. `anthropic` is the stream's code in that dialect where it
    is another one.
    """

    name: str
    behaviour: Behaviour
    whole: str | None = None
    stream: str | None = None
    in_band: bool = False
    anthropic: str | None = None

    def code(self, dialect: Dialect, *, streamed: bool) -> str | None:
        """What to expect; None when this is not asked."""
        if not streamed:
            return self.whole
        return self.anthropic if dialect == "anthropic" and self.anthropic is not None else self.stream


@dataclass(frozen=True, slots=True)
class Case:
    """A fault in one dialect, whole or streamed."""

    fault: Fault
    dialect: Dialect
    streamed: bool

    def __str__(self) -> str:
        return f"{self.fault.name}-{self.dialect}-{'stream' if self.streamed else 'whole'}"

    @property
    def code(self) -> str:
        """The code that it must come to."""
        return self.fault.code(self.dialect, streamed=self.streamed) or ""


def cases(faults: Iterator[Fault] | tuple[Fault, ...], dialects: tuple[Dialect, ...] = DIALECTS) -> list[Case]:
    """Every fault in every dialect, whole and streamed where it is asked."""
    return [
        Case(fault, dialect, streamed)
        for fault in faults
        for dialect in dialects
        for streamed in (False, True)
        if fault.code(dialect, streamed=streamed) is not None
    ]


class House:
    """`alpha` (OpenAI's dialect, `gpt`) and `gamma` (Anthropic's, `claude`) are scripted; `beta` has both models."""

    def __init__(self, gateway: Service, alpha: Upstream, gamma: Upstream, beta: Upstream) -> None:
        self.gateway = gateway
        self.client = gateway.client
        self.beta = beta
        self.faulty: Mapping[str, tuple[str, str, Upstream]] = {
            "openai": ("alpha", "gpt", alpha),
            "anthropic": ("gamma", "claude", gamma),
        }
        for dialect in DIALECTS:
            assert self.ask(dialect, alone=True).status == 200
            assert self.ask(dialect, alone=True, stream=True).status == 200
        self.aftermath = Aftermath(gateway, (alpha, gamma, beta))

    def script(self, dialect: str, *script: Behaviour | Script) -> Upstream:
        """Have the faulty provider of this dialect do this, and everybody forget what was."""
        _, _, upstream = self.faulty[dialect]
        self.beta.behave(Answer(HEALTHY))
        upstream.behave(*script)
        upstream.forget()
        self.beta.forget()
        self.forgive()
        return upstream

    def forgive(self) -> None:
        """Close circuits, end pauses, let keys out."""
        for name in ("alpha", "gamma", "beta"):
            self.client.post(f"/providers/{name}/circuit/reset").raise_for_status()

    def ask(
        self,
        dialect: str,
        *,
        alone: bool,
        stream: bool = False,
        deadline: float = DEADLINE,
        client: httpx.Client | None = None,
    ) -> Reply:
        """One chat: `alone` pins the faulty provider, otherwise `beta` stands behind it."""
        name, model, _ = self.faulty[dialect]
        body = {"model": f"{name}/{model}" if alone else model, "messages": HELLO, "stream": stream}
        return ask(client or self.client, CHAT, body, **{"x-outcry-deadline-ms": str(round(deadline * 1000))})

    def assert_comes_to(self, case: Case) -> Reply:
        """The fault, alone: its code with its status, or in the stream; and nothing is left of it."""
        self.script(case.dialect, case.fault.behaviour)
        name, before = self.faulty[case.dialect][0], self.aftermath.samples()
        reply = self.ask(case.dialect, alone=True, stream=case.streamed)
        assert_typed(reply, within=DEADLINE)
        is_in_band = case.streamed and case.fault.in_band
        status = CONSEQUENCES[Code(case.code)].status if case.code and not is_in_band else 200
        assert (reply.status, reply.code) == (status, case.code), reply
        self._assert_counted(before, name, case.code)
        self.aftermath.assert_moved(before, "outcry_requests_total", route=CHAT, status=str(status), code=case.code)
        self.assert_recovers(case.dialect)
        return reply

    def assert_falls_over(self, case: Case) -> Reply:
        """The fault with a healthy provider behind it: the caller hears nothing of it."""
        self.script(case.dialect, case.fault.behaviour)
        name, before = self.faulty[case.dialect][0], self.aftermath.samples()
        reply = self.ask(case.dialect, alone=False, stream=case.streamed)
        assert_typed(reply, within=DEADLINE)
        assert (reply.status, reply.code) == (200, ""), reply
        assert (content(list(reply.events)) if case.streamed else reply.text).count(HEALTHY) == 1, reply
        assert reply.headers["x-outcry-fallback"] == "true"
        assert reply.headers["x-outcry-provider"] == "beta"
        assert self.beta.calls == 1
        self._assert_counted(before, name, case.code)
        self._assert_counted(before, "beta", "")
        self.assert_recovers(case.dialect)
        return reply

    def assert_recovers(self, dialect: str) -> None:
        """Everything is given back, and the same provider serves again as soon as it can."""
        name, model, upstream = self.faulty[dialect]
        self.aftermath.assert_given_back()
        upstream.behave(Answer("well again"))
        self.forgive()
        self.aftermath.assert_serves(CHAT, {"model": f"{name}/{model}"}, "well again")

    def _assert_counted(self, before: Mapping[str, float], name: str, code: str) -> None:
        outcome = "error" if code else "ok"
        self.aftermath.assert_moved(before, "outcry_attempts_total", provider=name, outcome=outcome, code=code)


@contextmanager
def house(folder: Path, nursery: Nursery | None) -> Iterator[House]:
    """The house, for as long as the context lasts."""
    with ExitStack() as stack:
        alpha = stack.enter_context(Upstream(models=("gpt",)))
        gamma = stack.enter_context(Upstream(dialect="anthropic", models=("claude",)))
        beta = stack.enter_context(Upstream(models=("gpt", "claude")))
        providers = [
            provider("alpha", alpha, priority=1, models=["gpt"], timeouts=TIMEOUTS),
            provider("gamma", gamma, priority=1, models=["claude"], timeouts=TIMEOUTS, provider_type="anthropic"),
            provider("beta", beta, priority=2, models=["gpt", "claude"]),
        ]
        gateway = stack.enter_context(Service(folder, providers=providers, env=ENVIRONMENT, nursery=nursery))
        yield House(gateway, alpha, gamma, beta)
