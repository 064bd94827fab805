"""The rules a trading decision must keep: geometry of its prices, limits of the caller."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from app.decisions.context import Constraints, MarketContext
from app.decisions.exposure import reference_price
from app.decisions.limits import Limits
from app.decisions.percent_prices import MOST_STOP, converted, percentages
from app.decisions.rules import broken
from app.domain.decision import Action, Opinion, RuleViolation, Severity
from app.domain.frozen import frozen
from app.domain.symbols import same_symbol

LEAST_STOP: Final = 0.0005

_CLOSING: Final = frozenset(("close_long", "close_short", "reduce"))
_ACTIONS: Final = {
    "open_long": Action.BUY,
    "close_short": Action.BUY,
    "open_short": Action.SELL,
    "close_long": Action.SELL,
    "hold": Action.HOLD,
}


@frozen
class Strictness:
    """What the caller allows: `clamp` cuts leverage and size to the limits instead of refusing them."""

    clamp: bool = False
    convert_percent_stops: bool = False


STRICT: Final = Strictness()


@frozen
class Checked:
    """An opinion after the rules; `opinion` differs from the one checked only where the caller allowed it."""

    opinion: Opinion
    violations: tuple[RuleViolation, ...] = field(default=())

    @property
    def is_valid(self) -> bool:
        """Whether no rule forbids acting on it."""
        # Nearly all keep every rule.
        return not self.violations or all(one.severity is not Severity.ERROR for one in self.violations)

    @property
    def reason(self) -> str:
        """The codes of the errors."""
        return ", ".join(v.code for v in self.violations if v.severity is Severity.ERROR)


def check(
    opinion: Opinion,
    market: MarketContext | None,
    strictness: Strictness = STRICT,
    percents: Mapping[str, float] | None = None,
    *,
    constraints: Constraints | None = None,
) -> Checked:
    """All rules at once. Without a market, stop and target are compared with each other and limits are those of all.

    Constraints are the market's unless given.
    """
    if constraints is None:
        constraints = market.constraints if market is not None else Constraints()
    found: list[RuleViolation] = []
    if not in_universe(opinion.symbol, constraints):
        found.append(broken("symbol_outside_universe", "symbol", f"{opinion.symbol} is not in the universe stated"))
    if opinion.intent is not None:
        found += _intent(opinion, market)
    reference = reference_price(opinion, market)
    shares = dict(percents or ())
    if opinion.entry is not None or opinion.stop_loss is not None or opinion.take_profit:
        shares.update(percentages(opinion, market, reference))
    if shares:
        opinion, read = converted(opinion, reference, shares, is_allowed=strictness.convert_percent_stops)
        found += read
    found += _numbers(opinion)
    if opinion.action is not Action.HOLD:
        is_closing = closes(opinion, market)
        opinion, beyond = Limits(constraints, market, strictness.clamp, is_closing).kept(opinion)
        found += beyond
        if not is_closing:
            found += _geometry(opinion, reference)
            found += _risk(opinion, reference, constraints, market)
    elif opinion.size is not None and opinion.size.value > 0:
        found.append(broken("hold_with_size", "size", "a HOLD needs no size"))
    if constraints.allowed_actions:
        found += _permitted(opinion, constraints)
    return Checked(opinion, tuple(found))


def closes(opinion: Opinion, market: MarketContext | None) -> bool:
    """Whether this closes or reduces what is held, so that it needs no stop; a plain SELL without a position opens.

    Where the market says what is held, an intent to close something else is no excuse: that order would open.
    """
    side = market.position.side if market is not None and market.position is not None else None
    held = (opinion.action, side) in ((Action.SELL, "long"), (Action.BUY, "short"))
    if opinion.intent is None:
        return held
    return opinion.intent in _CLOSING and (held or side is None)


def in_universe(symbol: str, constraints: Constraints) -> bool:
    """Whether the caller's universe has this symbol; an empty one has all."""
    return not constraints.universe or any(same_symbol(symbol, known) for known in constraints.universe)


def _intent(opinion: Opinion, market: MarketContext | None) -> Iterator[RuleViolation]:
    wanted = _ACTIONS.get(opinion.intent or "")
    if wanted is not None and wanted is not opinion.action:
        yield broken("intent_contradicts_action", "intent", f"{opinion.intent} is no {opinion.action}")
    elif opinion.intent in _CLOSING and not closes(opinion, market):
        yield broken(
            "nothing_to_close", "intent", f"{opinion.intent} closes nothing that is held: judged as an opening"
        )


def _geometry(opinion: Opinion, reference: float | None) -> Iterator[RuleViolation]:
    """Stop on the losing side, targets on the winning one, the stop at a sane distance."""
    sign = 1 if opinion.action is Action.BUY else -1
    stop = opinion.stop_loss
    below, above = ("below", "above") if sign > 0 else ("above", "below")
    if reference is None:
        if stop is not None and any(sign * (target - stop) <= 0 for target in opinion.take_profit):
            yield broken("stop_beyond_target", "stop_loss", f"expected the stop {below} every target")
        return
    if stop is not None and sign * (reference - stop) <= 0:
        yield broken("stop_wrong_side", "stop_loss", f"expected {below} {reference:g}, got {stop:g}")
    elif stop is not None:
        distance = abs(reference - stop) / reference
        if distance < LEAST_STOP:
            yield broken("stop_too_close", "stop_loss", f"{distance:.4%} from {reference:g}, least {LEAST_STOP:.2%}")
        if distance > MOST_STOP:
            yield broken("stop_too_far", "stop_loss", f"{distance:.1%} from {reference:g}, most {MOST_STOP:.0%}")
    for target in opinion.take_profit:
        if sign * (target - reference) <= 0:
            yield broken("target_wrong_side", "take_profit", f"expected {above} {reference:g}, got {target:g}")


def _risk(
    opinion: Opinion, reference: float | None, constraints: Constraints, market: MarketContext | None
) -> Iterator[RuleViolation]:
    stop = opinion.stop_loss
    if stop is None:
        if constraints.require_stop:
            yield broken("stop_required", "stop_loss", "a stop is required")
        return
    atr = market.indicators.atr if market is not None else None
    if reference is not None and atr is not None and abs(reference - stop) < atr.value / 4:
        yield broken("stop_inside_noise", "stop_loss", f"tighter than a quarter of the ATR of {atr.value:g}")
    ratio = risk_reward(opinion, reference)
    least = constraints.min_risk_reward
    if least is not None and not opinion.take_profit:
        yield broken("risk_reward_unknown", "take_profit", f"no target to hold against a least of {least:g}")
    if least is not None and ratio is not None and ratio < least:
        yield broken("risk_reward_too_low", "take_profit", f"{ratio:.2f}, least {least:g}")


def risk_reward_of(opinion: Opinion, market: MarketContext | None) -> float | None:
    """What an opening stands to win over what it stands to lose, to four digits; None for all others."""
    if opinion.action is Action.HOLD or closes(opinion, market):
        return None
    ratio = risk_reward(opinion, reference_price(opinion, market))
    return None if ratio is None else round(ratio, 4)


def risk_reward(opinion: Opinion, reference: float | None) -> float | None:
    """Way to the nearest target over way to the stop; None when a price is missing or on its wrong side."""
    if reference is None or opinion.stop_loss is None or not opinion.take_profit:
        return None
    sign = 1 if opinion.action is Action.BUY else -1
    risk = sign * (reference - opinion.stop_loss)
    reward = min(sign * (target - reference) for target in opinion.take_profit)
    return reward / risk if risk > 0 and reward > 0 else None


def _permitted(opinion: Opinion, constraints: Constraints) -> Iterator[RuleViolation]:
    allowed = {item.action for item in constraints.allowed_actions}
    # Doing nothing is never forbidden.
    if opinion.action not in allowed and opinion.action is not Action.HOLD:
        yield broken("action_not_allowed", "action", f"{opinion.action} is not among {', '.join(sorted(allowed))}")


def _numbers(opinion: Opinion) -> Iterator[RuleViolation]:
    """Every number finite, every price above 0."""
    entry, stop, size = opinion.entry, opinion.stop_loss, opinion.size
    if entry is not None and entry.price is not None:
        yield from _prices("entry", (entry.price,))
    if stop is not None:
        yield from _prices("stop_loss", (stop,))
    if opinion.take_profit:
        yield from _prices("take_profit", opinion.take_profit)
    for name, number in (
        ("confidence", opinion.confidence),
        ("size", None if size is None else size.value),
        ("leverage", opinion.leverage),
        ("risk_usd", opinion.risk_usd),
    ):
        if number is not None and not math.isfinite(number):
            yield broken("not_finite", name, "expected a finite number")


def _prices(name: str, stated: tuple[float, ...]) -> list[RuleViolation]:
    if not all(map(math.isfinite, stated)):
        return [broken("not_finite", name, "expected a finite number")]
    return [broken("price_not_positive", name, "expected a price above 0")] if min(stated) <= 0 else []
