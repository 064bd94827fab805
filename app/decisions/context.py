"""The market as a caller describes it, checked on the way in: whatever is wrong is named at once, where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    Field,
    StrictBool,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.decisions.indicators import (
    Amount,
    Facts,
    HigherTimeframe,
    Indicators,
    Name,
    Number,
    Part,
    Pattern,
    Price,
    Series,
    Share,
    Text,
)
from app.domain.decision import Action
from app.domain.symbols import SYMBOL_PATTERN

Symbol = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, pattern=SYMBOL_PATTERN)]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")]


class Timeframe(StrEnum):
    """How long a position is meant to last."""

    SCALPING = "scalping"
    INTRADAY = "intraday"
    SWING = "swing"
    POSITION = "position"


class RegimeLabel(StrEnum):
    """What kind of market it is."""

    BULL = "bull"
    BEAR = "bear"
    SIDEWAYS = "sideways"
    HIGH_VOLATILITY = "high_volatility"


STALE_AFTER: Final = {
    Timeframe.SCALPING: timedelta(seconds=30),
    Timeframe.INTRADAY: timedelta(minutes=5),
    Timeframe.SWING: timedelta(hours=1),
    Timeframe.POSITION: timedelta(hours=24),
}
"""How old a context may be before a decision made from it carries a warning."""

MAX_NEWS: Final = 50

_MOMENT: Final[TypeAdapter[datetime]] = TypeAdapter(AwareDatetime)


class PriceNow(Part):
    """Last trade and, where known, the quote around it."""

    last: Price
    bid: Price | None = None
    ask: Price | None = None

    @field_validator("ask")
    @classmethod
    def _not_crossed(cls, ask: float | None, found: ValidationInfo) -> float | None:
        bid = found.data.get("bid")
        if bid is not None and ask is not None and bid > ask:
            raise ValueError("bid is above ask")
        return ask


class Regime(Part):
    """What kind of market the caller sees."""

    label: RegimeLabel
    confidence: Share | None = None
    source: Name | None = None


class Levels(Part):
    """Prices at which the market turned before."""

    support: Annotated[tuple[Price, ...], Field(max_length=20)] = ()
    resistance: Annotated[tuple[Price, ...], Field(max_length=20)] = ()


class Position(Part):
    """What is held in this symbol now."""

    side: Literal["flat", "long", "short"]
    quantity: Amount | None = None
    entry_price: Price | None = None
    unrealized_pnl: Number | None = None
    leverage: Price | None = None
    stop_loss: Price | None = None
    take_profit: Price | None = None
    opened_at: AwareDatetime | None = None

    @field_validator("quantity")
    @classmethod
    def _nothing_when_flat(cls, quantity: float | None, found: ValidationInfo) -> float | None:
        if found.data.get("side") == "flat" and quantity:
            raise ValueError("a flat position has no quantity")
        return quantity


class Account(Part):
    """Money behind the decision."""

    equity: Number | None = None
    cash: Number | None = None
    buying_power: Number | None = None
    open_risk_usd: Amount | None = None
    daily_pnl: Number | None = None
    currency: Name | None = None


class AllowedAction(Part):
    """An action that may be taken, up to a quantity."""

    action: Action
    max_quantity: Amount | None = None


class Constraints(Part):
    """What a decision must keep to. `max_risk`, `max_open_risk` and `max_daily_loss` are shares of equity."""

    max_leverage: Price | None = None
    max_fraction: Share | None = None
    min_risk_reward: Amount | None = None
    require_stop: StrictBool = False
    max_risk: Share | None = None
    max_open_risk: Share | None = None
    max_daily_loss: Share | None = None
    universe: Annotated[tuple[Symbol, ...], Field(max_length=1_000)] = ()
    allowed_actions: Annotated[tuple[AllowedAction, ...], Field(max_length=16)] = ()


class NewsItem(Part):
    """Untrusted: whoever wrote it wants something."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    summary: Text | None = None
    source: Name | None = None
    published_at: AwareDatetime | None = None


class MarketContext(Part):
    """Everything but `as_of` and `price.last` may be absent; the symbol comes from here or from the request.

    `tick_size` is the smallest step of the price; without it the quote tells how finely prices are written.
    """

    symbol: Symbol | None = None
    venue: Name | None = None
    asset_class: Name | None = None
    quote_currency: Name | None = None
    tick_size: Price | None = None
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
    news: Annotated[tuple[NewsItem, ...], Field(max_length=MAX_NEWS)] = ()
    memory: Annotated[tuple[Facts, ...], Field(max_length=20)] = ()
    language: Language = "en"

    @field_validator("as_of")
    @classmethod
    def _in_utc(cls, as_of: datetime) -> datetime:
        try:
            return as_of.astimezone(UTC)
        except OverflowError:
            raise ValueError("is before the first or after the last day there is in UTC") from None

    @field_validator("news", mode="wrap")
    @classmethod
    def _not_from_the_future(
        cls, given: object, check: ValidatorFunctionWrapHandler, found: ValidationInfo
    ) -> tuple[NewsItem, ...]:
        as_of = found.data.get("as_of")
        late = [_late(place) for place in _later_than(as_of, given)] if as_of else []
        try:
            news: tuple[NewsItem, ...] = check(given)
        except ValidationError as error:
            raise _together(error, late) from None
        if late:
            raise ValidationError.from_exception_data("news", late)
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


def _later_than(as_of: datetime, given: object) -> Iterator[int]:
    """Places of the items that nobody can have read at `as_of`, also among items that are wrong otherwise."""
    for place, item in enumerate(given[:MAX_NEWS] if isinstance(given, list | tuple) else ()):
        stated = item.get("published_at") if isinstance(item, dict) else getattr(item, "published_at", None)
        try:
            published = _MOMENT.validate_python(stated)
        except ValidationError:
            continue
        if published > as_of:
            yield place


def _late(place: int) -> InitErrorDetails:
    kind = PydanticCustomError("news_from_the_future", "later than as_of: nobody could have read it")
    return InitErrorDetails(type=kind, loc=(place, "published_at"), input=None)


def _together(error: ValidationError, late: Sequence[InitErrorDetails]) -> ValidationError:
    """The errors of the items and the late ones as one, each at its own place."""
    wrong = [
        InitErrorDetails(type=PydanticCustomError("news", "{said}", {"said": one["msg"]}), loc=one["loc"], input=None)
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return ValidationError.from_exception_data("news", [*wrong, *late])
