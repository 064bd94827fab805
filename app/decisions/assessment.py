"""What was found about the risk of a decision, and what a decision becomes under it: never larger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from app.decisions.context import Account, MarketContext
from app.decisions.exposure import per_fraction
from app.domain.decision import Action, Opinion, Size


class RiskVerdict(StrEnum):
    """What may become of a decision, from the mildest to the hardest."""

    APPROVE = "approve"
    REDUCE = "reduce"
    REJECT = "reject"


_HARDNESS: Final = tuple(RiskVerdict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A price and what it would cost: `move` a share of the price, `loss` in account currency; None is unknown."""

    name: str
    price: float
    move: float
    loss: float | None
    loss_fraction: float | None


@dataclass(frozen=True, slots=True)
class Assessment:
    """A verdict with its reasons ("code: facts"). `risk_score` 0..1; `max_fraction` of equity; None is unknown."""

    verdict: RiskVerdict
    risk_score: float | None
    max_fraction: float | None
    max_leverage: float | None
    reasons: tuple[str, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    currency: str | None = None
    sources: tuple[str, ...] = ("rule",)
    warnings: tuple[str, ...] = ()

    def rendered(self) -> dict[str, Any]:
        """As JSON values, every key always there."""
        return {
            "risk_score": None if self.risk_score is None else round(self.risk_score, 4),
            "verdict": self.verdict.value,
            "max_fraction": self.max_fraction,
            "max_leverage": self.max_leverage,
            "reasons": list(self.reasons),
            "scenarios": [_scenario(scenario) for scenario in self.scenarios],
            "currency": self.currency,
            "sources": list(self.sources),
            "warnings": list(self.warnings),
        }


def stricter(rule: Assessment, other: Assessment) -> Assessment:
    """The rule's assessment with a second one's word: the harder verdict, the smaller limits, the higher score."""
    return replace(
        rule,
        verdict=max(rule.verdict, other.verdict, key=_HARDNESS.index),
        risk_score=_known(max, rule.risk_score, other.risk_score),
        max_fraction=_known(min, rule.max_fraction, other.max_fraction),
        max_leverage=_known(min, rule.max_leverage, other.max_leverage),
        reasons=(*rule.reasons, *other.reasons),
        sources=(*rule.sources, *other.sources),
        warnings=(*rule.warnings, *other.warnings),
    )


def under(
    assessment: Assessment, opinion: Opinion, market: MarketContext | None, account: Account | None = None
) -> Opinion:
    """The opinion as the assessment lets it stand: HOLD when rejected, size and leverage cut to its limits.

    A size that cannot be put against the equity (its unit, or the equity, does not let us) stays.
    """
    if opinion.action is Action.HOLD or assessment.verdict is RiskVerdict.APPROVE:
        return opinion
    if assessment.verdict is RiskVerdict.REJECT:
        return _held(opinion)
    most = assessment.max_leverage
    if opinion.leverage is not None and most is not None and opinion.leverage > most:
        opinion = replace(opinion, leverage=most)
    limit, size = assessment.max_fraction, opinion.size
    if limit is None or size is None:
        return opinion
    unit = per_fraction(opinion, market, account)
    if unit is None or size.value <= limit * unit:
        return opinion
    return replace(opinion, size=Size(size.unit, limit * unit))


def _held(opinion: Opinion) -> Opinion:
    return replace(
        opinion, action=Action.HOLD, intent=None, entry=None, stop_loss=None, take_profit=(), size=None, leverage=None
    )


def _known(choose: Callable[[Sequence[float]], float], *numbers: float | None) -> float | None:
    known = [number for number in numbers if number is not None]
    return choose(known) if known else None


def _scenario(scenario: Scenario) -> Mapping[str, Any]:
    return {
        "name": scenario.name,
        "price": scenario.price,
        "move": scenario.move,
        "loss": scenario.loss,
        "loss_fraction": scenario.loss_fraction,
    }
