"""The wire of outcomes and prices: checked bodies in, outcomes and bars out, and grades as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, field_validator

from app.api.decision_wire import Symbol
from app.api.fields import Answer, Body, checked
from app.api.times import rendered_time
from app.decisions.indicators import Number, Price
from app.domain.errors import Violation
from app.domain.horizons import LONGEST
from app.domain.outcome import GradedOutcome, Horizon, HorizonState, Outcome, OutcomeKind, PriceBar
from app.domain.symbols import squeezed
from app.outcomes.pricing import RESERVED

MAX_BARS: Final = 2_000


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is before the first or after the last day there is in UTC") from None


Moment = Annotated[AwareDatetime, Field(strict=False), AfterValidator(_in_utc)]
OutcomeId = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,128}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Venue = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class OutcomeBody(Body):
    """What became of a decision."""

    outcome_id: OutcomeId
    kind: Literal["realized", "forward_return", "rejected", "expired"]
    observed_at: Moment
    horizon_s: Annotated[float, Field(gt=0, le=LONGEST)] | None = None
    entry_price: Price | None = None
    exit_price: Price | None = None
    forward_return: Annotated[float, Field(ge=-1, le=1e6)] | None = None
    realized_pnl: Number | None = None
    fees: Number | None = None
    currency: Annotated[str, StringConstraints(min_length=1, max_length=16)] | None = None
    quantity: Price | None = None
    exit_reason: Word | None = None
    source: Word | None = None

    @field_validator("outcome_id")
    @classmethod
    def _not_ours(cls, outcome_id: str) -> str:
        if outcome_id.startswith(RESERVED):
            raise ValueError(f"begins with {RESERVED}, as do those that POST /prices makes")
        return outcome_id

    def outcome(self, decision_id: str) -> Outcome:
        """The same in our words."""
        return Outcome(
            self.outcome_id,
            decision_id,
            OutcomeKind(self.kind),
            self.observed_at,
            horizon=self.horizon_s,
            entry_price=self.entry_price,
            exit_price=self.exit_price,
            forward_return=self.forward_return,
            realized_pnl=self.realized_pnl,
            fees=self.fees,
            currency=self.currency,
            quantity=self.quantity,
            exit_reason=self.exit_reason,
            source=self.source,
        )


class BarBody(Body):
    """One bar; `at` is the moment of its close."""

    symbol: Symbol | None = None
    venue: Venue | None = None
    at: Moment
    close: Price
    open: Price | None = None
    high: Price | None = None
    low: Price | None = None


class PricesBody(Body):
    """Bars, at most two thousand. `symbol` and `venue` here are those of the bars that name none."""

    symbol: Symbol | None = None
    venue: Venue | None = None
    bars: Annotated[list[BarBody], Field(min_length=1, max_length=MAX_BARS)]


class OutcomeAnswer(Answer):
    """An outcome on record, and whether each vote was right by it."""

    outcome_id: str
    decision_id: str
    version: int
    kind: str
    observed_at: str
    horizon_s: float | None
    entry_price: float | None
    exit_price: float | None
    realized_pnl: float | None
    fees: float | None
    currency: str | None
    quantity: float | None
    exit_reason: str | None
    source: str | None
    forward_return: float | None
    threshold: float | None
    grades: list[dict[str, Any]]


class PricesAnswer(Answer):
    """What became of posted bars."""

    added: int
    corrected: int
    unchanged: int
    graded: int
    complete: bool


def read_prices(body: dict[str, Any]) -> list[PriceBar]:
    """The bars of a body. Raises RequestRejected with every one that is wrong."""
    prices = checked(PricesBody, body)
    bars = [
        PriceBar(
            bar.symbol or prices.symbol or "", bar.at, bar.close, bar.open, bar.high, bar.low, bar.venue or prices.venue
        )
        for bar in prices.bars
    ]
    if wrong := list(_violations(bars)):
        checked(PricesBody, body, wrong)
    return bars


def outcome_rendered(graded: GradedOutcome) -> dict[str, Any]:
    """An outcome as JSON; `forward_return` is the measured one, of the market and not of the trade."""
    outcome, measured = graded.outcome, graded.measured
    return {
        "outcome_id": outcome.id,
        "decision_id": outcome.decision_id,
        "version": outcome.version,
        "kind": outcome.kind.value,
        "observed_at": rendered_time(outcome.observed_at),
        "horizon_s": outcome.horizon,
        "entry_price": outcome.entry_price,
        "exit_price": outcome.exit_price,
        "realized_pnl": outcome.realized_pnl,
        "fees": outcome.fees,
        "currency": outcome.currency,
        "quantity": outcome.quantity,
        "exit_reason": outcome.exit_reason,
        "source": outcome.source,
        "forward_return": outcome.forward_return if measured is None else measured.forward_return,
        "threshold": None if measured is None else measured.threshold,
        "grades": [
            {
                "provider": grade.vote.provider,
                "model": grade.vote.model,
                "action": None if grade.vote.action is None else grade.vote.action.value,
                "correct": grade.correct,
            }
            for grade in graded.grades
        ],
    }


def told_after(found: tuple[Sequence[GradedOutcome], Horizon] | None) -> Mapping[str, Any]:
    """What a decision's answer says more once something became of it."""
    if found is None:
        return {}
    outcomes, horizon = found
    told: dict[str, Any] = {"outcomes": [outcome_rendered(one) for one in outcomes]} if outcomes else {}
    if horizon.state is HorizonState.EXPIRED or (outcomes and horizon.state is not HorizonState.NONE):
        told["horizon"] = {
            "state": horizon.state.value,
            "reason": horizon.reason,
            "horizon_s": horizon.length,
            "due_at": None if horizon.due_at is None else rendered_time(horizon.due_at),
        }
    return told


def _violations(bars: Sequence[PriceBar]) -> Iterator[Violation]:
    seen: dict[tuple[str, str, datetime], PriceBar] = {}
    for place, bar in enumerate(bars):
        if not bar.symbol:
            yield Violation(f"bars[{place}].symbol", "is needed, here or beside bars")
            continue
        known = [price for price in (bar.open, bar.close) if price is not None]
        if bar.high is not None and bar.high < max([*known, bar.low or 0]):
            yield Violation(f"bars[{place}].high", "is below another price of the bar")
        if bar.low is not None and bar.low > min(known):
            yield Violation(f"bars[{place}].low", "is above another price of the bar")
        key = (squeezed(bar.symbol), (bar.venue or "").lower(), bar.at)
        other = seen.setdefault(key, bar)
        if (other.open, other.high, other.low, other.close) != (bar.open, bar.high, bar.low, bar.close):
            yield Violation(f"bars[{place}]", "contradicts an earlier bar of the same symbol, venue and moment")
