"""Who sits on a panel when the caller names nobody, and whether a name means anything."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from app.agents.directory import AgentDirectory
from app.decisions.families import family_of
from app.domain.errors import OutcryError
from app.domain.provider import PanelConfig
from app.domain.target import Target
from app.providers.lookup import called
from app.providers.pool import Pool
from app.routing.names import Names


class Seating:
    """Panels from the provider file, the agents and the enabled providers."""

    def __init__(self, pool: Pool, directory: AgentDirectory) -> None:
        self._pool = pool
        self._directory = directory
        self._names = Names(pool)

    def has_agent(self, agent_id: int) -> bool:
        """Whether there is such an agent, and it is enabled."""
        entry = self._directory.get(agent_id)
        return entry is not None and entry.agent.enabled

    def default_members(self) -> list[str]:
        """Model names: every enabled provider's default model; the sandbox sits with all of its traders."""
        return [name for state in self._pool.providers() for name in self._provider_members(state.config.name)]

    def configured_members(self, agent_id: int) -> list[tuple[int, str]]:
        """The agent's enabled configurations that are served, in the order they are tried: each with its model name."""
        entry = self._directory.get(agent_id)
        if entry is None:
            return []
        return [
            (config.id, f"{state.config.name}/{config.model_name}")
            for config in entry.configs
            if (state := called(config.provider, self._pool)) is not None
        ]

    def named(self, panel: str) -> PanelConfig | None:
        """A panel of the provider file."""
        return self._pool.current.panels.get(panel)

    def known(self, name: str) -> bool:
        """Whether a model name means anything here."""
        try:
            selection = self._names.resolve(name)
        except OutcryError:
            return False
        return selection.agent_id is None or self.has_agent(selection.agent_id)

    def target(self, name: str) -> Target | None:
        """The one target that a model name stands for; None for names that are routed, and those of agents."""
        try:
            targets = self._names.resolve(name).targets
        except OutcryError:
            return None
        return targets[0] if len(targets) == 1 else None

    def family(self, target: Target) -> str:
        """The model's maker by the catalog, else its provider's name."""
        return family_of(self._pool.line_of(target), target.provider)

    def price(self, name: str) -> Decimal | None:
        """Dollars for a million tokens of prompt and a million of answer together; None where nobody knows."""
        target = self.target(name)
        card = None if target is None else self._pool.price_of(target)
        if card is None:
            return None
        tier = card.tiers[0]
        return None if tier.input is None or tier.output is None else tier.input + tier.output

    def cutoffs(self, name: str, agent_id: int | None) -> list[tuple[str, date | None]]:
        """Every target that may answer to a model name, with its knowledge cutoff; nothing for a name without meaning.

        What an agent falls back on is not among them: a member's vote is nobody else's.
        """
        try:
            selection = self._names.resolve(name)
        except OutcryError:
            return []
        agent = selection.agent_id if selection.agent_id is not None else (agent_id if selection.is_auto else None)
        names = map(str, selection.targets) if agent is None else [name for _, name in self.configured_members(agent)]
        return [(name, self._pool.knowledge_cutoff(_target(name))) for name in names]

    def _provider_members(self, provider: str) -> list[str]:
        state = self._pool.provider(provider)
        if state is not None and state.config.type == "sandbox":
            return [f"{provider}/{model}" for model in self._pool.models(provider)]
        default = self._pool.default_model(provider)
        return [] if default is None else [f"{provider}/{default}"]


def _target(pinned: str) -> Target:
    provider, _, model = pinned.partition("/")
    return Target(provider, model)
