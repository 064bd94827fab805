"""The model list that ships with us, read into facts and list prices."""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from typing import Any

from app.domain.catalog import ModelFacts
from app.domain.usage import PriceCard, PriceTier

SOURCE = "models.json"

# What routing filters by: a record that leaves one of them open says nothing about capabilities at all.
ROUTED_CAPABILITIES = ("tools", "vision", "json_schema")

_FAMILIES = {
    "chatgpt": "gpt", "o": "gpt", "codestral": "mistral", "devstral": "mistral", "ministral": "mistral",
    "magistral": "mistral", "mixtral": "mistral", "pixtral": "mistral",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """One model of one provider type. `retired` is its announced last day."""

    id: str
    facts: ModelFacts
    card: PriceCard | None
    is_chat: bool
    retired: date | None = None
    is_embedding: bool = False


@dataclass(frozen=True, slots=True)
class ModelList:
    """Records by provider type and model id, in the order of the file, and each type's default model."""

    records: Mapping[str, Mapping[str, ModelRecord]]
    defaults: Mapping[str, str]


def read_models() -> ModelList:
    """The list that ships with this version (about 3 ms)."""
    raw = json.loads(files("app.catalog").joinpath("models.json").read_text("utf-8"), parse_float=Decimal)
    dated = raw["_meta"]["generated"]
    return ModelList(
        {kind: {entry["id"]: _record(entry, dated) for entry in entries} for kind, entries in raw["providers"].items()},
        raw["defaults"],
    )


def family_of(model: str) -> str | None:
    """The line a model comes from: `gpt`, `claude`, `llama`; None for an id that does not begin with a word."""
    word = re.match(r"[a-z]+", model.lower().rpartition("/")[2])
    return _FAMILIES.get(word[0], word[0]) if word else None


def _record(entry: Mapping[str, Any], dated: str) -> ModelRecord:
    return ModelRecord(
        id=entry["id"],
        facts=_facts(entry),
        card=_card(entry, dated),
        is_chat=entry.get("mode") == "chat",
        retired=_last_day(entry.get("deprecation_date")),
        is_embedding=entry.get("mode") == "embedding",
    )


def _facts(entry: Mapping[str, Any]) -> ModelFacts:
    stated = entry.get("capabilities") or {}
    behaviour = {name: _plain(value) for name, value in (entry.get("behaviour") or {}).items()}
    return ModelFacts(
        context_window=entry.get("max_input_tokens") or entry.get("context_window_total"),
        max_output_tokens=entry.get("max_output_tokens"),
        capabilities=_capabilities(stated),
        knowledge_cutoff=_last_day(entry.get("knowledge_cutoff")),
        is_reasoning=stated.get("reasoning") is True and behaviour.get("default_reasoning_effort") != "none",
        family=family_of(entry["id"]),
        behaviour=behaviour,
    )


def _capabilities(stated: Mapping[str, bool | None]) -> frozenset[str] | None:
    if any(stated.get(name) is None for name in ROUTED_CAPABILITIES):
        return None
    return frozenset(name for name, has in stated.items() if has)


def _card(entry: Mapping[str, Any], dated: str) -> PriceCard | None:
    base = entry["price_usd_per_mtok"]
    if base.get("input") is None:
        return None
    tiers = [_tier(0, base)]
    above = entry.get("price_tiers_above_prompt_tokens") or {}
    tiers += [_tier(int(start), {**base, **prices}) for start, prices in sorted(above.items(), key=lambda t: int(t[0]))]
    return PriceCard(tuple(tiers), SOURCE, dated)


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


def _last_day(stated: str | None) -> date | None:
    """`2025-07-31`, or the month's last day for `2025-07`."""
    if stated is None:
        return None
    year, month, *day = (int(part) for part in stated.split("-"))
    return date(year, month, day[0] if day else calendar.monthrange(year, month)[1])
