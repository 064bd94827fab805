from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from app.catalog.catalog import Catalog
from app.catalog.records import family_of, read_models
from app.domain.catalog import UNKNOWN_MODEL
from app.domain.provider import ProviderType


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(lambda: datetime(2026, 11, 21, tzinfo=UTC))


@pytest.mark.parametrize(
    ("kind", "dated", "undated"),
    [
        (ProviderType.OPENAI, "gpt-4o-2024-08-06", "gpt-4o"),
        (ProviderType.ANTHROPIC, "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        (ProviderType.ANTHROPIC, "claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
    ],
)
def test_a_dated_id_has_the_facts_of_its_undated_one(
    catalog: Catalog, kind: ProviderType, dated: str, undated: str
) -> None:
    assert catalog.facts(kind, dated) == catalog.facts(kind, undated) != UNKNOWN_MODEL


def test_facts_say_what_routing_and_decisions_ask(catalog: Catalog) -> None:
    facts = catalog.facts(ProviderType.OPENAI, "gpt-4o")

    assert facts.context_window == 128_000
    assert facts.max_output_tokens == 16_384
    assert facts.capabilities is not None
    assert {"tools", "vision", "json_schema"} <= facts.capabilities
    assert facts.knowledge_cutoff == date(2023, 9, 30)
    assert (facts.family, facts.is_reasoning) == ("gpt", False)


def test_a_capability_that_is_denied_is_not_in_the_set(catalog: Catalog) -> None:
    capabilities = catalog.facts(ProviderType.DEEPSEEK, "deepseek-reasoner").capabilities

    assert capabilities is not None
    assert "tools" not in capabilities


def test_a_model_whose_capabilities_nobody_stated_is_unknown_not_incapable(catalog: Catalog) -> None:
    assert catalog.facts(ProviderType.ANTHROPIC, "claude-fable-5-2").capabilities is None


@pytest.mark.parametrize("kind", ProviderType)
def test_nothing_is_known_of_a_model_nobody_described(catalog: Catalog, kind: ProviderType) -> None:
    assert catalog.facts(kind, "alpha-1") is UNKNOWN_MODEL


def test_a_model_behind_openrouter_is_known_by_its_maker(catalog: Catalog) -> None:
    assert catalog.facts(ProviderType.OPENROUTER, "openai/gpt-4o").context_window == 128_000
    assert catalog.facts(ProviderType.OPENROUTER, "anthropic/claude-sonnet-4.5").context_window == 200_000


def test_models_leaves_out_embeddings_and_what_is_past_its_last_day(catalog: Catalog) -> None:
    assert "text-embedding-3-small" not in catalog.models(ProviderType.OPENAI)
    assert "deepseek-chat" not in catalog.models(ProviderType.DEEPSEEK)
    assert "deepseek-chat" in Catalog(lambda: datetime(2026, 7, 24, tzinfo=UTC)).models(ProviderType.DEEPSEEK)


def test_each_types_default_comes_first_and_exists(catalog: Catalog) -> None:
    for kind, default in read_models().defaults.items():
        assert catalog.models(ProviderType(kind))[0] == default


@pytest.mark.parametrize("kind", [ProviderType.OLLAMA, ProviderType.VLLM, ProviderType.LOCALAI, ProviderType.SANDBOX])
def test_types_that_run_anything_name_no_models(catalog: Catalog, kind: ProviderType) -> None:
    assert catalog.models(kind) == ()


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o", "gpt"),
        ("o3", "gpt"),
        ("claude-opus-5", "claude"),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama"),
        ("Qwen/Qwen3.8-Flash", "qwen"),
        ("codestral-latest", "mistral"),
        ("4-bit", None),
    ],
)
def test_family_is_the_line_a_model_comes_from(model: str, family: str | None) -> None:
    assert family_of(model) == family


def test_models_that_embed_are_known_apart_from_those_that_chat(catalog: Catalog) -> None:
    embedding = catalog.embedding_models(ProviderType.OPENAI)

    assert "text-embedding-3-small" in embedding
    assert not set(embedding) & set(catalog.models(ProviderType.OPENAI))
    for model in embedding:
        capabilities = catalog.facts(ProviderType.OPENAI, model).capabilities
        assert capabilities is not None
        assert "embeddings" in capabilities
