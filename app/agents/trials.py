"""Experiments as administrators manage them: checked, stored, in force when the call returns, and compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import anyio
import anyio.to_thread

from app.agents.experiments import Experiments
from app.agents.rules import raise_for
from app.domain.agent import AgentConfig
from app.domain.errors import NotFound, Violation
from app.domain.experiment import METADATA, Experiment, Sticky, Traffic
from app.domain.outcome import ScoreWindow
from app.domain.ports import ArmRecords, ExperimentRepository, Scores
from app.outcomes.comparison import ArmResult, ArmTally, Difference, Metric, ShadowResult, differences
from app.outcomes.pages import pages

MOST_ARMS: Final = 16
MOST_SHADOWS: Final = 8
_SLACK: Final = 1e-6
"""How far shares may be from 1 together: three thirds, written with seven digits, are all there is."""
_FIELD: Final = re.compile(r"[\w.-]{1,64}")
_TAG: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")
_OF: Final[Mapping[Traffic, tuple[Metric, ...]]] = {
    Traffic.DECISIONS: (Metric.VALIDITY, Metric.HIT_RATE, Metric.DECISION_COST, Metric.DECISION_LATENCY),
    Traffic.CHAT: (Metric.ANSWERED, Metric.REQUEST_COST, Metric.REQUEST_LATENCY),
}


class Configs(Protocol):
    """The agents, as far as experiments are concerned; NotFound for one that is not there."""

    async def configs(self, agent_id: int) -> Sequence[AgentConfig]: ...


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of an experiment so far: its arms by variant, their differences, and what its shadows said."""

    experiment: Experiment
    arms: Mapping[str, ArmResult]
    differences: Sequence[Difference]
    shadows: Mapping[tuple[str, str], ShadowResult]


class Trials:
    """Every write is in the registry before the call returns. Raises StorageUnavailable.

    `known` says whether a model name means anything here.
    """

    def __init__(
        self,
        repository: ExperimentRepository,
        registry: Experiments,
        agents: Configs,
        scores: Scores,
        records: ArmRecords,
        *,
        known: Callable[[str], bool],
        wall: Callable[[], datetime],
    ) -> None:
        self._repository = repository
        self._registry = registry
        self._agents = agents
        self._scores = scores
        self._records = records
        self._known = known
        self._wall = wall
        self._comparing = anyio.Lock()

    async def create(self, wanted: Experiment) -> Experiment:
        """Begin an experiment. Raises RequestRejected with every wrong field, Conflict where another one runs."""
        raise_for([*wrong_shape(wanted), *await self._wrong_names(wanted)])
        made = await self._repository.create(wanted)
        await self.refresh()
        return made

    async def get(self, experiment_id: str) -> Experiment:
        """The experiment, running or stopped; raises NotFound."""
        found = await self._repository.get(experiment_id)
        if found is None:
            raise _unknown(experiment_id)
        return found

    async def page(
        self, *, limit: int, cursor: str | None = None, agent_id: int | None = None
    ) -> tuple[list[Experiment], str | None]:
        """Experiments, the newest first, and the cursor of the next page."""
        return await self._repository.page(limit=limit, cursor=cursor, agent_id=agent_id)

    async def stop(self, experiment_id: str, by: str) -> Experiment:
        """End the split for good; once more changes nothing. Raises NotFound."""
        stopped = await self._repository.stop(experiment_id, by)
        if stopped is None:
            raise _unknown(experiment_id)
        await self.refresh()
        return stopped

    async def delete(self, experiment_id: str, by: str) -> None:
        """End it and forget it; attempts and votes keep its name. Raises NotFound."""
        if not await self._repository.delete(experiment_id, by):
            raise _unknown(experiment_id)
        await self.refresh()

    async def compare(self, experiment_id: str) -> Compared:
        """What came of it so far; counted off the loop, one at a time. Raises NotFound."""
        experiment = await self.get(experiment_id)
        async with self._comparing:
            tally = ArmTally(experiment.variants)
            if Traffic.DECISIONS in experiment.applies_to:
                await self._count_votes(experiment, tally)
            if Traffic.CHAT in experiment.applies_to:
                await self._count_requests(tally)
        metrics = [metric for traffic in Traffic if traffic in experiment.applies_to for metric in _OF[traffic]]
        return Compared(experiment, tally.arms, differences(tally.arms, metrics), tally.shadows)

    async def refresh(self) -> None:
        """Load the registry anew from the database."""
        self._registry.load(*await self._repository.everything())

    async def _count_votes(self, experiment: Experiment, tally: ArmTally) -> None:
        window = ScoreWindow(experiment.created_at, None, experiment.agent_id, variants=experiment.variants)
        async for votes in pages(self._scores, window, self._wall()):
            await anyio.to_thread.run_sync(tally.add, votes)

    async def _count_requests(self, tally: ArmTally) -> None:
        for variant, result in tally.arms.items():
            async with aclosing(self._records.requests(variant)) as found:
                async for requests in found:
                    for request in requests:
                        result.asked(request)

    async def _wrong_names(self, wanted: Experiment) -> list[Violation]:
        try:
            configs = {config.id: config for config in await self._agents.configs(wanted.agent_id)}
        except NotFound:
            return [Violation("agent_id", f"there is no agent {wanted.agent_id}")]
        wrong = []
        for place, arm in enumerate(wanted.arms):
            if arm.config_id is None:
                continue
            config = configs.get(arm.config_id)
            if config is None:
                said = f"agent {wanted.agent_id} has no configuration {arm.config_id}"
                wrong.append(Violation(f"arms[{place}].config_id", said))
            elif not config.enabled:
                wrong.append(Violation(f"arms[{place}].config_id", f"the configuration {arm.config_id} is not enabled"))
        for place, name in enumerate(wanted.shadow):
            if not self._known(name):
                wrong.append(Violation(f"shadow[{place}]", f"no model {name[:100]!r} is known here"))
        return wrong


def wrong_shape(wanted: Experiment) -> Iterator[Violation]:
    """What is wrong with an experiment by itself, before anybody is asked about agent and models."""
    yield from _wrong_arms(wanted)
    if not wanted.applies_to or len(set(wanted.applies_to)) < len(wanted.applies_to):
        yield Violation("applies_to", "chat, decisions or both, each once")
    if not _is_sticky(wanted.sticky_by):
        yield Violation("sticky_by", f"expected {', '.join(Sticky)} or {METADATA}<field>")
    if len(wanted.shadow) > MOST_SHADOWS or len(set(wanted.shadow)) < len(wanted.shadow):
        yield Violation("shadow", f"at most {MOST_SHADOWS} model names, each once")
    if wanted.shadow and Traffic.DECISIONS not in wanted.applies_to:
        yield Violation("shadow", "is asked beside decisions, which this does not apply to")


def _wrong_arms(wanted: Experiment) -> Iterator[Violation]:
    arms = wanted.arms
    if not (1 if wanted.shadow else 2) <= len(arms) <= MOST_ARMS:
        yield Violation("arms", f"expected 2 to {MOST_ARMS}; one is enough where models are asked as its shadow")
    for place, arm in enumerate(arms):
        if not 0 < arm.share <= 1:
            yield Violation(f"arms[{place}].share", "a number above 0, at most 1")
        if arm.language is not None and not _TAG.fullmatch(arm.language):
            yield Violation(f"arms[{place}].language", "a language tag such as en or de-CH")
        if arm.changes_prompt and Traffic.CHAT in wanted.applies_to:
            field = "template" if arm.language is None else "language"
            yield Violation(f"arms[{place}].{field}", "changes our prompt, which only decisions have: apply to those")
    total = sum(arm.share for arm in arms)
    if arms and abs(total - 1) > _SLACK:
        yield Violation("arms", f"the shares must sum up to 1, not to {total:g}")
    for name, times in Counter(arm.name for arm in arms).items():
        if times > 1:
            yield Violation("arms", f"{times} are called {name}")


def _is_sticky(word: str) -> bool:
    if word.startswith(METADATA):
        return _FIELD.fullmatch(word.removeprefix(METADATA)) is not None
    return word in tuple(Sticky)


def _unknown(experiment_id: str) -> NotFound:
    return NotFound(f"no experiment {experiment_id[:64]!r}")
