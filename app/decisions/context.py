"""The market as a caller describes it, checked on the way in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.decisions.symbols import SYMBOL_PATTERN
from app.domain.decision import Action


def _valued(given: object) -> object:
    """`"rsi": 61.2` is short for `"rsi": {"value": 61.2}`."""
    return {"value": given} if isinstance(given, int | float) and not isinstance(given, bool) else given


# Strict: a price that arrives as a string or as true was not measured by anybody.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Price = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
Share = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]
Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=4_000)]
Symbol = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=SYMBOL_PATTERN)]
Scalar = Number | Text | bool | None
Facts = Annotated[dict[Name, Scalar], Field(max_length=64)]


class Timeframe(StrEnum):
    """How long a position is meant to last."""

    SCALPING = "scalping"
    INTRADAY = "intraday"
    SWING = "swing"
    POSITION = "position"


STALE_AFTER: Final = {
    Timeframe.SCALPING: timedelta(seconds=30),
    Timeframe.INTRADAY: timedelta(minutes=5),
    Timeframe.SWING: timedelta(hours=1),
    Timeframe.POSITION: timedelta(hours=24),
}
"""How old a context may be before a decision made from it carries a warning."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PriceNow(_Part):
    """Last trade and, where known, the quote around it."""

    last: Price
    bid: Price | None = None
    ask: Price | None = None

    @model_validator(mode="after")
    def _not_crossed(self) -> Self:
        if self.bid is not None and self.ask is not None and self.bid > self.ask:
            raise ValueError("bid is above ask")
        return self


class Regime(_Part):
    """What kind of market the caller sees."""

    label: Literal["bull", "bear", "sideways", "high_volatility"]
    confidence: Share | None = None
    source: Name | None = None


class Rsi(_Part):
    """Relative strength index, 0..100."""

    value: Annotated[float, Field(strict=True, ge=0, le=100)]
    period: Annotated[int, Field(gt=0)] | None = None


class Average(_Part):
    """An exponential moving average."""

    period: Annotated[int, Field(gt=0)]
    value: Price


class Atr(_Part):
    """Average true range, in price units."""

    value: Price
    period: Annotated[int, Field(gt=0)] | None = None


class Adx(_Part):
    """Average directional index, 0..100."""

    value: Annotated[float, Field(strict=True, ge=0, le=100)]
    period: Annotated[int, Field(gt=0)] | None = None


class Macd(_Part):
    """MACD, its signal line and their difference."""

    macd: Number | None = None
    signal: Number | None = None
    hist: Number | None = None


class Bollinger(_Part):
    """Bollinger bands, as prices."""

    upper: Price
    middle: Price | None = None
    lower: Price
    period: Annotated[int, Field(gt=0)] | None = None
    deviations: Price | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        middle = self.lower if self.middle is None else self.middle
        if not self.lower <= middle <= self.upper:
            raise ValueError("bands out of order: expected lower <= middle <= upper")
        return self


class Volume(_Part):
    """Volume of the last bar and the average of twenty."""

    last: Amount | None = None
    avg20: Amount | None = None


class Indicators(_Part):
    """What was computed from the bars."""

    rsi: Annotated[Rsi, BeforeValidator(_valued)] | None = None
    macd: Macd | None = None
    ema: Annotated[tuple[Average, ...], Field(max_length=16)] = ()
    atr: Annotated[Atr, BeforeValidator(_valued)] | None = None
    bollinger: Bollinger | None = None
    vwap: Price | None = None
    adx: Annotated[Adx, BeforeValidator(_valued)] | None = None
    volume: Volume | None = None
    extra: Facts = Field(default_factory=dict)


class HigherTimeframe(Indicators):
    """The same indicators on longer bars."""

    bar: Name | None = None


class Series(_Part):
    """Recent values, oldest first."""

    name: Name
    bar: Name | None = None
    order: Literal["oldest_first"] = "oldest_first"
    values: Annotated[tuple[Number, ...], Field(min_length=1, max_length=60)]


class Pattern(_Part):
    """A chart pattern that somebody recognised."""

    name: Name
    direction: Literal["bullish", "bearish", "neutral"] | None = None
    confidence: Share | None = None
    bar: Name | None = None


class Levels(_Part):
    """Prices at which the market turned before."""

    support: Annotated[tuple[Price, ...], Field(max_length=20)] = ()
    resistance: Annotated[tuple[Price, ...], Field(max_length=20)] = ()


class Position(_Part):
    """What is held in this symbol now."""

    side: Literal["flat", "long", "short"]
    quantity: Amount | None = None
    entry_price: Price | None = None
    unrealized_pnl: Number | None = None
    leverage: Price | None = None
    stop_loss: Price | None = None
    take_profit: Price | None = None
    opened_at: AwareDatetime | None = None


class Account(_Part):
    """Money behind the decision."""

    equity: Number | None = None
    cash: Number | None = None
    buying_power: Number | None = None
    open_risk_usd: Amount | None = None
    daily_pnl: Number | None = None
    currency: Name | None = None


class AllowedAction(_Part):
    """An action that may be taken, up to a quantity."""

    action: Action
    max_quantity: Amount | None = None


class Constraints(_Part):
    """What a decision must keep to. `max_risk`, `max_open_risk` and `max_daily_loss` are shares of equity."""

    max_leverage: Price | None = None
    max_fraction: Share | None = None
    min_risk_reward: Amount | None = None
    require_stop: bool = False
    max_risk: Share | None = None
    max_open_risk: Share | None = None
    max_daily_loss: Share | None = None
    universe: Annotated[tuple[Symbol, ...], Field(max_length=1_000)] = ()
    allowed_actions: Annotated[tuple[AllowedAction, ...], Field(max_length=16)] = ()


class NewsItem(_Part):
    """Untrusted: whoever wrote it wants something."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    summary: Text | None = None
    source: Name | None = None
    published_at: AwareDatetime | None = None


class MarketContext(_Part):
    """Everything but `as_of` and `price.last` may be absent; the symbol comes from here or from the request."""

    symbol: Symbol | None = None
    venue: Name | None = None
    asset_class: Name | None = None
    quote_currency: Name | None = None
    as_of: AwareDatetime
    timeframe: Timeframe | None = None
    bar: Name | None = None
    price: PriceNow
    regime: Regime | None = None
    indicators: Indicators = Indicators()
    higher_timeframe: HigherTimeframe | None = None
    series: Annotated[tuple[Series, ...], Field(max_length=16)] = ()
    patterns: Annotated[tuple[Pattern, ...], Field(max_length=32)] = ()
    levels: Levels = Levels()
    derivatives: Facts = Field(default_factory=dict)
    position: Position | None = None
    account: Account | None = None
    constraints: Constraints = Constraints()
    news: Annotated[tuple[NewsItem, ...], Field(max_length=50)] = ()
    memory: Annotated[tuple[Facts, ...], Field(max_length=20)] = ()
    language: Name = "en"

    @field_validator("as_of")
    @classmethod
    def _in_utc(cls, as_of: datetime) -> datetime:
        try:
            return as_of.astimezone(UTC)
        except OverflowError:
            raise ValueError("is before the first or after the last day there is in UTC") from None

    # A field's validator, not the model's: it runs, and reports, beside whatever else is wrong.
    @field_validator("news")
    @classmethod
    def _not_from_the_future(cls, news: tuple[NewsItem, ...], found: ValidationInfo) -> tuple[NewsItem, ...]:
        as_of = found.data.get("as_of")
        late = [n for n, item in enumerate(news) if as_of and item.published_at and item.published_at > as_of]
        if late:
            raise ValueError(f"news later than as_of: item {', '.join(map(str, late))}")
        return news

    def plain(self) -> dict[str, Any]:
        """The context as JSON values: what was given, and nothing that was not."""
        return self.model_dump(mode="json", exclude_none=True, exclude_unset=True)


def staleness(context: MarketContext, wall: datetime) -> str | None:
    """A warning when the context is too old for its timeframe (intraday when none is given), or from the future."""
    age = wall - context.as_of
    limit = STALE_AFTER[context.timeframe or Timeframe.INTRADAY]
    if age > limit:
        return f"stale_context: as_of is {age.total_seconds():.0f} s old, more than {limit.total_seconds():.0f} s"
    if age < -limit:
        return f"future_context: as_of is {-age.total_seconds():.0f} s ahead of the clock"
    return None
