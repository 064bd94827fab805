from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.catalog.catalog import Catalog
from app.catalog.documents import CatalogUnreadable, read_shipped, written
from app.catalog.records import ModelRecord, read_models
from app.domain.catalog import ModelMode, last_day
from app.domain.provider import ProviderConfig, ProviderType
from app.domain.usage import PriceCard

TODAY = datetime(2026, 11, 21, tzinfo=UTC)


def overrides(folder: Path, *entries: dict[str, Any], **file: Any) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps({"providers": {"openai": list(entries)}} | file), encoding="utf-8")
    return path


def card_of(path: Path, model: str) -> PriceCard | None:
    catalog = Catalog(lambda: TODAY, known=read_models(path))
    return catalog.card(ProviderConfig("mine", ProviderType.OPENAI, ""), model)


def test_every_price_is_a_decimal_with_a_source_and_a_day_and_tiers_ascend() -> None:
    wrong = [(kind, record.id) for kind, record in _priced() if not _is_sound(record)]

    assert wrong == []
    assert len(list(_priced())) > 300


def test_every_card_that_requests_are_charged_by_is_as_sound() -> None:
    catalog = Catalog(lambda: TODAY)
    for kind, record in _priced():
        card = catalog.card(ProviderConfig("x", ProviderType(kind), ""), record.id)
        assert card is not None
        assert _is_sound(ModelRecord(record.id, record.facts, card)), (kind, record.id)


def test_every_types_default_is_an_offered_chat_model() -> None:
    known = read_models()
    hosted = set(ProviderType) - {"ollama", "vllm", "localai", "openai_compatible", "sandbox"}

    assert set(known.defaults) == hosted
    for kind, model in known.defaults.items():
        record = known.records[kind][model]
        assert (record.offered, record.facts.mode) == (True, ModelMode.CHAT)
        assert record.facts.retires is None or record.facts.retires > TODAY.date()


def test_every_day_in_the_file_is_one() -> None:
    days = [
        entry.get(name)
        for entries in read_shipped()["providers"].values()
        for entry in entries
        for name in ("knowledge_cutoff", "release_date", "deprecation_date", "price_since", "price_dated")
    ]

    assert [day for day in days if day is not None and last_day(day) is None] == []


def test_where_lists_disagree_both_are_in_the_file() -> None:
    entries = {entry["id"]: entry for entry in read_shipped()["providers"]["mistral"]}
    large = entries["mistral-large-4"]

    assert large["price_usd_per_mtok"]["input"] == Decimal("0.7")
    assert large["price_source"].startswith("genai-prices ")
    assert large["price_since"] == "2026-10-29"
    assert large["price_disagreement"] == {
        "litellm 1.109.1": {"input": Decimal("1.36"), "output": Decimal("4.18"), "cached_input": Decimal("0.14")}
    }


def test_the_file_is_written_as_it_is_read() -> None:
    document = read_shipped()

    assert json.loads(written(document), parse_float=Decimal) == document


def test_a_price_set_by_hand_goes_before_the_list() -> None:
    card = card_of_mistral("mistral-large-latest")

    assert (card.source, card.tiers[0].input) == ("outcry", Decimal("0.5"))


def test_an_operators_override_goes_before_the_list_and_takes_no_old_tiers(tmp_path: Path) -> None:
    path = overrides(tmp_path, {"id": "gpt-6-astra", "price_usd_per_mtok": {"input": 1, "output": 2}})

    card = card_of(path, "gpt-6-astra")

    assert card is not None
    assert [(tier.input, tier.output, tier.cached_input) for tier in card.tiers] == [(Decimal(1), Decimal(2), None)]
    assert card.source == "mine.json"


def test_an_override_that_came_from_the_list_yields_to_the_list_as_it_is_today(tmp_path: Path) -> None:
    stale = {"price_usd_per_mtok": {"input": 1, "output": 2}, "price_source": "genai-prices 0.1.0"}

    card = card_of(overrides(tmp_path, {"id": "gpt-4o", **stale}), "gpt-4o")

    assert card is not None
    assert card.tiers[0].input == Decimal("2.5")


def test_overrides_change_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    entry = {"id": "gpt-4o", "max_output_tokens": 5, "capabilities": {"vision": False}, "knowledge_cutoff": "2024-02"}
    shipped = read_models().records["openai"]["gpt-4o"]

    changed = read_models(overrides(tmp_path, entry)).records["openai"]["gpt-4o"]

    assert changed.facts.max_output_tokens == 5
    assert changed.facts.knowledge_cutoff == date(2024, 2, 29)
    assert shipped.facts.capabilities is not None
    assert changed.facts.capabilities == shipped.facts.capabilities - {"vision"}
    assert (changed.facts.context_window, changed.card) == (shipped.facts.context_window, shipped.card)


def test_overrides_add_models_and_name_a_default(tmp_path: Path) -> None:
    path = overrides(tmp_path, {"id": "mine-1", "mode": "chat"}, defaults={"openai": "mine-1"})

    assert Catalog(lambda: TODAY, known=read_models(path)).models(ProviderType.OPENAI)[0] == "mine-1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "expected JSON"),
        ("\ufeff\xff", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("[]", ""),
        ('{"providers": {"opnai": []}}', "providers.opnai"),
        ('{"providers": {"openai": [{"id": "x", "max_output_tokens": 0}]}}', "max_output_tokens"),
        ('{"providers":\n {"openai": [}}', ":2: expected JSON"),
        ('{"models": []}', "models: unknown field, known: _meta, defaults, providers"),
        (
            '{"providers": {"openai": [{"id": "x", "window": 5}]}}',
            "providers.openai.0.window: unknown field, known: id, ",
        ),
        (
            '{"providers": {"openai": [{"id": "x", "price_usd_per_mtok": {"in": 1}}]}}',
            "in: unknown field, known: input, ",
        ),
        (
            '{"providers": {"openai": [{"id": "x", "capabilities": {"tols": true}}]}}',
            "tols: expected a capability: tools,",
        ),
        ('{"providers": {"openai": [{"id": "x", "price_usd_per_mtok": {"input": -1}}]}}', "input"),
        ('{"providers": {"openai": [{"id": "x", "price_usd_per_mtok": {"input": NaN}}]}}', "input"),
        ('{"providers": {"openai": [{"id": "x", "price_tiers_above_prompt_tokens": {"many": {}}}]}}', "tokens"),
        ('{"providers": {"openai": [{"id": "x", "knowledge_cutoff": "2024-13"}]}}', "expected a day"),
    ],
)
def test_wrong_overrides_are_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(text.encode("latin-1", "replace"))

    with pytest.raises(CatalogUnreadable) as caught:
        read_models(path)

    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_missing_overrides_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnreadable, match="cannot be read"):
        read_models(tmp_path / "none.json")


def card_of_mistral(model: str) -> PriceCard:
    card = Catalog(lambda: TODAY).card(ProviderConfig("m", ProviderType.MISTRAL, ""), model)
    assert card is not None
    return card


def _priced() -> list[tuple[str, ModelRecord]]:
    return [
        (kind, record)
        for kind, records in read_models().records.items()
        for record in records.values()
        if record.card is not None and record.id != "*"
    ]


def _is_sound(record: ModelRecord) -> bool:
    card = record.card
    assert card is not None
    starts = [tier.above_tokens for tier in card.tiers]
    amounts = [a for t in card.tiers for a in (t.input, t.output, t.cached_input, t.cache_write) if a is not None]
    return (
        starts == sorted(set(starts))
        and starts[0] == 0
        and {type(amount) for amount in amounts} == {Decimal}
        and min(amounts) >= 0
        and card.source != ""
        and card.dated is not None
        and last_day(card.dated) is not None
    )
