"""An agent service on a real SQLite file, with providers and an asker that a test scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from app.agents.directory import AgentDirectory
from app.agents.service import AgentService
from app.domain.attempt import Ask, Completion
from app.domain.chat import ChatResponse, Credential
from app.domain.provider import ProviderConfig, ProviderType
from app.domain.routing import Candidate, Plan
from app.domain.target import Target
from app.domain.usage import PriceCard, PriceTier, Usage
from app.storage.agents import SqlAgentRepository
from app.storage.database import open_database
from app.storage.migrations import migrate
from app.storage.vault import Vault

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ALPHA = ProviderConfig("alpha", ProviderType.OPENAI, "https://a.test/v1")
CARD = PriceCard((PriceTier(0, Decimal("0.15"), Decimal("0.60")),), "catalog")


@dataclass
class Providers:
    """What the service may know of providers: origins, models, prices."""

    origins: dict[str, str] = field(default_factory=lambda: {"alpha": "https://a.test", "beta": "https://b.test"})

    def origin_of(self, provider: str) -> str | None:
        return self.origins.get(provider)

    def resolve_provider(self, provider: str) -> ProviderConfig | None:
        provider = "alpha" if provider == "openai" else provider
        return replace(ALPHA, name=provider) if provider in self.origins else None

    def serves(self, provider: str, model: str) -> bool | None:
        return None if model.startswith("unlisted") else model in (f"{provider}-1", f"{provider}-2")

    def card(self, provider: str, model: str) -> PriceCard | None:
        return CARD if model == "alpha-1" else None


@dataclass
class Asker:
    """Stands for the gateway: answers, or fails as it is told."""

    failure: Exception | None = None
    asked: list[Ask] = field(default_factory=list)

    async def __call__(self, ask: Ask) -> Completion:
        self.asked.append(ask)
        if self.failure is not None:
            raise self.failure
        target = Target("alpha", "alpha-1")
        plan = Plan((Candidate(target, Credential()),), "priority", "pinned")
        response = ChatResponse({"choices": [{"message": {"content": "ok"}}]}, "stop")
        return Completion(response, target, plan, (), 0.1, 0.001, Usage(9, 1), None)


@dataclass
class House:
    """The service and all that it stands on."""

    service: AgentService
    directory: AgentDirectory
    repository: SqlAgentRepository
    providers: Providers
    asker: Asker
    without_keys: AgentService

    def config_fields(self, agent_id: int) -> list[dict[str, Any]]:
        """What the directory would try, reduced to what tests look at."""
        entry = self.directory.get(agent_id)
        assert entry is not None
        return [{"id": c.id, "model": c.model_name, "key": c.api_key} for c in entry.configs]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite:///{tmp_path}/outcry.db"
    await anyio.to_thread.run_sync(migrate, url)
    async with open_database(url) as database:
        vault = Vault([SecretStr(Fernet.generate_key().decode())])
        repository, directory = SqlAgentRepository(database, vault), AgentDirectory()
        providers, asker = Providers(), Asker()
        service = AgentService(repository, directory, providers, asker, lambda: 100.0)
        keyless = AgentService(SqlAgentRepository(database, Vault([])), directory, providers, asker, lambda: 100.0)
        yield House(service, directory, repository, providers, asker, keyless)
