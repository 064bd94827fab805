"""A listed name as OpenAI's model object, with an `outcry` block of what is known of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from app.domain.catalog import UNKNOWN_MODEL, ModelFacts
from app.domain.listing import ListedName, ListedTarget, NameKind
from app.domain.usage import PriceCard, PriceTier


def model_object(model: ListedName) -> dict[str, Any]:
    """OpenAI's fields, and ours: what all of its targets have in common and, of a model, what each of several has."""
    owner, slash, _ = model.name.partition("/")
    released = {one.facts.released for one in model.targets}
    return {
        "id": model.name,
        "object": "model",
        # OpenAI's clients demand a time; 0 stands for a day that nobody has told.
        "created": _seconds(released.pop()) if len(released) == 1 else 0,
        "owned_by": owner if slash else "outcry",
        "outcry": _block(model),
    }


def _block(model: ListedName) -> dict[str, Any]:
    known = [_known(one.facts, one.card) for one in model.targets]
    shared = known[0] if known else _known(UNKNOWN_MODEL, None)
    for other in known[1:]:
        shared = {name: value if other[name] == value else None for name, value in shared.items()}
    tells_apart = model.kind is NameKind.MODEL and len(known) > 1
    return {
        "kind": model.kind.value,
        "providers": [
            {**_where(one), **(own if tells_apart else {})} for one, own in zip(model.targets, known, strict=True)
        ],
        **shared,
    }


def _where(one: ListedTarget) -> dict[str, str]:
    return {"provider": one.target.provider, "model": one.target.model}


def _known(facts: ModelFacts, card: PriceCard | None) -> dict[str, Any]:
    return {
        "mode": None if facts.mode is None else facts.mode.value,
        "context_window": facts.context_window,
        "max_output_tokens": facts.max_output_tokens,
        "capabilities": None if facts.capabilities is None else sorted(facts.capabilities),
        "knowledge_cutoff": _day(facts.knowledge_cutoff),
        "deprecation_date": _day(facts.retires),
        "prices": None if card is None else _prices(card),
    }


def _prices(card: PriceCard) -> dict[str, Any]:
    first, *above = card.tiers
    return {
        **_tier(first),
        "tiers": [{"above_tokens": tier.above_tokens, **_tier(tier)} for tier in above],
        "source": card.source,
        "dated": card.dated,
        "since": card.since,
    }


def _tier(tier: PriceTier) -> dict[str, str | None]:
    return {
        "input_per_1m_tokens": _dollars(tier.input),
        "output_per_1m_tokens": _dollars(tier.output),
        "cached_input_per_1m_tokens": _dollars(tier.cached_input),
        "cache_write_per_1m_tokens": _dollars(tier.cache_write),
    }


def _dollars(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount.normalize(), "f")


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _seconds(day: date | None) -> int:
    return 0 if day is None else int(datetime.combine(day, time(), UTC).timestamp())
