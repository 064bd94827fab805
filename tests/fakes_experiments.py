"""Stand-ins for what experiments are kept and compared with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.agents.experiments import Experiments
from app.agents.trials import Trials
from app.domain.agent import AgentConfig
from app.domain.errors import Code, Conflict, NotFound
from app.domain.experiment import Arm, ArmRequest, ArmRequests, Experiment, Traffic
from app.domain.outcome import ScoredVote
from tests.fakes_scores import FakeScores

THEN = datetime(2026, 11, 20, 6, tzinfo=UTC)
BOTH = tuple(Traffic)


def experiment(**changes: Any) -> Experiment:
    """Two configurations of agent 7, half each."""
    arms = (Arm("a", 0.5, 1), Arm("b", 0.5, 2))
    made = Experiment("a against b", 7, arms, "request", BOTH, id="exp_1", created_at=THEN, created_by="k")
    return replace(made, **changes)


class FakeExperiments:
    """Experiments in a dictionary; one per agent and kind of traffic runs."""

    def __init__(self) -> None:
        self.kept: dict[str, Experiment] = {}
        self.revision = 0

    async def create(self, experiment: Experiment) -> Experiment:
        for other in self.kept.values():
            if (
                other.is_running
                and other.agent_id == experiment.agent_id
                and {*other.applies_to} & {*experiment.applies_to}
            ):
                raise Conflict(f"the experiment {other.id} already splits this", param="agent_id")
        made = replace(experiment, id=f"exp_{len(self.kept) + 1}", created_at=THEN)
        self.kept[made.id] = made
        self.revision += 1
        return made

    async def get(self, experiment_id: str) -> Experiment | None:
        return self.kept.get(experiment_id)

    async def page(
        self, *, limit: int, cursor: str | None, agent_id: int | None
    ) -> tuple[list[Experiment], str | None]:
        found = [one for one in self.kept.values() if agent_id in (None, one.agent_id)]
        return found[::-1][:limit], cursor

    async def stop(self, experiment_id: str, by: str) -> Experiment | None:
        if (found := self.kept.get(experiment_id)) is not None and found.is_running:
            self.kept[experiment_id] = replace(found, stopped_at=THEN, stopped_by=by)
            self.revision += 1
        return self.kept.get(experiment_id)

    async def delete(self, experiment_id: str, by: str) -> bool:
        self.revision += 1
        return self.kept.pop(experiment_id, None) is not None

    async def everything(self) -> tuple[int, list[Experiment]]:
        return self.revision, [one for one in self.kept.values() if one.is_running]


class FakeArmRecords:
    """Completions by variant."""

    def __init__(self, **found: list[ArmRequest]) -> None:
        self.found = found

    async def requests(self, variant: str) -> AsyncGenerator[ArmRequests]:
        yield self.found.get(variant.partition("/")[2], [])


class FakeConfigs:
    """Agent 7 has the configurations 1 and 2, and 3, which is off."""

    async def configs(self, agent_id: int) -> Sequence[AgentConfig]:
        if agent_id != 7:
            raise NotFound(f"no agent has the id {agent_id}", code=Code.UNKNOWN_AGENT)
        return [AgentConfig(number, 7, "alpha", f"alpha-{number}", enabled=number < 3) for number in (1, 2, 3)]


def trials(
    votes: Sequence[ScoredVote] = (), records: FakeArmRecords | None = None, registry: Experiments | None = None
) -> Trials:
    """The real service over these."""
    scores = FakeScores()
    scores.votes = list(votes)
    return Trials(
        FakeExperiments(),
        registry or Experiments(),
        FakeConfigs(),
        scores,
        records or FakeArmRecords(),
        known=lambda name: name.startswith("alpha"),
        wall=lambda: datetime(2026, 11, 21, tzinfo=UTC),
    )
