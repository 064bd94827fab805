from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest

from app.api.model_wire import model_object
from app.catalog.catalog import Catalog
from app.domain.catalog import ModelMode
from app.domain.listing import ListedName, NameKind
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType, TaskConfig
from app.model_listing import ModelListing
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from tests.fakes_providers import FakeAdapters, FakeClock

SET = ProviderSet(
    (
        ProviderConfig("main", ProviderType.OPENAI, "http://main", priority=1),
        ProviderConfig("cloud", ProviderType.AZURE, "http://cloud", priority=2),
        ProviderConfig(
            "lab",
            ProviderType.VLLM,
            "http://lab",
            models=(ModelConfig("org/model:8b", context_window=9_000), ModelConfig("bge", mode=ModelMode.EMBEDDING)),
        ),
        ProviderConfig("off", ProviderType.GROQ, "http://off", enabled=False),
    ),
    aliases={"fast": ("main/gpt-4o", "lab/org/model:8b"), "one": ("main/gpt-4o",), "lost": ("nowhere/x",)},
    tasks={"quick": TaskConfig(("one",))},
)


class CountingCatalog(Catalog):
    """The catalog, counting prices that are looked up."""

    asked = 0
    now = datetime(2026, 11, 21, tzinfo=UTC)

    def __init__(self) -> None:
        super().__init__(lambda: self.now)

    def card(self, config: ProviderConfig, model: str) -> Any:
        self.asked += 1
        return super().card(config, model)


@pytest.fixture
def catalog() -> CountingCatalog:
    return CountingCatalog()


@pytest.fixture
def pool(catalog: CountingCatalog) -> Pool:
    rules = {"breaker": BreakerRules(), "retry": RetryRules()}
    pool = Pool(FakeAdapters(), catalog, now=FakeClock().now, rng=random.Random(1), **rules)  # type: ignore[arg-type]  # one dictionary of both
    pool.replace(SET)
    return pool


@pytest.fixture
async def names(pool: Pool, catalog: CountingCatalog) -> Mapping[str, ListedName]:
    return await ModelListing(pool, catalog)()


async def test_every_name_has_its_kind_and_the_targets_it_means(names: Mapping[str, ListedName]) -> None:
    def meant(name: str) -> tuple[NameKind, list[str]]:
        return names[name].kind, [str(one.target) for one in names[name].targets]

    assert meant("main/gpt-4o") == (NameKind.MODEL, ["main/gpt-4o"])
    assert meant("gpt-4o") == (NameKind.MODEL, ["main/gpt-4o", "cloud/gpt-4o"])
    assert meant("org/model:8b") == (NameKind.MODEL, ["lab/org/model:8b"])
    assert meant("fast") == (NameKind.ALIAS, ["main/gpt-4o", "lab/org/model:8b"])
    assert meant("task:quick") == (NameKind.TASK, ["main/gpt-4o"])
    assert meant("lost") == (NameKind.ALIAS, [])
    assert meant("auto:cost") == (NameKind.POLICY, ["main/gpt-5.2", "cloud/gpt-4.1", "lab/org/model:8b"])
    assert not any("off/" in name for name in names)


async def test_a_name_that_is_good_for_a_request_is_found_though_nothing_lists_it(
    pool: Pool, catalog: CountingCatalog
) -> None:
    listing = ModelListing(pool, catalog)

    async def found(name: str) -> list[str] | None:
        model = await listing.find(name)
        return None if model is None else [str(one.target) for one in model.targets]

    assert "openai/gpt-4o" not in await listing()
    assert await found("openai/gpt-4o") == ["main/gpt-4o"]
    assert await found("vllm/org/model:8b") == ["lab/org/model:8b"]
    assert await found("main/gpt-4o") == ["main/gpt-4o"]
    for nobodys in ("openai/claude-sonnet-4-5", "groq/x", "agent:7", "agent:x", "task:none", "auto:best", "", "/"):
        assert await found(nobodys) is None


async def test_a_models_object_says_what_is_known_of_it(names: Mapping[str, ListedName]) -> None:
    model = model_object(names["main/gpt-4o"])

    assert (model["id"], model["object"], model["owned_by"]) == ("main/gpt-4o", "model", "main")
    assert model["created"] == int(datetime(2024, 5, 13, tzinfo=UTC).timestamp())
    known = model["outcry"]
    assert known["providers"] == [{"provider": "main", "model": "gpt-4o"}]
    assert (known["kind"], known["mode"], known["context_window"]) == ("model", "chat", 128_000)
    assert (known["max_output_tokens"], known["knowledge_cutoff"]) == (16_384, "2023-09-30")
    assert {"tools", "vision", "json_schema"} <= set(known["capabilities"])
    source, dated = known["prices"].pop("source"), known["prices"].pop("dated")
    assert source.startswith("genai-prices ")
    assert datetime.fromisoformat(dated) > datetime(2026, 11, 1)  # noqa: DTZ001 - a day without a time
    assert known["prices"] == {
        "input_per_1m_tokens": "2.5",
        "output_per_1m_tokens": "10",
        "cached_input_per_1m_tokens": "1.25",
        "cache_write_per_1m_tokens": None,
        "tiers": [],
        "since": None,
    }


async def test_tiers_are_beside_the_price_they_replace(names: Mapping[str, ListedName]) -> None:
    prices = model_object(names["main/gpt-6-astra"])["outcry"]["prices"]

    assert Decimal(prices["input_per_1m_tokens"]) == 10
    assert [(tier["above_tokens"], tier["input_per_1m_tokens"]) for tier in prices["tiers"]] == [(272_000, "20")]


async def test_a_bare_id_shows_what_each_provider_has_and_what_they_share(names: Mapping[str, ListedName]) -> None:
    known = model_object(names["gpt-4o"])["outcry"]

    assert [one["provider"] for one in known["providers"]] == ["main", "cloud"]
    assert known["context_window"] == 128_000
    assert known["deprecation_date"] is None
    assert [one["deprecation_date"] for one in known["providers"]] == [None, "2027-04-14"]


async def test_an_alias_shows_its_targets_and_what_they_share(names: Mapping[str, ListedName]) -> None:
    fast, one = (model_object(names[name])["outcry"] for name in ("fast", "one"))

    assert fast["providers"] == [
        {"provider": "main", "model": "gpt-4o"},
        {"provider": "lab", "model": "org/model:8b"},
    ]
    assert (fast["context_window"], fast["prices"]) == (None, None)
    assert one["context_window"] == 128_000


async def test_the_unknown_is_null_and_the_operators_word_is_known(names: Mapping[str, ListedName]) -> None:
    model = model_object(names["lab/org/model:8b"])
    known = model["outcry"]

    assert (known["context_window"], model["created"]) == (9_000, 0)
    unknown = ("max_output_tokens", "capabilities", "knowledge_cutoff", "mode", "deprecation_date")
    assert [known[name] for name in unknown] == [None] * 5
    assert known["prices"]["input_per_1m_tokens"] == "0"
    assert model_object(names["lost"])["outcry"]["prices"] is None


async def test_embedding_models_are_listed_with_their_mode(names: Mapping[str, ListedName]) -> None:
    for name in ("text-embedding-3-small", "lab/bge"):
        known = model_object(names[name])["outcry"]
        assert (known["mode"], known["capabilities"]) == ("embedding", ["embeddings"])


async def test_it_is_built_once_until_what_is_served_changes(pool: Pool, catalog: CountingCatalog) -> None:
    listing = ModelListing(pool, catalog)
    first = await listing()
    asked = catalog.asked

    async with anyio.create_task_group() as callers:
        for _ in range(5):
            callers.start_soon(listing)
    assert await listing() is first
    assert catalog.asked == asked

    state = pool.provider("main")
    assert state is not None
    pool.set_listed(state, ("gpt-new",))
    assert "main/gpt-new" in await listing()


async def test_a_new_day_may_bring_new_prices(pool: Pool, catalog: CountingCatalog) -> None:
    listing = ModelListing(pool, catalog)
    first = await listing()

    catalog.now += timedelta(days=10)

    assert await listing() is not first


async def test_callers_at_once_have_it_built_once(pool: Pool, catalog: CountingCatalog) -> None:
    listing = ModelListing(pool, catalog)

    async with anyio.create_task_group() as callers:
        for _ in range(5):
            callers.start_soon(listing)

    assert catalog.asked == len(pool.targets())
