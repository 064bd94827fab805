"""The risk rule: what a decision may lose against what the account bears. Deterministic, no model, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from app.decisions.assessment import Assessment, RiskVerdict
from app.decisions.context import Account, Constraints, MarketContext
from app.decisions.exposure import fraction_of, leverage_of, per_fraction, quote_currency, reference_price
from app.decisions.limits import MAX_LEVERAGE
from app.decisions.risk_limits import (
    LIQUIDATION,
    UNSTOPPED_ATR,
    Case,
    Limit,
    is_against,
    is_volatile,
    leverage_limit_of,
    limits_of,
)
from app.decisions.scenarios import scenarios
from app.decisions.validation import Strictness, check, closes
from app.domain.decision import Action, Opinion, Severity

# What a fraction has lost to arithmetic when it was turned into another unit and back.
_SLACK: Final = 1 + 1e-9
# Using all of the size or the cash that is allowed is no risk as such.
_MEASURES: Final = frozenset(("risk_at_stop", "open_risk", "daily_loss", "concentration"))


def assess(
    opinion: Opinion,
    market: MarketContext | None,
    constraints: Constraints | None = None,
    account: Account | None = None,
) -> Assessment:
    """What the rule says. Constraints and account are the market's unless given.

    HOLD and what closes or reduces a position is approved: neither adds risk. What breaks a rule of validation other
    than a limit of size or leverage is rejected. What is not known (equity, size, stop and ATR) limits nothing and is
    named among the reasons; its figures are None.
    """
    known = account or (market.account if market is not None else None) or Account()
    limits = constraints or (market.constraints if market is not None else Constraints())
    if opinion.action is Action.HOLD:
        return Assessment(RiskVerdict.APPROVE, 0.0, None, None, ("nothing_at_risk: HOLD opens nothing",))
    case = _case(opinion, market, limits, known)
    if not closes(opinion, market):
        return _judged(case)
    if broken := tuple(_broken(case)):
        return Assessment(RiskVerdict.REJECT, 1.0, None, None, broken)
    return Assessment(RiskVerdict.APPROVE, 0.0, None, None, ("closing: it makes what is held smaller",))


def _case(opinion: Opinion, market: MarketContext | None, constraints: Constraints, account: Account) -> Case:
    case = Case(opinion, market, constraints, account, reference_price(opinion, market), None)
    return replace(case, distance=_distance(case))


def _distance(case: Case) -> float | None:
    """The way to the stop, at least one ATR (a tighter stop is hit by noise, and fills beyond it)."""
    if case.reference is None:
        return None
    stop = case.opinion.stop_loss
    if stop is not None:
        return max(abs(case.reference - stop), case.atr or 0.0) / case.reference
    return None if case.atr is None else UNSTOPPED_ATR * case.atr / case.reference


def _judged(case: Case) -> Assessment:
    leverage_limit = leverage_limit_of(case)
    sized = replace(case.opinion, leverage=min(leverage_of(case.opinion), leverage_limit))
    fraction = fraction_of(sized, case.market, case.account)
    limits = list(limits_of(case, leverage_of(sized)))
    most = min((limit.most for limit in limits), default=None)
    refused = [*_refusals(case), *(f"{limit.code}: {limit.facts}" for limit in limits if limit.most <= 0)]
    cut = [*_too_much(case, leverage_limit), *(_cut(limit, fraction) for limit in limits if _exceeds(fraction, limit))]
    verdict = RiskVerdict.REJECT if refused else RiskVerdict.REDUCE if cut else RiskVerdict.APPROVE
    return Assessment(
        verdict,
        1.0 if refused else _score(case, limits, fraction),
        None if most is None else max(most, 0.0),
        leverage_limit,
        tuple(dict.fromkeys([*refused, *cut, *_cautions(case), *_unknowns(case, fraction)])),
        tuple(scenarios(case)),
        case.account.currency or quote_currency(case.opinion, case.market),
    )


def _broken(case: Case) -> Iterator[str]:
    # Limits of size and leverage are what an assessment cuts to; every other rule broken is no matter of size.
    checked = check(case.opinion, case.market, Strictness(clamp=True), constraints=case.constraints)
    for violation in checked.violations:
        is_stuck = violation.code == "size_exceeded" and not _is_comparable(case)
        if violation.severity is Severity.ERROR or is_stuck:
            yield f"{violation.code}: {violation.message}"


def _is_comparable(case: Case) -> bool:
    return per_fraction(case.opinion, case.market, case.account) is not None


def _refusals(case: Case) -> Iterator[str]:
    yield from _broken(case)
    if case.equity is not None and case.equity <= 0:
        yield f"no_equity: the account's equity is {case.equity:g}"


def _too_much(case: Case, most: float) -> Iterator[str]:
    leverage = leverage_of(case.opinion)
    if leverage <= most * _SLACK:
        return
    stated = case.constraints.max_leverage or MAX_LEVERAGE
    yield f"leverage: {leverage:g}, at most {most:g}"
    if most < stated:
        yield f"liquidation: at leverage {leverage:g} the margin may be gone before the stop is reached"


def _exceeds(fraction: float | None, limit: Limit) -> bool:
    return fraction is not None and fraction > limit.most * _SLACK and limit.most > 0


def _cut(limit: Limit, fraction: float | None) -> str:
    return f"{limit.code}: a fraction of {fraction or 0:.4g}, at most {limit.most:.4g}; {limit.facts}"


def _cautions(case: Case) -> Iterator[str]:
    """What made the rule more careful."""
    stop, atr, reference = case.opinion.stop_loss, case.atr, case.reference
    if is_volatile(case):
        yield "volatility: a volatile market, half of the loss allowed"
    if is_against(case):
        yield "regime: against the regime, half of the loss allowed"
    if stop is not None and atr is not None and reference is not None and abs(reference - stop) < atr:
        yield f"stop_inside_atr: the stop is nearer than one ATR of {atr:g}, which is taken to be lost"
    if stop is None and case.distance is not None:
        yield f"unstopped: no stop, a loss of {UNSTOPPED_ATR:g} ATR is assumed"


def _unknowns(case: Case, fraction: float | None) -> Iterator[str]:
    """What could not be looked at, because nobody told it."""
    if case.distance is None:
        yield "loss_unknown: neither stop nor ATR is known, so the loss is not limited"
    if case.equity is None:
        yield "account_unknown: without equity nothing is said about open risk, daily loss, cash or concentration"
    if case.opinion.size is None:
        yield "size_unknown: no size is stated, only what it may be"
    elif fraction is None:
        yield f"size_not_comparable: {case.opinion.size.unit} cannot be put against the equity"


def _score(case: Case, limits: list[Limit], fraction: float | None) -> float | None:
    """The largest share of a limit on losses or exposure that the proposal uses up, 0..1; None without a size."""
    if fraction is None:
        return None
    used = [fraction / limit.most for limit in limits if limit.code in _MEASURES and limit.most > 0]
    if case.distance:
        used.append(leverage_of(case.opinion) * case.distance / LIQUIDATION)
    return min(max(used), 1.0) if used else None
