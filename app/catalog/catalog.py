"""The catalog: what a model can do, and what it costs, from the best source that knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from app.catalog.list_prices import list_price
from app.catalog.operator import operators_card, with_operators_word
from app.catalog.records import ModelList, ModelRecord, read_models
from app.catalog.spellings import spellings, undated
from app.catalog.weights import key_of
from app.domain.catalog import UNKNOWN_MODEL, ModelFacts, ModelMode
from app.domain.provider import ProviderConfig, ProviderType
from app.domain.usage import PriceCard, PriceTier

_MOST_CARDS = 10_000
_FREE = PriceTier(0, Decimal(0), Decimal(0), Decimal(0), Decimal(0))

# Servers that run open weights. What they cut the window to and which tools they parse is theirs to say.
_OWN_SERVERS = frozenset({ProviderType.OLLAMA, ProviderType.VLLM, ProviderType.LOCALAI, ProviderType.OPENAI_COMPATIBLE})


class Catalog:
    """Facts and prices, read once. Facts cost a dictionary lookup; a model's first list price up to 0.2 s."""

    def __init__(
        self, wall: Callable[[], datetime] = lambda: datetime.now(UTC), *, known: ModelList | None = None
    ) -> None:
        self._wall = wall
        self._known = known or read_models()
        self._cards: dict[tuple[ProviderType, str, date], PriceCard | None] = {}

    def today(self) -> date:
        """The UTC day that prices and last days are told for."""
        return self._wall().date()

    def facts(self, kind: ProviderType, model: str) -> ModelFacts:
        """What is known of the model; a dated id (`gpt-4o-2024-08-06`) is what its undated one is.

        Of open weights on a server of one's own only what is true of the weights is known: not the window.
        """
        for other, candidate in spellings(kind, model):
            record = self._record(other, candidate)
            if record is not None:
                return record.facts
        return self._weights(kind, model)

    def models(self, kind: ProviderType) -> tuple[str, ...]:
        """Chat models of the type that are not past their last day, its default first."""
        default = self._known.defaults.get(kind)
        return tuple(sorted(self._offered(kind, ModelMode.CHAT), key=lambda model: model != default))

    def embedding_models(self, kind: ProviderType) -> tuple[str, ...]:
        """Embedding models of the type that are not past their last day."""
        return tuple(self._offered(kind, ModelMode.EMBEDDING))

    def retired_models(self, kind: ProviderType) -> frozenset[str]:
        """Models of the type that are past their announced last day; one of them may live on for somebody."""
        today = self.today()
        records = self._known.records.get(kind, {}).values()
        return frozenset(record.id for record in records if record.facts.retires and record.facts.retires < today)

    def card(self, config: ProviderConfig, model: str) -> PriceCard | None:
        """The model's prices at this provider: the operator's word, else the list price, else None (unknown)."""
        stated = operators_card(config, model)
        if stated is not None:
            mode = with_operators_word(config, model, self.facts(config.type, model)).mode
            return _for_vectors(stated) if mode is ModelMode.EMBEDDING else stated
        if config.type is ProviderType.SANDBOX:
            return PriceCard((_FREE,), "sandbox")
        return self._list_card(config.type, model)

    def _offered(self, kind: ProviderType, mode: ModelMode) -> Iterator[str]:
        today = self.today()
        for record in self._known.records.get(kind, {}).values():
            retires = record.facts.retires
            if record.offered and record.facts.mode is mode and (retires is None or retires >= today):
                yield record.id

    def _weights(self, kind: ProviderType, model: str) -> ModelFacts:
        if kind not in _OWN_SERVERS:
            return UNKNOWN_MODEL
        # Without a size, Ollama's names mean whatever was published last, often a smaller model of another maker.
        if kind is ProviderType.OLLAMA and model.partition(":")[2] in ("", "latest"):
            return UNKNOWN_MODEL
        return self._known.weights.get(key_of(model), UNKNOWN_MODEL)

    def _list_card(self, kind: ProviderType, model: str) -> PriceCard | None:
        key = (kind, model, self.today())  # a price may end with a day
        try:
            return self._cards[key]
        except KeyError:
            pass
        # Model names come from requests too, so what is remembered has an end.
        if len(self._cards) >= _MOST_CARDS:
            self._cards.clear()
        card = self._cards[key] = self._resolved_card(kind, model)
        return card

    def _resolved_card(self, kind: ProviderType, model: str) -> PriceCard | None:
        record = next(filter(None, (self._record(kind, name) for name in (model, undated(model), "*"))), None)
        if record is not None and record.overrides_prices:
            return record.card
        card = list_price(kind, model, self._wall()) or (record.card if record is not None else None)
        return _for_vectors(card) if card and self.facts(kind, model).mode is ModelMode.EMBEDDING else card

    def _record(self, kind: ProviderType, model: str) -> ModelRecord | None:
        return self._known.records.get(kind, {}).get(model)


def _for_vectors(card: PriceCard) -> PriceCard:
    """Nobody charges for vectors: what goes in is all there is, and a list without a price for them is complete."""
    tiers = (replace(tier, output=Decimal(0)) if tier.output is None else tier for tier in card.tiers)
    return replace(card, tiers=tuple(tiers))
