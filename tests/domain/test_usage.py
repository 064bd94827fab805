from __future__ import annotations

from decimal import Decimal

from app.domain.usage import PriceCard, PriceTier, Usage, cost_of

DOLLAR = Decimal(1)
CARD = PriceCard((PriceTier(0, DOLLAR, 2 * DOLLAR, Decimal("0.1"), Decimal("1.25")),), "test")


def test_cached_and_written_tokens_are_parts_of_the_input() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=500_000, cached_tokens=400_000, cache_write_tokens=100_000)

    # 500k fresh at 1, 400k cached at 0.1, 100k written at 1.25, 500k out at 2: 0.5 + 0.04 + 0.125 + 1
    assert Decimal("1.665") == CARD.cost(usage)


def test_a_tier_prices_the_whole_request() -> None:
    card = PriceCard((PriceTier(0, DOLLAR, DOLLAR), PriceTier(200_000, 2 * DOLLAR, 2 * DOLLAR)), "test")

    assert Decimal("0.2") == card.cost(Usage(input_tokens=200_000))
    assert Decimal("0.400002") == card.cost(Usage(input_tokens=200_001))


def test_an_unknown_price_is_unknown_and_never_free() -> None:
    assert PriceCard((PriceTier(0, None, None),), "test").cost(Usage(1, 1)) is None
    assert cost_of(Usage(1, 1), None) is None
    assert cost_of(None, CARD) is None


def test_the_providers_own_word_on_the_cost_wins() -> None:
    assert Decimal("0.5") == cost_of(Usage(1, 1, reported_cost=Decimal("0.5")), CARD)


def test_more_cached_than_input_never_costs_less_than_nothing() -> None:
    cost = CARD.cost(Usage(input_tokens=10, cached_tokens=50))

    assert cost is not None
    assert cost >= 0


def test_an_absurd_count_is_cut() -> None:
    usage = Usage(10**30, 7, 10**29, 10**28, 10**30)

    assert usage == Usage(10**12, 7, 10**12, 10**12, 10**12)
    assert usage.total_tokens == 10**12 + 7
