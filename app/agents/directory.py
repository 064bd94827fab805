"""The directory: every agent and its configurations in memory, for the path that may not ask the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.agent import Agent, AgentConfig
from app.domain.errors import StorageUnavailable


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent as requests see it. `configs` are the enabled ones in the order they are tried."""

    agent: Agent
    configs: tuple[AgentConfig, ...]

    @property
    def primary(self) -> AgentConfig | None:
        """The configuration that is tried first; None when none is enabled."""
        return self.configs[0] if self.configs else None


class AgentDirectory:
    """A snapshot of all agents, replaced as a whole. It outlives the database's absence."""

    def __init__(self) -> None:
        self._entries: dict[int, AgentEntry] = {}
        self._revision = -1
        self._undecryptable = 0

    @property
    def is_loaded(self) -> bool:
        """Whether a snapshot was ever there: before that, an unknown agent may well exist."""
        return self._revision >= 0

    @property
    def revision(self) -> int:
        """The configuration's revision that is in force; -1 before the first."""
        return self._revision

    @property
    def undecryptable(self) -> int:
        """How many stored keys could not be read."""
        return self._undecryptable

    def get(self, agent_id: int) -> AgentEntry | None:
        """The agent, or None when there is no such. Raises StorageUnavailable before the first snapshot."""
        if not self.is_loaded:
            raise StorageUnavailable("which agents there are is not known until the database has answered")
        return self._entries.get(agent_id)

    def load(self, revision: int, agents: Sequence[Agent], configs: Sequence[AgentConfig]) -> None:
        """Take a newer snapshot; an older one than that in force is ignored."""
        if revision < self._revision:
            return
        of_agent: dict[int, list[AgentConfig]] = defaultdict(list)
        for config in configs:
            of_agent[config.agent_id].append(config)
        self._entries = {agent.id: _entry(agent, of_agent[agent.id]) for agent in agents}
        self._undecryptable = sum(config.undecryptable for config in configs)
        self._revision = revision


def in_tried_order(configs: Iterable[AgentConfig]) -> list[AgentConfig]:
    """Enabled before disabled, then by priority, lowest first, then the oldest."""
    return sorted(configs, key=lambda config: (not config.enabled, config.priority, config.id))


def _entry(agent: Agent, configs: Sequence[AgentConfig]) -> AgentEntry:
    return AgentEntry(agent, tuple(config for config in in_tried_order(configs) if config.enabled))
