"""The rules a trading decision must keep: geometry of its prices, limits of the caller."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from app.decisions.context import Constraints, MarketContext
from app.domain.decision import Action, Opinion, RuleViolation, Severity, Size

LEAST_STOP: Final = 0.0005
MOST_STOP: Final = 0.5
MAX_LEVERAGE: Final = 125.0

_CLOSING: Final = frozenset(("close_long", "close_short", "reduce"))


@dataclass(frozen=True, slots=True)
class Strictness:
    """What the caller allows: `clamp` cuts leverage and size to the limits instead of refusing them."""

    clamp: bool = False
    convert_percent_stops: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """An opinion after the rules; `opinion` differs from the one checked only where the caller allowed it."""

    opinion: Opinion
    violations: tuple[RuleViolation, ...] = field(default=())

    @property
    def is_valid(self) -> bool:
        """Whether no rule forbids acting on it."""
        return all(violation.severity is not Severity.ERROR for violation in self.violations)

    @property
    def reason(self) -> str:
        """The codes of the errors."""
        return ", ".join(v.code for v in self.violations if v.severity is Severity.ERROR)


def check(
    opinion: Opinion,
    market: MarketContext | None,
    strictness: Strictness = Strictness(),
    percents: Mapping[str, float] | None = None,
) -> Checked:
    """All rules at once. Without a market, stop and target are compared with each other and limits are those of all."""
    found: list[RuleViolation] = []
    reference = _reference(opinion, market)
    opinion = _converted(opinion, reference, strictness, percents or {}, found)
    constraints = market.constraints if market is not None else Constraints()
    if opinion.action is not Action.HOLD:
        opinion = _limited(opinion, constraints, strictness, found)
        if not closes(opinion, market):
            found += _geometry(opinion, reference)
            found += _risk(opinion, reference, constraints, market)
    elif opinion.size is not None and opinion.size.value > 0:
        found.append(_warning("hold_with_size", "size", "a HOLD needs no size"))
    found += _finite(opinion)
    found += _permitted(opinion, constraints)
    return Checked(opinion, tuple(found))


def closes(opinion: Opinion, market: MarketContext | None) -> bool:
    """Whether this closes or reduces what is held, so that it needs no stop; a plain SELL without a position opens."""
    if opinion.intent is not None:
        return opinion.intent in _CLOSING
    side = market.position.side if market is not None and market.position is not None else "flat"
    return (opinion.action, side) in ((Action.SELL, "long"), (Action.BUY, "short"))


def _reference(opinion: Opinion, market: MarketContext | None) -> float | None:
    if opinion.entry is not None and opinion.entry.price is not None:
        return opinion.entry.price
    return market.price.last if market is not None else None


def _converted(
    opinion: Opinion,
    reference: float | None,
    strictness: Strictness,
    percents: Mapping[str, float],
    found: list[RuleViolation],
) -> Opinion:
    """Prices that are percentages become prices when the caller allows it, and an error when not."""
    shares = dict(percents)
    stop = opinion.stop_loss
    # A stop of 2 where the price is 98,500 is nobody's price. Below half of the price it would be refused anyway.
    if reference is not None and stop is not None and stop <= 50 and stop < MOST_STOP * reference:
        shares.setdefault("stop_loss", stop)
    if not shares or opinion.action is Action.HOLD:
        return opinion
    if not strictness.convert_percent_stops or reference is None or "entry" in shares:
        found += [_error("percent_price", name, f"{share:g} % where a price belongs") for name, share in shares.items()]
        return opinion
    sign = 1 if opinion.action is Action.BUY else -1
    for name, share in shares.items():
        found.append(_warning("percent_converted", name, f"{share:g} % read as a distance from {reference:g}"))
        if name == "stop_loss":
            opinion = replace(opinion, stop_loss=reference * (1 - sign * share / 100))
        else:
            opinion = replace(opinion, take_profit=(reference * (1 + sign * share / 100),))
    return opinion


def _geometry(opinion: Opinion, reference: float | None) -> Iterator[RuleViolation]:
    """Stop on the losing side, targets on the winning one, the stop at a sane distance."""
    sign = 1 if opinion.action is Action.BUY else -1
    stop = opinion.stop_loss
    below, above = ("below", "above") if sign > 0 else ("above", "below")
    if reference is None:
        if stop is not None and any(sign * (target - stop) <= 0 for target in opinion.take_profit):
            yield _error("stop_beyond_target", "stop_loss", f"expected the stop {below} every target")
        return
    if stop is not None and sign * (reference - stop) <= 0:
        yield _error("stop_wrong_side", "stop_loss", f"expected {below} {reference:g}, got {stop:g}")
    elif stop is not None:
        distance = abs(reference - stop) / reference
        if distance < LEAST_STOP:
            yield _error("stop_too_close", "stop_loss", f"{distance:.4%} from {reference:g}, least {LEAST_STOP:.2%}")
        if distance > MOST_STOP:
            yield _error("stop_too_far", "stop_loss", f"{distance:.1%} from {reference:g}, most {MOST_STOP:.0%}")
    for target in opinion.take_profit:
        if sign * (target - reference) <= 0:
            yield _error("target_wrong_side", "take_profit", f"expected {above} {reference:g}, got {target:g}")


def _risk(
    opinion: Opinion, reference: float | None, constraints: Constraints, market: MarketContext | None
) -> Iterator[RuleViolation]:
    stop = opinion.stop_loss
    if stop is None:
        if constraints.require_stop:
            yield _error("stop_required", "stop_loss", "a stop is required")
        return
    atr = market.indicators.atr if market is not None else None
    if reference is not None and atr is not None and abs(reference - stop) < atr.value / 4:
        yield _warning("stop_inside_noise", "stop_loss", f"tighter than a quarter of the ATR of {atr.value:g}")
    ratio = risk_reward(opinion, reference)
    least = constraints.min_risk_reward
    if least is not None and ratio is not None and ratio < least:
        yield _error("risk_reward_too_low", "take_profit", f"{ratio:.2f}, least {least:g}")


def risk_reward(opinion: Opinion, reference: float | None) -> float | None:
    """Way to the nearest target over way to the stop; None when a price is missing or on its wrong side."""
    if reference is None or opinion.stop_loss is None or not opinion.take_profit:
        return None
    sign = 1 if opinion.action is Action.BUY else -1
    risk, reward = sign * (reference - opinion.stop_loss), sign * (opinion.take_profit[0] - reference)
    return reward / risk if risk > 0 and reward > 0 else None


def _limited(opinion: Opinion, constraints: Constraints, strictness: Strictness, found: list[RuleViolation]) -> Opinion:
    """Leverage and size within the limits: refused beyond them, or cut where the caller allows it."""
    most = min(constraints.max_leverage or MAX_LEVERAGE, MAX_LEVERAGE)
    if opinion.leverage is not None and opinion.leverage > most:
        found.append(_beyond("leverage_exceeded", "leverage", opinion.leverage, most, strictness))
        opinion = replace(opinion, leverage=most) if strictness.clamp else opinion
    if opinion.leverage is not None and opinion.leverage < min(1.0, most):
        found.append(_error("leverage_out_of_range", "leverage", f"{opinion.leverage:g} is less than 1"))
    size = opinion.size
    limit = _size_limit(opinion, constraints)
    if size is not None and limit is not None and size.value > limit:
        found.append(_beyond("size_exceeded", "size", size.value, limit, strictness))
        opinion = replace(opinion, size=Size(size.unit, limit)) if strictness.clamp else opinion
    return opinion


def _size_limit(opinion: Opinion, constraints: Constraints) -> float | None:
    match opinion.size.unit if opinion.size is not None else None:
        case "fraction_of_equity":
            return 1.0 if constraints.max_fraction is None else constraints.max_fraction
        case "fraction_of_position":
            return 1.0
        case "quantity":
            quantities = [a.max_quantity for a in constraints.allowed_actions if a.action is opinion.action]
            return max((q for q in quantities if q is not None), default=None)
        case _:
            return None


def _permitted(opinion: Opinion, constraints: Constraints) -> Iterator[RuleViolation]:
    allowed = {item.action for item in constraints.allowed_actions}
    # Doing nothing is never forbidden.
    if allowed and opinion.action not in allowed and opinion.action is not Action.HOLD:
        yield _error("action_not_allowed", "action", f"{opinion.action} is not among {', '.join(sorted(allowed))}")


def _finite(opinion: Opinion) -> Iterator[RuleViolation]:
    stated = {
        "confidence": (opinion.confidence,),
        "entry": (opinion.entry.price,) if opinion.entry is not None else (),
        "stop_loss": (opinion.stop_loss,),
        "take_profit": opinion.take_profit,
        "size": (opinion.size.value,) if opinion.size is not None else (),
        "leverage": (opinion.leverage,),
        "risk_usd": (opinion.risk_usd,),
    }
    for name, numbers in stated.items():
        if not _all_finite(numbers):
            yield _error("not_finite", name, "expected a finite number")


def _all_finite(numbers: Iterable[float | None]) -> bool:
    return all(number is None or math.isfinite(number) for number in numbers)


def _beyond(code: str, name: str, value: float, limit: float, strictness: Strictness) -> RuleViolation:
    severity = Severity.WARNING if strictness.clamp else Severity.ERROR
    return RuleViolation(code, severity, name, f"{value:g}, at most {limit:g}{' (cut)' if strictness.clamp else ''}")


def _error(code: str, name: str, message: str) -> RuleViolation:
    return RuleViolation(code, Severity.ERROR, name, message)


def _warning(code: str, name: str, message: str) -> RuleViolation:
    return RuleViolation(code, Severity.WARNING, name, message)
