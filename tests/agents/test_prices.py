"""What a configuration states of prices is what its calls cost; what it leaves out is listed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from app.agents.prices import price_for, with_listed_prices
from app.domain.agent import AgentConfig
from app.domain.usage import PriceCard, PriceTier, Usage

CONFIG = AgentConfig(1, 7, "alpha", "alpha-1")
LISTED = PriceCard(
    (PriceTier(0, Decimal(2), Decimal(8), cached_input=Decimal("0.2")), PriceTier(100_000, Decimal(4), Decimal(16))),
    "models.json",
    "2026-11-01",
)
USED = Usage(1_000, 100, cached_tokens=500)


def stating(per_input: str | None, per_output: str | None) -> AgentConfig:
    prices = [None if price is None else Decimal(price) for price in (per_input, per_output)]
    return replace(CONFIG, cost_per_1k_input_tokens=prices[0], cost_per_1k_output_tokens=prices[1])


def test_who_states_nothing_pays_what_is_listed() -> None:
    assert price_for(CONFIG, LISTED) is LISTED
    assert price_for(CONFIG, None) is None


def test_what_is_stated_is_paid_whatever_is_listed() -> None:
    for listed in (LISTED, None):
        card = price_for(stating("0.000777", "0.00333"), listed)
        assert card is not None
        assert (card.cost(USED), card.source, card.dated) == (Decimal("0.00111"), "agent", None)


def test_the_half_that_is_not_stated_is_listed_or_unknown() -> None:
    half = stating("0.001", None)
    card, unknown = price_for(half, LISTED), price_for(half, None)

    assert card is not None
    assert unknown is not None
    assert card.cost(USED) == Decimal("0.0018")
    assert unknown.cost(USED) is None


def test_who_repeats_the_list_keeps_its_tiers_and_its_price_of_cached_tokens() -> None:
    assert price_for(with_listed_prices(CONFIG, LISTED), LISTED) is LISTED
    assert price_for(stating("0.002", None), LISTED) is LISTED
