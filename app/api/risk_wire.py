"""The wire of risk assessments: a proposed decision, a market and an account in, a proposal to judge out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationInfo, field_validator

from app.api.decision_wire import Symbol
from app.api.exchange import Exchange
from app.api.fields import Answer, Body, checked
from app.api.intent import Intent
from app.api.native_chat import Name
from app.api.timing import deadline_of
from app.decisions.context import Account, Constraints, MarketContext
from app.decisions.indicators import Amount, Price, Share
from app.decisions.officer import Proposal
from app.decisions.vocabulary import HORIZONS, INTENTS, STRENGTHS
from app.domain.caching import CacheMode
from app.domain.decision import Action, Entry, Opinion, Size
from app.domain.errors import Violation
from app.domain.routing import Priority
from app.domain.symbols import same_symbol

Text = Annotated[str, StringConstraints(max_length=8_000)]
Texts = Annotated[list[Text], Field(max_length=10)]
MAX_TARGETS: Final = 5


def _listed(given: object) -> object:
    """One target is short for a list of one, and none for an empty one."""
    if given is None:
        return []
    return [given] if isinstance(given, int | float) and not isinstance(given, bool) else given


class EntryBody(Body):
    """How to enter; a limit has a price."""

    type: Literal["market", "limit"]
    price: Price | None = None


class SizeBody(Body):
    """How much, in which unit."""

    unit: Literal["fraction_of_equity", "fraction_of_position", "notional", "quantity"]
    value: Amount


class ProposedDecision(Body):
    """A decision as `/decisions` answers it, without what the gateway owns. Only `action` is needed."""

    action: Literal["BUY", "SELL", "HOLD"]
    symbol: Symbol | None = None
    intent: str | None = None
    strength: str | None = None
    confidence: Share | None = None
    confidence_raw: Annotated[str, StringConstraints(max_length=64)] | None = None
    reasoning: Text | None = None
    entry: EntryBody | None = None
    stop_loss: Price | None = None
    take_profit: Annotated[list[Price], Field(max_length=MAX_TARGETS), BeforeValidator(_listed)] = Field(
        default_factory=list
    )
    size: SizeBody | None = None
    leverage: Price | None = None
    risk_usd: Amount | None = None
    time_horizon: str | None = None
    invalidation: Text | None = None
    key_factors: Texts = Field(default_factory=list)
    risks: Texts = Field(default_factory=list)

    @field_validator("intent", "strength", "time_horizon")
    @classmethod
    def _is_known(cls, word: str | None, found: ValidationInfo) -> str | None:
        known = _WORDS[found.field_name or ""]
        if word is not None and word not in known:
            raise ValueError(f"expected one of {', '.join(sorted(known))}")
        return word


_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "intent": frozenset(INTENTS),
    "strength": frozenset(STRENGTHS),
    "time_horizon": frozenset(HORIZONS.values()),
}


class RiskBody(Body):
    """What is to be judged. The symbol comes from the body, the decision or the market; the account from here first.

    `model`, or `risk_officer` as `/decisions` calls it, names a second opinion that can only make things smaller.
    """

    decision: ProposedDecision
    symbol: Symbol | None = None
    market: MarketContext | None = None
    account: Account | None = None
    constraints: Constraints | None = None
    model: Name | None = None
    risk_officer: Name | None = None
    agent_id: int | None = Field(default=None, ge=1)
    deadline_ms: int | None = Field(default=None, ge=1)
    metadata: dict[str, Any] = Field(default_factory=dict)


class ScenarioAnswer(Answer):
    """A price and what it would cost; null is unknown."""

    name: str
    price: float
    move: float
    loss: float | None
    loss_fraction: float | None


class RiskAnswer(Answer):
    """The assessment; null is unknown, never zero."""

    risk_score: float | None
    verdict: Literal["approve", "reduce", "reject"]
    max_fraction: float | None
    max_leverage: float | None
    reasons: list[str]
    scenarios: list[ScenarioAnswer]
    currency: str | None
    sources: list[str]
    warnings: list[str]
    template: dict[str, Any] | None
    cost_usd: str | None


def read_risk(body: dict[str, Any]) -> RiskBody:
    """The checked body. Raises RequestRejected with every wrong field."""
    return checked(RiskBody, body, list(_violations(body)))


def proposal_of(body: RiskBody, intent: Intent, exchange: Exchange) -> Proposal:
    """What is to be judged, until when, for whom."""
    milliseconds = body.deadline_ms
    market = body.market
    if market is not None and body.constraints is not None:
        market = market.model_copy(update={"constraints": body.constraints})
    symbol = body.symbol or body.decision.symbol or (market.symbol if market is not None else None)
    return Proposal(
        opinion=_opinion(body.decision, symbol or ""),
        deadline=deadline_of(exchange, intent.deadline, None if milliseconds is None else milliseconds / 1000),
        request_id=exchange.request_id,
        market=market,
        account=body.account,
        constraints=body.constraints,
        model=body.model or body.risk_officer,
        agent_id=body.agent_id or intent.agent_id,
        policy=intent.policy,
        priority=intent.priority or Priority.NORMAL,
        caller=exchange.caller,
        metadata=body.metadata,
        cache=intent.cache or CacheMode.OFF,
        hedge=intent.hedge,
    )


def _opinion(decision: ProposedDecision, symbol: str) -> Opinion:
    entry, size = decision.entry, decision.size
    action = Action(decision.action)
    return Opinion(
        action=action,
        symbol=symbol,
        intent=decision.intent,
        strength=decision.strength,
        confidence=decision.confidence,
        confidence_raw=decision.confidence_raw,
        reasoning=decision.reasoning,
        entry=None if entry is None else Entry(entry.type, entry.price),
        stop_loss=decision.stop_loss,
        take_profit=tuple(sorted(decision.take_profit, reverse=action is Action.SELL)),
        size=None if size is None else Size(size.unit, size.value),
        leverage=decision.leverage,
        risk_usd=decision.risk_usd,
        time_horizon=decision.time_horizon,
        invalidation=decision.invalidation,
        key_factors=tuple(decision.key_factors),
        risks=tuple(decision.risks),
    )


def _violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    """What concerns several fields at once."""
    told = {
        "symbol": body.get("symbol"),
        "decision.symbol": _member(body, "decision", "symbol"),
        "market.symbol": _member(body, "market", "symbol"),
    }
    spoken = {path: name.strip().upper() for path, name in told.items() if isinstance(name, str) and name.strip()}
    if not spoken and all(name is None for name in told.values()):
        yield Violation("symbol", "one of symbol, decision.symbol and market.symbol is needed")
    first = next(iter(spoken.values()), "")
    for path, name in spoken.items():
        if not same_symbol(first, name):
            yield Violation(path, f"{name[:40]} is not {first[:40]}")
    if None not in (body.get("model"), body.get("risk_officer")) and body["model"] != body["risk_officer"]:
        yield Violation("risk_officer", "is another word for model: give one of them")
    if body.get("market") is None and _member(body, "decision", "entry", "price") is None:
        yield Violation("market", "a market or decision.entry.price is needed: without a price nothing can be judged")
    if _member(body, "decision", "entry", "type") == "limit" and _member(body, "decision", "entry", "price") is None:
        yield Violation("decision.entry.price", "a limit needs a price")


def _member(body: object, *path: str) -> object:
    for name in path:
        body = body.get(name) if isinstance(body, Mapping) else None
    return body
