from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.catalog.catalog import Catalog
from app.catalog.list_prices import PRICED_AS
from app.catalog.records import ModelList, ModelRecord, read_models
from app.domain.catalog import ModelFacts, ModelMode
from app.domain.provider import ModelConfig, ProviderConfig, ProviderType
from app.domain.usage import PriceCard, PriceTier, Usage


def at(year: int, month: int, day: int, hour: int = 0) -> Catalog:
    return Catalog(lambda: datetime(year, month, day, hour, tzinfo=UTC))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return at(2026, 11, 21)


def of(kind: ProviderType) -> ProviderConfig:
    return ProviderConfig("somebody", kind, "")


def priced(
    card: PriceCard | None, *, input_tokens: int = 0, output_tokens: int = 0, cached_tokens: int = 0
) -> Decimal | None:
    assert card is not None
    return card.cost(Usage(input_tokens, output_tokens, cached_tokens))


def test_a_list_price_is_exact_and_says_where_it_is_from(catalog: Catalog) -> None:
    card = catalog.card(of(ProviderType.OPENAI), "gpt-4o-2024-08-06")

    assert priced(card, input_tokens=1_000_000, output_tokens=1_000_000) == Decimal("12.5")
    assert priced(card, input_tokens=1_000_000, cached_tokens=1_000_000) == Decimal("1.25")
    assert card is not None
    assert card.source.startswith("genai-prices ")


def test_a_long_prompt_pays_its_tier_for_every_token(catalog: Catalog) -> None:
    card = catalog.card(of(ProviderType.OPENAI), "gpt-6-astra")

    assert priced(card, input_tokens=272_000) == Decimal("2.72")
    assert priced(card, input_tokens=300_000) == Decimal("6.00")


def test_the_operators_price_goes_before_the_list_and_the_models_before_the_providers(catalog: Catalog) -> None:
    config = ProviderConfig(
        "mine",
        ProviderType.OPENAI,
        "",
        models=(ModelConfig("gpt-4o", input_per_1m_tokens=Decimal(1), output_per_1m_tokens=Decimal(2)),),
        input_per_1m_tokens=Decimal(7),
        output_per_1m_tokens=Decimal(9),
    )

    assert priced(catalog.card(config, "gpt-4o"), input_tokens=1_000_000, output_tokens=1_000_000) == Decimal(3)
    assert priced(catalog.card(config, "o3"), input_tokens=1_000_000, output_tokens=1_000_000) == Decimal(16)
    card = catalog.card(config, "o3")
    assert card is not None
    assert card.source == "operator"


def test_half_a_price_is_no_price(catalog: Catalog) -> None:
    config = ProviderConfig("mine", ProviderType.OPENAI_COMPATIBLE, "", input_per_1m_tokens=Decimal(1))

    assert priced(catalog.card(config, "x"), input_tokens=10) is None


def test_the_operators_cache_prices_belong_to_the_price_beside_them(catalog: Catalog) -> None:
    own = ModelConfig(
        "gpt-4o",
        input_per_1m_tokens=Decimal(4),
        output_per_1m_tokens=Decimal(8),
        cached_input_per_1m_tokens=Decimal(1),
        cache_write_per_1m_tokens=Decimal(5),
    )
    bare = ModelConfig("o3", input_per_1m_tokens=Decimal(4), output_per_1m_tokens=Decimal(8))
    config = ProviderConfig(
        "mine",
        ProviderType.OPENAI,
        "",
        models=(own, bare),
        input_per_1m_tokens=Decimal(2),
        output_per_1m_tokens=Decimal(2),
        cached_input_per_1m_tokens=Decimal("0.5"),
    )

    for model, cost in (("gpt-4o", 1), ("o3", 4), ("gpt-4.1", Decimal("0.5"))):
        assert priced(catalog.card(config, model), input_tokens=1_000_000, cached_tokens=1_000_000) == cost


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        (ProviderType.OPENAI, "text-embedding-3-large"),
        (ProviderType.AZURE, "text-embedding-3-large"),
        (ProviderType.GEMINI, "gemini-embedding-001"),
        (ProviderType.MISTRAL, "mistral-embed"),
    ],
)
def test_embeddings_are_priced_by_their_input_alone(catalog: Catalog, kind: ProviderType, model: str) -> None:
    cost = priced(catalog.card(of(kind), model), input_tokens=1_000_000)

    assert cost is not None
    assert 0 < cost < 1


def test_an_operators_embedding_model_needs_no_output_price(catalog: Catalog) -> None:
    model = ModelConfig("bge-m3", input_per_1m_tokens=Decimal(1), mode=ModelMode.EMBEDDING)
    config = ProviderConfig("mine", ProviderType.VLLM, "", models=(model,))

    assert priced(catalog.card(config, "bge-m3"), input_tokens=1_000_000) == 1


def test_a_list_price_says_how_fresh_it_is_and_since_when_it_holds(catalog: Catalog) -> None:
    card = catalog.card(of(ProviderType.MISTRAL), "mistral-large-4")

    assert card is not None
    assert card.since == "2026-10-29"
    assert card.dated is not None
    assert card.since <= card.dated <= "2026-11-21"


def test_an_operators_zero_is_free(catalog: Catalog) -> None:
    zero = Decimal(0)
    config = ProviderConfig("mine", ProviderType.GROQ, "", input_per_1m_tokens=zero, output_per_1m_tokens=zero)

    assert priced(catalog.card(config, "openai/gpt-oss-120b"), input_tokens=10) == 0


@pytest.mark.parametrize("kind", [ProviderType.OLLAMA, ProviderType.VLLM, ProviderType.LOCALAI, ProviderType.SANDBOX])
def test_what_runs_at_home_is_free(catalog: Catalog, kind: ProviderType) -> None:
    assert priced(catalog.card(of(kind), "llama3.3"), input_tokens=1_000, output_tokens=1_000) == 0


@pytest.mark.parametrize("kind", [*PRICED_AS, ProviderType.OPENAI_COMPATIBLE])
def test_an_unknown_price_is_unknown_not_zero(catalog: Catalog, kind: ProviderType) -> None:
    assert catalog.card(of(kind), "alpha-1") is None


@pytest.mark.parametrize("kind", PRICED_AS)
def test_every_type_with_a_price_list_is_found_in_it(catalog: Catalog, kind: ProviderType) -> None:
    card = catalog.card(of(kind), catalog.models(kind)[0])

    assert card is not None
    assert card.source.startswith("genai-prices ") or card.source == "outcry"
    assert [tier.above_tokens for tier in card.tiers] == sorted({tier.above_tokens for tier in card.tiers})
    assert card.tiers[0].above_tokens == 0


def test_a_model_only_our_list_knows_is_priced_from_it_with_its_date() -> None:
    ours = PriceCard((PriceTier(0, Decimal(3), Decimal(4)),), "litellm 1.109.1", "2026-11-21")
    record = ModelRecord("alpha-1", ModelFacts(), ours)
    catalog = Catalog(known=ModelList({ProviderType.OPENAI: {"alpha-1": record}}, {}))

    assert catalog.card(of(ProviderType.OPENAI), "alpha-1-2026-01-02") is ours


def test_our_lists_prices_are_exact() -> None:
    card = read_models().records[ProviderType.OPENAI]["gpt-6-astra"].card

    assert (card and card.source, card and card.dated) == ("litellm 1.109.1", "2026-11-21")
    assert priced(card, input_tokens=1_000_000, cached_tokens=1_000_000) == Decimal(2)


@pytest.mark.parametrize("hour", [0, 2, 12])
def test_a_price_that_depends_on_the_hour_is_the_dearest_hours(hour: int) -> None:
    card = at(2026, 11, 21, hour).card(of(ProviderType.DEEPSEEK), "deepseek-v4-flash")

    assert priced(card, input_tokens=1_000_000, output_tokens=1_000_000) == Decimal("1.5")


def test_a_price_that_changes_with_a_day_changes_in_a_running_process() -> None:
    now = [datetime(2026, 10, 28, 23, tzinfo=UTC)]
    catalog = Catalog(lambda: now[0])
    before = priced(catalog.card(of(ProviderType.MISTRAL), "mistral-large-4"), input_tokens=1_000_000)

    now[0] = datetime(2026, 10, 29, 1, tzinfo=UTC)

    assert priced(catalog.card(of(ProviderType.MISTRAL), "mistral-large-4"), input_tokens=1_000_000) != before


def test_a_card_is_resolved_once(catalog: Catalog) -> None:
    config = of(ProviderType.OPENAI)

    assert catalog.card(config, "gpt-4o") is catalog.card(config, "gpt-4o")


def test_names_from_requests_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.catalog.catalog._MOST_CARDS", 3)
    catalog = at(2026, 11, 21)
    for n in range(50):
        catalog.card(of(ProviderType.OPENAI), f"alpha-{n}")

    assert len(catalog._cards) <= 3


def test_a_start_without_paid_providers_never_loads_the_price_list() -> None:
    program = (
        "import sys; from app.catalog.catalog import Catalog; from app.domain.provider import *;"
        "c = Catalog(); c.card(ProviderConfig('s', ProviderType.SANDBOX, ''), 'trend');"
        "c.card(ProviderConfig('o', ProviderType.OLLAMA, ''), 'llama3');"
        "sys.exit('genai_prices' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
