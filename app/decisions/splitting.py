"""Which arm of an experiment a decision belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from app.agents.experiments import Experiments, Traits, assigned
from app.decisions.question import Question
from app.domain.experiment import Experiment, Traffic


class Configured(Protocol):
    """The agents' configurations that are enabled and served."""

    def configured_members(self, agent_id: int) -> Sequence[tuple[int, str]]: ...


def entered(question: Question, experiments: Experiments, panels: Configured) -> Question:
    """The question with its place in its agent's experiment; as it is outside of any.

    An arm whose configuration is gone, off or served by nobody takes no decisions: what it would have had goes where it
    went before.
    """
    experiment = experiments.of(question.agent_id, Traffic.DECISIONS)
    if experiment is None or question.agent_id is None or not _is_splittable(question, experiment):
        return question
    traits = Traits(question.request_id, question.caller.key_id, symbol=question.symbol, metadata=question.metadata)
    split = assigned(experiment, traits)
    wanted = split.arm.config_id
    if wanted is not None and all(wanted != known for known, _ in panels.configured_members(question.agent_id)):
        return question
    return replace(question, split=split)


def _is_splittable(question: Question, experiment: Experiment) -> bool:
    """Whether every arm could have it: all arms must see the same kind of decisions, or they cannot be compared.

    Whoever names a panel or its quorum has no use for one configuration, whoever words the prompt none for another
    template of ours. A run is told again as it was recorded.
    """
    names_panel = question.models is not None or question.panel is not None or question.quorum is not None
    words_prompt = question.prompt is not None or question.messages is not None or question.market is None
    is_taken = (experiment.splits_configs and names_panel) or (experiment.splits_prompts and words_prompt)
    return question.replay is None and not is_taken
