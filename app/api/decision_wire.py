"""The decisions' wire: a checked body in, a question out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from app.api.errors import field_errors
from app.api.exchange import Exchange
from app.api.fields import Answer, Body, checked
from app.api.intent import Intent
from app.api.messages import message_violations
from app.api.native_chat import Name
from app.api.timing import deadline_of
from app.decisions.context import MarketContext
from app.decisions.question import Question
from app.domain.caching import CacheMode
from app.domain.casting import HORIZON, positive
from app.domain.errors import RequestRejected, Violation
from app.domain.hindsight import AsOfMode
from app.domain.horizons import LONGEST
from app.domain.routing import Priority
from app.domain.symbols import SYMBOL_PATTERN, is_symbol, same_symbol


def _capitals(given: object) -> object:
    return given.strip().upper() if isinstance(given, str) else given


Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# Capitals first: pydantic's own to_upper comes after its pattern.
Symbol = Annotated[str, StringConstraints(pattern=SYMBOL_PATTERN), BeforeValidator(_capitals)]


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
    risk_officer: Name | None = None
    risk_check: bool = False
    samples: int = Field(default=1, ge=1, le=10)
    news_check: bool = False
    as_of_mode: str | None = Field(default=None, pattern="^(warn|block|filter)$")
    shadow: list[Name] = Field(
        default_factory=list, max_length=8, description="Models asked beside the panel, recorded, and never counted."
    )
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
    intent: str | None
    leverage: float | None
    risk_reward: float | None
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
    variant: str | None = Field(default=None, description="The experiment and arm that it belongs to.")


class DecisionPage(Answer):
    """Decisions, newest first."""

    items: list[DecisionAnswer]
    next: str | None


def read_decision(body: dict[str, Any], wrong_panel: Callable[[Question], Sequence[Violation]]) -> DecisionBody:
    """The checked body. Raises RequestRejected with every wrong field, and every name that nobody knows."""
    try:
        return checked(DecisionBody, body, list(_violations(body)))
    except RequestRejected as error:
        # A body in order is looked at as a whole, and once, where its panel is put together.
        told = {violation.field for violation in error.violations}
        names = [one for one in wrong_panel(_panel_of(body)) if one.field not in told]
        raise field_errors([*error.violations, *names]) from None


def _panel_of(body: Mapping[str, Any]) -> Question:
    """As much as can be read of who is asked and how, in a question about nothing."""
    models, quorum, agent_id = body.get("models"), body.get("quorum"), body.get("agent_id")
    shadow = body.get("shadow")
    named = [name for name in models if isinstance(name, str) and name] if isinstance(models, list) else []
    return Question(
        symbol="",
        arrived=0.0,
        deadline=0.0,
        request_id="",
        # Where one of the names is none, places would be told wrongly: the names wait until all of them are.
        models=tuple(named) if isinstance(models, list) and len(named) == len(models) else None,
        quorum=quorum if isinstance(quorum, int) and not isinstance(quorum, bool) else None,
        agent_id=agent_id if isinstance(agent_id, int) and agent_id > 0 else None,
        risk_check=body.get("risk_check") is True,
        shadow=tuple(shadow) if isinstance(shadow, list) and all(map(_text, shadow)) else (),
        panel=_text(body.get("panel")),
        method=_text(body.get("method")),
        risk_officer=_text(body.get("risk_officer")),
    )


def _text(said: object) -> str | None:
    return said if isinstance(said, str) and said else None


def symbol_violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Whether the market is another's than the one asked about, or does not allow it; here to be told with the rest."""
    asked, market = _symbol(body.get("symbol")), body.get("market")
    if asked is None or not isinstance(market, dict):
        return
    stated, constraints = _symbol(market.get("symbol")), market.get("constraints")
    if stated is not None and not same_symbol(asked, stated):
        yield Violation("market.symbol", f"{stated} is not the symbol asked about, {asked}")
    universe = constraints.get("universe") if isinstance(constraints, dict) else None
    if isinstance(universe, list) and universe:
        known = [_symbol(one) for one in universe]
        # One that cannot be read is refused by itself, and might have been the one asked about.
        if all(one is not None and not same_symbol(asked, one) for one in known):
            yield Violation("symbol", f"{asked} is not in market.constraints.universe")


def _symbol(given: object) -> str | None:
    """In capitals; None for what is no symbol."""
    return given.strip().upper() if isinstance(given, str) and is_symbol(given) else None


def question_of(body: DecisionBody, intent: Intent, exchange: Exchange) -> Question:
    """What the body and the headers ask; the body is the nearer word. Raises RequestRejected."""
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
        samples=body.samples,
        risk_check=body.risk_check,
        risk_officer=body.risk_officer,
        news_check=body.news_check,
        as_of=intent.as_of,
        as_of_mode=body.as_of_mode or intent.as_of_mode or AsOfMode.WARN,
        embargo=exchange.services.embargo,
        policy=intent.policy,
        priority=intent.priority or Priority.NORMAL,
        algo_id=body.algo_id,
        decision_maker_id=body.decision_maker_id,
        caller=exchange.caller,
        metadata=body.metadata,
        cache=intent.cache or CacheMode.OFF,
        hedge=intent.hedge,
        replay=intent.replay,
        shadow=tuple(body.shadow),
    )


def _violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    if body.get("market") is None and body.get("prompt") is None and body.get("messages") is None:
        yield Violation("market", "one of market, prompt and messages is needed")
    if body.get("messages") is not None:
        yield from message_violations(body["messages"])
    is_asked = body.get("risk_check") is True or body.get("method") == "risk_officer_veto"
    if body.get("risk_officer") is not None and not is_asked:
        yield Violation("risk_officer", "is asked only with risk_check: true or method risk_officer_veto")
    yield from symbol_violations(body)
    metadata = body.get("metadata")
    if isinstance(metadata, dict) and HORIZON in metadata:
        stated = positive(metadata[HORIZON])
        if stated is None or stated > LONGEST:
            yield Violation(f"metadata.{HORIZON}", "expected seconds above 0, ten years at most")
