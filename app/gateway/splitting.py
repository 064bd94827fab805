"""Which arm of an experiment a completion belongs to, and the agent as that arm has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from app.agents.directory import AgentEntry
from app.agents.experiments import Experiments, Traits, assigned
from app.domain.attempt import Ask
from app.domain.chat import ChatRequest
from app.domain.experiment import Arm, Assignment, Traffic
from app.routing.names import Selection

_ROUTES: Final = frozenset(("chat", "chat_completions", "responses", "messages"))
"""Those whose requests are split."""


class Splitting:
    """Splits the chats that leave the choice to their agent. `is_served`: whether a provider of this name is there."""

    def __init__(self, experiments: Experiments, is_served: Callable[[str], bool]) -> None:
        self._experiments = experiments
        self._is_served = is_served

    def of(self, ask: Ask, selection: Selection, agent: AgentEntry) -> Assignment | None:
        """Its arm; None outside of any experiment.

        An arm whose configuration is gone, off or served by nobody takes no traffic: what it would have had goes where
        it went before.
        """
        experiment = self._experiments.of(agent.agent.id, Traffic.CHAT)
        if experiment is None or not _is_splittable(ask, selection):
            return None
        split = assigned(experiment, _traits(ask))
        wanted = split.arm.config_id
        usable = (config.id for config in agent.configs if self._is_served(config.provider))
        return split if wanted is None or wanted in usable else None


def narrowed(agent: AgentEntry, arm: Arm) -> AgentEntry:
    """The agent as the arm's one configuration alone; as it is for an arm without one."""
    if arm.config_id is None:
        return agent
    return replace(agent, configs=tuple(config for config in agent.configs if config.id == arm.config_id))


def _is_splittable(ask: Ask, selection: Selection) -> bool:
    """Whether an experiment may say how a request is answered: not where somebody else already does.

    A run is told again as it was recorded, and a decision is split as a whole, before its members are asked.
    """
    leaves_choice = selection.agent_id is not None or selection.is_auto
    is_spoken_for = ask.config_id is not None or ask.replay is not None
    return leaves_choice and not is_spoken_for and ask.route in _ROUTES and isinstance(ask.request, ChatRequest)


def _traits(ask: Ask) -> Traits:
    stated = ask.metadata or ask.chat.parameters.get("metadata")
    metadata = stated if isinstance(stated, Mapping) else {}
    symbol = ask.symbol or metadata.get("symbol")
    symbol = symbol if isinstance(symbol, str) else None
    return Traits(ask.request_id, ask.caller.key_id, ask.conversation, symbol, metadata)
