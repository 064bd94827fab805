"""Stand-ins for what providers and routing are given: a catalog, an adapter, a clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import anyio

from app.domain.catalog import ModelFacts
from app.domain.chat import Call, ChatChunk, ChatResponse, Credential
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import FailureKind, OutcryError, ProviderError
from app.domain.needs import CHAT_ABILITIES
from app.domain.provider import ProviderConfig, ProviderType
from app.domain.usage import PriceCard


class FakeClock:
    """Monotonic seconds and a wall clock that move together, when told."""

    def __init__(self, start: float = 1000.0, wall: datetime = datetime(2026, 1, 2, 12, tzinfo=UTC)) -> None:
        self._start = start
        self._wall = wall
        self.time = start

    def now(self) -> float:
        return self.time

    def wall(self) -> datetime:
        return self._wall + timedelta(seconds=self.time - self._start)

    def advance(self, seconds: float) -> float:
        self.time += seconds
        return self.time


class FakeCatalog:
    """A catalog of what a test states, counting how often it is asked for a price."""

    def __init__(
        self,
        models: Mapping[ProviderType, tuple[str, ...]] | None = None,
        facts: Mapping[str, ModelFacts] | None = None,
        cards: Mapping[str, PriceCard] | None = None,
        *,
        embedding: Mapping[ProviderType, tuple[str, ...]] | None = None,
        retired: Mapping[ProviderType, frozenset[str]] | None = None,
    ) -> None:
        self._retired = retired or {}
        self._models = models or {}
        self._embedding = embedding or {}
        self._facts = facts or {}
        self._cards = cards or {}
        self.cards_asked = 0

    def facts(self, type: ProviderType, model: str) -> ModelFacts:  # noqa: A002 - the protocol's name
        return self._facts.get(model, ModelFacts())

    def models(self, type: ProviderType) -> tuple[str, ...]:  # noqa: A002
        return self._models.get(type, ())

    def embedding_models(self, type: ProviderType) -> tuple[str, ...]:  # noqa: A002
        return self._embedding.get(type, ())

    def retired_models(self, type: ProviderType) -> frozenset[str]:  # noqa: A002
        return self._retired.get(type, frozenset())

    def card(self, config: ProviderConfig, model: str) -> PriceCard | None:
        self.cards_asked += 1
        return self._cards.get(model)


class FakeAdapter:
    """An adapter that lists models and answers probes as told: with an error, with silence, or well."""

    def __init__(
        self, listed: Sequence[str] = (), error: OutcryError | None = None, *, is_silent: bool = False
    ) -> None:
        self.listed = listed
        self.error = error
        self.is_silent = is_silent
        self.probes = 0
        self.listings = 0
        self.credentials: list[str] = []

    async def complete(self, call: Call) -> ChatResponse:
        raise AssertionError("the pool and the monitor never complete anything")

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[ChatChunk]]:
        raise AssertionError("the pool and the monitor never stream anything")

    async def models(self, credential: Credential) -> Sequence[str]:
        self.listings += 1
        await self._answer(credential)
        return self.listed

    def supports(self, model: str) -> frozenset[str]:
        return CHAT_ABILITIES

    def unheeded(self, call: Call | EmbedCall) -> tuple[str, ...]:
        return ()

    async def embed(self, call: EmbedCall) -> Embeddings:
        raise ProviderError(FailureKind.UNSUPPORTED, "does not embed")

    async def count_tokens(self, call: Call) -> int | None:
        return None

    async def probe(self, credential: Credential) -> None:
        self.probes += 1
        await self._answer(credential)

    async def _answer(self, credential: Credential) -> None:
        self.credentials.append(credential.id)
        if self.is_silent:
            await anyio.sleep_forever()
        if self.error is not None:
            raise self.error


class FakeAdapters:
    """Builds one adapter per provider and remembers them; refuses a provider with the base URL `bad`."""

    def __init__(self, adapters: Mapping[str, FakeAdapter] | None = None) -> None:
        self.built: dict[str, FakeAdapter] = {}
        self.builds = 0
        self._adapters = adapters or {}

    def __call__(self, config: ProviderConfig) -> FakeAdapter:
        if config.base_url == "bad":
            raise ValueError("not a base URL")
        self.builds += 1
        self.built[config.name] = self._adapters.get(config.name, FakeAdapter())
        return self.built[config.name]
