"""The JSON of experiments: how traffic is split, and the arms side by side."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from app.agents.trials import Compared
from app.api.deps import MAX_ID
from app.api.fields import Answer, Body
from app.api.native_chat import Name
from app.api.times import rendered_time
from app.domain.experiment import Arm, Experiment, PromptTemplate, Sticky, Traffic
from app.domain.usage import money
from app.outcomes.comparison import ArmResult, Difference, Metric, ShadowResult, Share
from app.outcomes.intervals import Interval, Mean

_DIGITS: Final = 9
_MONEY: Final = frozenset((Metric.DECISION_COST, Metric.REQUEST_COST))


class ArmBody(Body):
    """A share of the traffic, and what is different for it; a control has nothing but its share."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    share: float = Field(gt=0, le=1)
    config_id: int | None = Field(default=None, ge=1, le=MAX_ID, description="The one configuration that speaks.")
    language: Annotated[str, StringConstraints(min_length=1, max_length=35)] | None = Field(
        default=None, description="The language in which reasoning is asked for, instead of the market's."
    )
    template: Literal["standard", "no_regime"] | None = Field(
        default=None, description="no_regime: our prompt without the block that counters a regime's known bias."
    )

    @property
    def arm(self) -> Arm:
        """The arm."""
        template = None if self.template is None else PromptTemplate(self.template)
        return Arm(self.name, self.share, self.config_id, self.language, template)


class ExperimentCreate(Body):
    """A split of one agent's traffic. The first arm is what the others are compared with.

    `sticky_by` is conversation, symbol, key, request, or `metadata.` and the name of a field. Without `applies_to` both
    are split, but decisions alone where an arm changes the prompt or there are shadows.
    """

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    agent_id: int = Field(ge=1, le=MAX_ID)
    arms: list[ArmBody] = Field(min_length=1, max_length=16)
    sticky_by: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Sticky.REQUEST.value
    applies_to: list[Literal["chat", "decisions"]] | None = Field(default=None, min_length=1, max_length=2)
    shadow: list[Name] = Field(default_factory=list, max_length=8)

    def experiment(self) -> Experiment:
        """The experiment, not begun yet."""
        arms = tuple(body.arm for body in self.arms)
        is_of_prompts = any(arm.changes_prompt for arm in arms) or bool(self.shadow)
        usual = (Traffic.DECISIONS,) if is_of_prompts else tuple(Traffic)
        applies_to = usual if self.applies_to is None else tuple(Traffic(word) for word in self.applies_to)
        return Experiment(self.name, self.agent_id, arms, self.sticky_by, applies_to, tuple(self.shadow))


class ExperimentAnswer(Answer):
    """An experiment as it is, or was, in force."""

    id: str
    name: str
    agent_id: int
    status: str = Field(description="running or stopped")
    arms: list[dict[str, Any]]
    sticky_by: str
    applies_to: list[str]
    shadow: list[str]
    created_at: str
    created_by: str
    stopped_at: str | None
    stopped_by: str | None


class ExperimentPage(Answer):
    """Experiments, newest first."""

    items: list[ExperimentAnswer]
    next: str | None


class ComparedAnswer(ExperimentAnswer):
    """An experiment with what came of it so far: each arm, and each arm beside the first."""

    comparison: dict[str, Any]
    shadows: list[dict[str, Any]]


def experiment_rendered(experiment: Experiment) -> dict[str, Any]:
    """The experiment as callers see it."""
    return {
        "id": experiment.id,
        "name": experiment.name,
        "agent_id": experiment.agent_id,
        "status": "running" if experiment.is_running else "stopped",
        "arms": [_arm(arm) for arm in experiment.arms],
        "sticky_by": experiment.sticky_by,
        "applies_to": [traffic.value for traffic in experiment.applies_to],
        "shadow": list(experiment.shadow),
        "created_at": None if experiment.created_at is None else rendered_time(experiment.created_at),
        "created_by": experiment.created_by,
        "stopped_at": None if experiment.stopped_at is None else rendered_time(experiment.stopped_at),
        "stopped_by": experiment.stopped_by,
    }


def compared_rendered(compared: Compared) -> dict[str, Any]:
    """The same with what came of it."""
    experiment = compared.experiment
    arms = [
        _arm(arm) | {"results": _results(compared.arms[experiment.variant(arm)], experiment)} for arm in experiment.arms
    ]
    comparison = {
        "baseline": experiment.arms[0].name,
        "level": 0.95,
        "comparisons": len(compared.differences),
        "rows": [_difference(row) for row in compared.differences],
    }
    shadows = [
        {"provider": provider, "model": model} | _shadow(result)
        for (provider, model), result in sorted(compared.shadows.items())
    ]
    return experiment_rendered(experiment) | {"arms": arms, "comparison": comparison, "shadows": shadows}


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "name": arm.name,
        "share": arm.share,
        "config_id": arm.config_id,
        "language": arm.language,
        "template": None if arm.template is None else arm.template.value,
    }


def _results(result: ArmResult, experiment: Experiment) -> dict[str, Any]:
    decisions = {
        "n": result.decisions,
        "validity": _share(result.shares[Metric.VALIDITY], "votes"),
        "hit_rate": _share(result.shares[Metric.HIT_RATE], "votes"),
        "cost_usd": money(result.decisions_cost),
        "unpriced": result.unpriced_decisions,
        "cost_per_decision_usd": _mean(result.means[Metric.DECISION_COST], Metric.DECISION_COST),
        "latency_ms": _mean(result.means[Metric.DECISION_LATENCY], Metric.DECISION_LATENCY),
    }
    chat = {
        "n": result.requests,
        "answered": _share(result.shares[Metric.ANSWERED], "requests"),
        "cost_usd": money(result.requests_cost),
        "unpriced": result.unpriced_requests,
        "cost_per_request_usd": _mean(result.means[Metric.REQUEST_COST], Metric.REQUEST_COST),
        "latency_ms": _mean(result.means[Metric.REQUEST_LATENCY], Metric.REQUEST_LATENCY),
    }
    return {
        "decisions": decisions if Traffic.DECISIONS in experiment.applies_to else None,
        "chat": chat if Traffic.CHAT in experiment.applies_to else None,
    }


def _share(share: Share, unit: str) -> dict[str, Any]:
    low, high = share.interval
    return {unit: share.total, "rate": _number(share.rate), "interval": [_number(low), _number(high)]}


def _mean(mean: Mean, metric: Metric) -> dict[str, Any]:
    value = mean.mean if mean.n else None
    return {"n": mean.n, "mean": _figure(value, metric), "interval": _ends(mean.interval(), metric)}


def _difference(row: Difference) -> dict[str, Any]:
    return {
        "metric": row.metric.value,
        "arm": row.variant.partition("/")[2],
        "n": row.n[1],
        "baseline_n": row.n[0],
        "difference": _figure(row.difference, row.metric),
        "interval": _ends(row.interval, row.metric),
        "verdict": row.verdict.value,
    }


def _shadow(result: ShadowResult) -> dict[str, Any]:
    return {
        "validity": _share(result.validity, "votes"),
        "hit_rate": _share(result.hit_rate, "votes"),
        "latency_ms": _mean(result.latency, Metric.DECISION_LATENCY),
        "cost_usd": money(result.cost),
        "unpriced": result.unpriced,
    }


def _ends(interval: Interval | None, metric: Metric) -> list[Any] | None:
    return None if interval is None else [_figure(end, metric) for end in interval]


def _figure(value: float | None, metric: Metric) -> float | str | None:
    """Money as a decimal string, to a billionth of a dollar: these are estimates, what was paid stands beside them."""
    if value is None or not math.isfinite(value):
        return None
    return money(Decimal(repr(value)).quantize(Decimal("1e-9"))) if metric in _MONEY else round(value, _DIGITS)


def _number(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
