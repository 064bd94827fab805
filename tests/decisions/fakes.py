"""Small stand-ins for what the decision service calls."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from app.decisions.context import MarketContext
from app.decisions.question import Question
from app.decisions.service import DecisionService
from app.domain.attempt import Ask, Completion
from app.domain.chat import ChatResponse, Credential
from app.domain.decision import Filing
from app.domain.kill import Kill, Stoppable
from app.domain.payload import Payload
from app.domain.provider import PanelConfig
from app.domain.routing import Candidate, Plan
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.usage import Usage
from app.ledger.sealing import Sealer
from app.ledger.spill import Spill

MARKET: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "as_of": "2026-11-20T14:15:00Z",
    "timeframe": "intraday",
    "price": {"last": 64231.5, "bid": 64231.0, "ask": 64232.0},
    "indicators": {
        "rsi": {"period": 14, "value": 61.2},
        "macd": {"macd": 42.1, "signal": 35.0, "hist": 7.1},
        "ema": [{"period": 20, "value": 64118.0}, {"period": 50, "value": 63982.5}],
        "atr": {"period": 14, "value": 78.4},
        "bollinger": {"upper": 64350.0, "middle": 64110.0, "lower": 63870.0},
        "volume": {"last": 398, "avg20": 441},
    },
    "levels": {"support": [63900], "resistance": [64300]},
    "constraints": {"max_leverage": 3, "max_fraction": 0.05, "min_risk_reward": 1.5, "require_stop": True},
    "news": [{"title": "FOMC minutes", "source": "calendar", "published_at": "2026-11-20T08:00:00Z"}],
}
NOON = datetime(2026, 11, 20, 14, 16, tzinfo=UTC)

Says = Callable[[Ask], Awaitable[str]]


class Stopping:
    """Stops by a rule that is looked up; `stop` tells what is under way."""

    def __init__(self, rule: Callable[[int | None], Kill | None] = lambda _: None) -> None:
        self._rule = rule
        self.under_way: list[Stoppable] = []

    def of(self, agent_id: int | None) -> Kill | None:
        return self._rule(agent_id)

    def enter(self, under_way: Stoppable) -> None:
        self.under_way.append(under_way)

    def leave(self, under_way: Stoppable) -> None:
        if under_way in self.under_way:
            self.under_way.remove(under_way)

    def stop(self, kill: Kill) -> None:
        for under_way in list(self.under_way):
            under_way.stop(kill)


def market(**changes: Any) -> MarketContext:
    return MarketContext.model_validate(MARKET | changes)


def vote_text(action: str | None, **fields: Any) -> str:
    prices: dict[str, Any] = {
        "BUY": {"stop_loss": 64000, "take_profit": 65000},
        "SELL": {"stop_loss": 64400, "take_profit": 63500},
    }.get(action or "", {})
    return json.dumps({"symbol": "BTC/USDT", "reasoning": "r", "action": action, "confidence": 0.6} | prices | fields)


def completion(ask: Ask, text: str, *, finish_reason: str = "stop", warnings: tuple[str, ...] = ()) -> Completion:
    provider, _, model = ask.model.partition("/")
    target = Target(provider, model)
    message = {"role": "assistant", "content": text}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}
    return Completion(
        response=ChatResponse(body, finish_reason, Usage(10, 5), warnings),
        target=target,
        plan=Plan((Candidate(target, Credential()),), "priority", "pinned"),
        attempts=(),
        latency=0.01,
        overhead=0.0,
        usage=Usage(10, 5),
        cost_usd=Decimal("0.001"),
        rung=None if ask.chat.response_format is None else Rung.SCHEMA,
    )


class Scripted:
    """A gateway whose models answer as scripted: a text, an error to raise, or a coroutine function."""

    def __init__(self, script: Mapping[str, str | Exception | Says]) -> None:
        self.script = dict(script)
        self.asked: list[Ask] = []

    async def complete(self, ask: Ask) -> Completion:
        self.asked.append(ask)
        says = self.script[ask.model]
        if isinstance(says, Exception):
            raise says
        return completion(ask, says if isinstance(says, str) else await says(ask))


class Panels:
    """What is configured."""

    def __init__(self, members: Sequence[str], named: Mapping[str, PanelConfig] | None = None) -> None:
        self.members = list(members)
        self.panels = dict(named or {})
        self.agents = {7}
        self.configured: list[tuple[int, str]] = []
        self.families: dict[str, str] = {}
        self.prices: dict[str, Decimal] = {}
        self.known_until: dict[str, list[tuple[str, date | None]]] = {}

    def has_agent(self, agent_id: int) -> bool:
        return agent_id in self.agents

    def default_members(self) -> list[str]:
        return self.members

    def configured_members(self, agent_id: int) -> list[tuple[int, str]]:
        return self.configured

    def target(self, name: str) -> Target | None:
        provider, slash, model = name.partition("/")
        return Target(provider, model) if slash else None

    def family(self, target: Target) -> str:
        return self.families.get(target.provider, target.provider)

    def price(self, name: str) -> Decimal | None:
        return self.prices.get(name)

    def named(self, panel: str) -> PanelConfig | None:
        return self.panels.get(panel)

    def known(self, name: str) -> bool:
        return name in self.members or name == "officer/1"

    def cutoffs(self, name: str, agent_id: int | None) -> list[tuple[str, date | None]]:
        return self.known_until.get(name, [(name, None)])


class Shelf:
    """A repository in memory; `block` is awaited by every append."""

    def __init__(self, block: Callable[[], Awaitable[None]] | None = None) -> None:
        self.answers: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, dict[str, Any]] = {}
        self.dossiers: dict[str, Any] = {}
        self.payloads: dict[str, list[Payload]] = {}
        self.updates: list[str] = []
        self._block = block

    async def append(
        self, decision: Filing, answer: dict[str, Any], request: dict[str, Any], payloads: Sequence[Payload] = ()
    ) -> None:
        if self._block is not None:
            await self._block()
        self.payloads[decision.id] = list(payloads)
        self.answers[decision.id] = Sealer().answer(json.loads(json.dumps(answer, allow_nan=False)), payloads[0])
        self.dossiers[decision.id] = json.loads(payloads[1].content or b"null")
        self.requests[decision.id] = json.loads(json.dumps(request, allow_nan=False))

    async def update(self, decision_id: str, answer: dict[str, Any], payloads: Sequence[Payload] = ()) -> None:
        self.payloads[decision_id] += payloads
        self.answers[decision_id] = Sealer().answer(answer, payloads[0])
        self.updates.append(decision_id)

    async def get(self, decision_id: str) -> dict[str, Any] | None:
        return self.answers.get(decision_id)

    async def page(
        self, *, limit: int, cursor: str | None, symbol: str | None, agent_id: int | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        return list(self.answers.values())[:limit], None


def service(
    gateway: Scripted,
    shelf: Shelf | None = None,
    panels: Panels | None = None,
    spill: Spill | None = None,
    sealer: Sealer | None = None,
) -> DecisionService:
    return DecisionService(
        gateway,
        panels or Panels(list(gateway.script)),
        shelf or Shelf(),
        now=time.monotonic,
        wall=lambda: NOON,
        spill=spill,
        sealer=sealer,
    )


def question(*, within: float = 5.0, **fields: Any) -> Question:
    started = time.monotonic()
    stated: dict[str, Any] = {"symbol": "BTC/USDT", "market": market(), "request_id": "req"} | fields
    return Question(arrived=started, deadline=started + within, **stated)
