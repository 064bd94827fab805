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


def test_embedding_models_are_named_apart(catalog: Catalog) -> None:
    assert "text-embedding-3-small" in catalog.embedding_models(ProviderType.OPENAI)
    assert catalog.embedding_models(ProviderType.ANTHROPIC) == ()
    assert catalog.facts(ProviderType.OPENAI, "text-embedding-3-small").capabilities == frozenset({"embeddings"})


def test_what_is_past_its_last_day_is_retired(catalog: Catalog) -> None:
    assert {"deepseek-chat", "deepseek-reasoner"} <= catalog.retired_models(ProviderType.DEEPSEEK)
    assert "deepseek-chat" not in Catalog(lambda: datetime(2026, 7, 24, tzinfo=UTC)).retired_models(
        ProviderType.DEEPSEEK
    )


def test_a_known_model_is_not_offered_before_its_provider_lists_it(catalog: Catalog) -> None:
    assert catalog.facts(ProviderType.OPENAI, "gpt-4-turbo").context_window == 128_000
    assert "gpt-4-turbo" not in catalog.models(ProviderType.OPENAI)


def test_a_snapshot_that_differs_from_its_line_has_facts_of_its_own(catalog: Catalog) -> None:
    assert catalog.facts(ProviderType.OPENAI, "gpt-4o-2024-05-13").max_output_tokens == 4_096
    assert catalog.facts(ProviderType.AZURE, "gpt-4o-2024-05-13").max_output_tokens == 4_096


@pytest.mark.parametrize(
    ("kind", "model", "same_as"),
    [
        (ProviderType.GEMINI, "models/gemini-2.5-pro", (ProviderType.GEMINI, "gemini-2.5-pro")),
        (ProviderType.AZURE, "o3", (ProviderType.OPENAI, "o3")),
        (ProviderType.OPENROUTER, "openai/gpt-4o:nitro", (ProviderType.OPENAI, "gpt-4o")),
        (ProviderType.OPENROUTER, "x-ai/grok-4.3", (ProviderType.XAI, "grok-4.3")),
    ],
)
def test_a_model_has_one_description_under_its_other_names(
    catalog: Catalog, kind: ProviderType, model: str, same_as: tuple[ProviderType, str]
) -> None:
    assert catalog.facts(kind, model) == catalog.facts(*same_as) != UNKNOWN_MODEL


@pytest.mark.parametrize("model", ["openai/gpt-4o:free", "openai/gpt-4o:extended", "prod-gpt-4o"])
def test_what_may_be_another_model_is_not_taken_for_it(catalog: Catalog, model: str) -> None:
    assert catalog.facts(ProviderType.OPENROUTER, model) == UNKNOWN_MODEL
    assert catalog.facts(ProviderType.AZURE, model) == UNKNOWN_MODEL


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        (ProviderType.OLLAMA, "llama3.1:8b"),
        (ProviderType.OLLAMA, "llama3.1:8b-instruct-q4_K_M"),
        (ProviderType.VLLM, "meta-llama/Llama-3.1-8B-Instruct"),
        (ProviderType.VLLM, "meta-llama/Meta-Llama-3.1-8B-Instruct"),
        (ProviderType.LOCALAI, "llama-3.1-8b-instruct"),
        (ProviderType.OPENAI_COMPATIBLE, "Llama-3.1-8B-Instruct-FP8"),
    ],
)
def test_of_open_weights_the_cutoff_is_known_wherever_they_run_and_the_window_is_not(
    catalog: Catalog, kind: ProviderType, model: str
) -> None:
    facts = catalog.facts(kind, model)

    assert (facts.knowledge_cutoff, facts.family) == (date(2023, 12, 31), "llama")
    assert (facts.context_window, facts.capabilities) == (None, None)


@pytest.mark.parametrize("model", ["deepseek-v3.1", "deepseek-v3.1:latest", "llama3.3", "deepseek-r1:8b"])
def test_a_tag_that_does_not_say_which_weights_it_means_is_unknown(catalog: Catalog, model: str) -> None:
    assert catalog.facts(ProviderType.OLLAMA, model) is UNKNOWN_MODEL


def test_hosted_open_weights_have_the_cutoff_of_the_weights(catalog: Catalog) -> None:
    assert catalog.facts(ProviderType.GROQ, "openai/gpt-oss-120b").knowledge_cutoff == date(2024, 6, 30)


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
