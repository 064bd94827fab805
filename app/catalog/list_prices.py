"""List prices from the `genai-prices` package, turned into cards of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from app.domain.provider import ProviderType
from app.domain.usage import PriceCard, PriceTier

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

# Types whose own servers have a price list. The others run what they like, at whatever it costs.
PRICED_AS: Mapping[ProviderType, str] = {
    ProviderType.OPENAI: "openai",
    ProviderType.ANTHROPIC: "anthropic",
    ProviderType.GEMINI: "google",
    ProviderType.AZURE: "azure",
    ProviderType.DEEPSEEK: "deepseek",
    ProviderType.GROQ: "groq",
    ProviderType.XAI: "x-ai",
    ProviderType.MISTRAL: "mistral",
    ProviderType.TOGETHER: "together",
    ProviderType.OPENROUTER: "openrouter",
}


def list_price(kind: ProviderType, model: str, at: datetime) -> PriceCard | None:
    """The provider's list price at that moment, None when there is none.

    Where the price depends on the hour it is the dearest hour's: a card lives longer than an hour.
    """
    if kind not in PRICED_AS:
        return None
    # Imported at the first price that is asked for: it takes 0.15 s that a keyless start need not pay.
    import genai_prices
    from genai_prices.data import providers

    info = _find(providers, PRICED_AS[kind], model)
    prices = None if info is None else _in_force(info, at)
    if prices is None:
        return None
    price, since = prices
    return _card(price, f"genai-prices {genai_prices.__version__}", _last_change(at.date()), since)


@lru_cache(maxsize=4)
def _last_change(today: date) -> str | None:
    """The last price change that the list names, up to today: the list does not say its own day, but is no older."""
    from genai_prices.data import providers
    from genai_prices.types import StartDateConstraint

    days = (
        conditional.constraint.start_date
        for provider in providers
        for model in provider.models
        if isinstance(model.prices, list)
        for conditional in model.prices
        if isinstance(conditional.constraint, StartDateConstraint)
    )
    last = max((day for day in days if day <= today), default=None)
    return None if last is None else last.isoformat()


def _find(providers: Sequence[Provider], provider_id: str, model: str) -> ModelInfo | None:
    provider = next((p for p in providers if p.id == provider_id), None)
    if provider is None:
        return None
    try:
        return provider.find_model(model, all_providers=list(providers))
    except LookupError:
        return None


def _in_force(info: ModelInfo, at: datetime) -> tuple[ModelPrice, str | None] | None:
    """The price in force and the day it came into force, where that is known."""
    from genai_prices.types import ModelPrice, StartDateConstraint, TimeOfDateConstraint

    if isinstance(info.prices, ModelPrice):
        return info.prices, None
    standard: ModelPrice | None = None
    since: str | None = None
    hourly: list[ModelPrice] = []
    for conditional in info.prices:
        match conditional.constraint:
            case None:
                standard = conditional.prices
            case StartDateConstraint() as start if start.active(at):
                standard, since = conditional.prices, start.start_date.isoformat()
            case TimeOfDateConstraint():
                hourly.append(conditional.prices)
            case _:
                pass
    choices = [price for price in (standard, *hourly) if price is not None]
    return (max(choices, key=_base_input), since) if choices else None


def _base_input(price: ModelPrice) -> Decimal:
    return _at(price.input_mtok, 0) or Decimal(0)


def _card(price: ModelPrice, source: str, dated: str | None, since: str | None) -> PriceCard | None:
    columns = (price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok)
    if columns[0] is None and columns[1] is None:
        return None
    starts = {0} | {tier.start for column in columns for tier in getattr(column, "tiers", ())}
    tiers = tuple(PriceTier(start, *(_at(column, start) for column in columns)) for start in sorted(starts))
    return PriceCard(tiers, source, dated, since)


def _at(column: Any, start: int) -> Decimal | None:  # noqa: ANN401  # Decimal, TieredPrices or None, untyped there
    """What a prompt longer than `start` tokens pays."""
    if column is None or isinstance(column, Decimal):
        return column
    price: Decimal = column.base
    for tier in column.tiers:
        if tier.start <= start and start > 0:
            price = tier.price
    return price
