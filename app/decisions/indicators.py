"""What was computed from a market's bars, checked on the way in; and the numbers that all of a context is made of."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

MAX_VALUES: Final = 60
MAX_TEXT: Final = 4_000


def _valued(given: object) -> object:
    """`"rsi": 61.2` is short for `"rsi": {"value": 61.2}`."""
    return {"value": given} if isinstance(given, int | float) and not isinstance(given, bool) else given


def _one_of_them(given: object, check: ValidatorFunctionWrapHandler) -> object:
    """A scalar's value, or one complaint instead of one for each kind that it might have been."""
    try:
        return check(given)
    except ValidationError:
        raise ValueError(f"expected a finite number, up to {MAX_TEXT} characters, true, false or null") from None


# Strict: a price that arrives as a string or as true was not measured by anybody.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Price = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
Share = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]
Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]
Percent = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=100)]
Period = Annotated[int, Field(strict=True, gt=0, le=10_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Scalar = Annotated[Number | Text | StrictBool | None, WrapValidator(_one_of_them)]
Facts = Annotated[dict[Name, Scalar], Field(max_length=64)]


class Part(BaseModel):
    """A part of a context: frozen, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rsi(Part):
    """Relative strength index, 0..100."""

    value: Percent
    period: Period | None = None


class Average(Part):
    """An exponential moving average."""

    period: Period
    value: Price


class Atr(Part):
    """Average true range, in price units."""

    value: Price
    period: Period | None = None


class Adx(Part):
    """Average directional index, 0..100."""

    value: Percent
    period: Period | None = None


class Macd(Part):
    """MACD, its signal line and their difference."""

    macd: Number | None = None
    signal: Number | None = None
    hist: Number | None = None


class Bollinger(Part):
    """Bollinger bands, as prices."""

    upper: Price
    middle: Price | None = None
    lower: Price
    period: Period | None = None
    deviations: Price | None = None

    # Validators of fields, here and elsewhere: they run, and report, beside whatever else is wrong.
    @field_validator("lower")
    @classmethod
    def _in_order(cls, lower: float, found: ValidationInfo) -> float:
        upper = found.data.get("upper")
        middle = found.data.get("middle")
        ladder = [band for band in (lower, middle, upper) if band is not None]
        if ladder != sorted(ladder):
            raise ValueError("bands out of order: expected lower <= middle <= upper")
        return lower


class Volume(Part):
    """Volume of the last bar and the average of twenty."""

    last: Amount | None = None
    avg20: Amount | None = None


class Indicators(Part):
    """What was computed from the bars; at most one average of each period."""

    rsi: Annotated[Rsi, BeforeValidator(_valued)] | None = None
    macd: Macd | None = None
    ema: Annotated[tuple[Average, ...], Field(max_length=16)] = ()
    atr: Annotated[Atr, BeforeValidator(_valued)] | None = None
    bollinger: Bollinger | None = None
    vwap: Price | None = None
    adx: Annotated[Adx, BeforeValidator(_valued)] | None = None
    volume: Volume | None = None
    extra: Facts = Field(default_factory=dict)

    @field_validator("ema")
    @classmethod
    def _one_of_each(cls, averages: tuple[Average, ...]) -> tuple[Average, ...]:
        periods = [average.period for average in averages]
        twice = sorted({period for period in periods if periods.count(period) > 1})
        if twice:
            raise ValueError(f"two averages of the same period: {', '.join(map(str, twice))}")
        return averages

    def average(self, period: int) -> float | None:
        """The exponential moving average over so many bars, where it was given."""
        return next((average.value for average in self.ema if average.period == period), None)


class HigherTimeframe(Indicators):
    """The same indicators on longer bars."""

    bar: Name | None = None


class Series(Part):
    """Recent values, oldest first."""

    name: Name
    bar: Name | None = None
    order: str = Field(default="oldest_first", pattern="^oldest_first$")
    values: Annotated[tuple[Number, ...], Field(min_length=1, max_length=MAX_VALUES)]


class Pattern(Part):
    """A chart pattern that somebody recognised; `confidence` is the recogniser's claim."""

    name: Name
    direction: str | None = Field(default=None, pattern="^(bullish|bearish|neutral)$")
    confidence: Share | None = None
    bar: Name | None = None
    evidence: Annotated[str, StringConstraints(max_length=400)] | None = None
