"""The decisions' wire: a checked body in, a question out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import orjson
from pydantic import BeforeValidator, Field, StringConstraints

from app.api.exchange import Exchange
from app.api.fields import Answer, Body, checked
from app.api.intent import Intent
from app.api.messages import message_violations
from app.api.native_chat import Name
from app.api.timing import deadline_of
from app.decisions.context import MarketContext
from app.decisions.question import Question
from app.decisions.symbols import SYMBOL_PATTERN
from app.domain.caching import CacheMode
from app.domain.errors import Code, RequestRejected, Violation
from app.domain.routing import Priority


def _capitals(given: object) -> object:
    return given.strip().upper() if isinstance(given, str) else given


Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# Capitals first: pydantic's own to_upper comes after its pattern.
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN), BeforeValidator(_capitals)]

UNAVAILABLE: Final[Mapping[str, object]] = {
    "risk_officer": None,
    "risk_check": False,
    "samples": 1,
    "news_check": False,
    "as_of_mode": "warn",
}
"""Fields of the contract that change nothing yet, with the only value that is therefore taken."""


class DecisionBody(Body):
    """What is asked of a panel: a symbol, and one of market, prompt and messages."""

    symbol: Symbol
    market: MarketContext | None = None
    prompt: Annotated[str, StringConstraints(min_length=1, max_length=500_000)] | None = None
    messages: list[Any] | None = None
    agent_id: int | None = Field(default=None, ge=1)
    models: list[Name] | None = None
    panel: Label | None = None
    method: Label | None = None
    quorum: int | None = Field(default=None, ge=1)
    deadline_ms: int | None = Field(default=None, ge=1)
    settle: str = Field(default="early", pattern="^(early|all)$")
    on_invalid: str = Field(default="abstain", pattern="^(abstain|repair_once)$")
    on_violation: str = Field(default="reject", pattern="^(reject|clamp)$")
    convert_percent_stops: bool = False
    risk_officer: str | None = None
    risk_check: bool = False
    samples: int = 1
    news_check: bool = False
    as_of_mode: str = Field(default="warn", pattern="^(warn|block|filter)$")
    stream: bool = False
    algo_id: Label | None = None
    decision_maker_id: Label | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class DecisionAnswer(Answer):
    """A decision, its votes and what they agreed on."""

    id: str
    symbol: str
    action: str
    actionable: bool
    confidence: float | None
    reasoning: str | None
    entry: dict[str, Any] | None
    stop_loss: float | None
    take_profit: list[float]
    size: dict[str, Any] | None
    status: str
    consensus: dict[str, Any]
    votes: list[dict[str, Any]]
    violations: list[dict[str, Any]]
    cost_usd: str | None
    latency_ms: float
    contamination: str | None
    risk: dict[str, Any] | None
    template: dict[str, Any]
    warnings: list[str]
    created_at: str
    agent_id: int | None
    request_id: str
    algo_id: str | None
    decision_maker_id: str | None
    metadata: dict[str, Any]
    replayed: bool
    decision_hash: str | None


class DecisionPage(Answer):
    """Decisions, newest first."""

    items: list[DecisionAnswer]
    next: str | None


def read_decision(body: dict[str, Any]) -> DecisionBody:
    """The checked body. Raises RequestRejected with every wrong field."""
    return checked(DecisionBody, body, list(_violations(body)))


def question_of(body: DecisionBody, intent: Intent, exchange: Exchange) -> Question:
    """What the body and the headers ask; the body is the nearer word. Raises RequestRejected."""
    if b"idempotency-key" in exchange.headers:
        # Taking the key and deciding twice all the same would be worse than saying so.
        raise RequestRejected(
            Code.UNSUPPORTED_PARAMETER, "header idempotency-key is not available", param="idempotency-key"
        )
    milliseconds = body.deadline_ms
    return Question(
        symbol=body.symbol,
        deadline=deadline_of(exchange, intent.deadline, None if milliseconds is None else milliseconds / 1000),
        arrived=exchange.arrived,
        request_id=exchange.request_id,
        market=body.market,
        prompt=body.prompt,
        messages=None if body.messages is None else tuple(body.messages),
        agent_id=body.agent_id or intent.agent_id,
        models=None if body.models is None else tuple(body.models),
        panel=body.panel,
        method=body.method,
        quorum=body.quorum,
        settle=body.settle,
        on_invalid=body.on_invalid,
        on_violation=body.on_violation,
        convert_percent_stops=body.convert_percent_stops,
        as_of=intent.as_of,
        as_of_mode=body.as_of_mode,
        policy=intent.policy,
        priority=intent.priority or Priority.NORMAL,
        algo_id=body.algo_id,
        decision_maker_id=body.decision_maker_id,
        caller=exchange.caller,
        metadata=body.metadata,
        cache=intent.cache or CacheMode.OFF,
        hedge=intent.hedge,
        replay=intent.replay,
    )


def _violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    if all(body.get(name) is None for name in ("market", "prompt", "messages")):
        yield Violation("market", "one of market, prompt and messages is needed")
    if body.get("messages") is not None:
        yield from message_violations(body["messages"])
    for name, only in UNAVAILABLE.items():
        if body.get(name, only) != only:
            yield Violation(name, f"is not available yet: only {orjson.dumps(only).decode()} is taken")
