"""The catalog: what a model can do, and what it costs, from the best source that knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from app.catalog.list_prices import list_price
from app.catalog.records import ModelList, ModelRecord, read_models
from app.domain.catalog import UNKNOWN_MODEL, ModelFacts
from app.domain.provider import ProviderConfig, ProviderType
from app.domain.usage import PriceCard, PriceTier

_DATE_SUFFIX = re.compile(r"[-@](?:20\d{2}-?[01]\d-?[0-3]\d)$")
_MOST_CARDS = 10_000
_FREE = PriceTier(0, Decimal(0), Decimal(0), Decimal(0), Decimal(0))

# Makers as OpenRouter prefixes them, and the type whose records describe their models.
_MAKERS = {
    "openai": ProviderType.OPENAI,
    "anthropic": ProviderType.ANTHROPIC,
    "google": ProviderType.GEMINI,
    "x-ai": ProviderType.XAI,
    "deepseek": ProviderType.DEEPSEEK,
    "mistralai": ProviderType.MISTRAL,
}


class Catalog:
    """Facts and prices, read once. Facts cost a dictionary lookup; a model's first list price up to 0.2 s."""

    def __init__(
        self, wall: Callable[[], datetime] = lambda: datetime.now(UTC), *, known: ModelList | None = None
    ) -> None:
        self._wall = wall
        self._known = known or read_models()
        self._cards: dict[tuple[ProviderType, str], PriceCard | None] = {}

    def facts(self, kind: ProviderType, model: str) -> ModelFacts:
        """What is known of the model; a dated id (`gpt-4o-2024-08-06`) is what its undated one is."""
        for other, candidate in _spellings(kind, model):
            record = self._record(other, candidate)
            if record is not None:
                return record.facts
        return UNKNOWN_MODEL

    def models(self, kind: ProviderType) -> tuple[str, ...]:
        """Chat models of the type that are not past their last day, its default first."""
        today = self._wall().date()
        ids = [
            record.id
            for record in self._known.records.get(kind, {}).values()
            if record.is_chat and (record.retired is None or record.retired >= today)
        ]
        default = self._known.defaults.get(kind)
        return tuple(sorted(ids, key=lambda model: model != default))

    def embedding_models(self, kind: ProviderType) -> tuple[str, ...]:
        """Models of the type that only embed and are not past their last day."""
        today = self._wall().date()
        return tuple(
            record.id
            for record in self._known.records.get(kind, {}).values()
            if record.is_embedding and (record.retired is None or record.retired >= today)
        )

    def card(self, config: ProviderConfig, model: str) -> PriceCard | None:
        """The model's prices at this provider: the operator's word, else the list price, else None (unknown)."""
        stated = operators_card(config, model)
        if stated is not None:
            return stated
        if config.type is ProviderType.SANDBOX:
            return PriceCard((_FREE,), "sandbox")
        return self._list_card(config.type, model)

    def _list_card(self, kind: ProviderType, model: str) -> PriceCard | None:
        key = (kind, model)
        if key not in self._cards:
            # Model names come from requests too, so what is remembered has an end.
            if len(self._cards) >= _MOST_CARDS:
                self._cards.clear()
            self._cards[key] = list_price(kind, model, self._wall()) or self._recorded_card(kind, model)
        return self._cards[key]

    def _recorded_card(self, kind: ProviderType, model: str) -> PriceCard | None:
        for candidate in (model, _undated(model), "*"):
            record = self._record(kind, candidate)
            if record is not None:
                return record.card
        return None

    def _record(self, kind: ProviderType, model: str) -> ModelRecord | None:
        return self._known.records.get(kind, {}).get(model)


def operators_card(config: ProviderConfig, model: str) -> PriceCard | None:
    """What the provider file says the model costs; a price stated for the model goes before the provider's."""
    own = next((m for m in config.models if m.id == model), None)
    paid_in = own.input_per_1m_tokens if own and own.input_per_1m_tokens is not None else config.input_per_1m_tokens
    paid_out = own.output_per_1m_tokens if own and own.output_per_1m_tokens is not None else config.output_per_1m_tokens
    if paid_in is None and paid_out is None:
        return None
    return PriceCard((PriceTier(0, paid_in, paid_out),), "operator")


def _undated(model: str) -> str:
    return _DATE_SUFFIX.sub("", model)


def _spellings(kind: ProviderType, model: str) -> Iterator[tuple[ProviderType, str]]:
    """Where to look: as it is, without its date, at its maker."""
    yield kind, model
    yield kind, _undated(model)
    if kind is ProviderType.AZURE:
        yield ProviderType.OPENAI, _undated(model)
    maker, _, rest = model.partition("/")
    if kind is ProviderType.OPENROUTER and maker in _MAKERS:
        yield _MAKERS[maker], _undated(rest)
        yield _MAKERS[maker], _undated(rest).replace(".", "-")
