from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.usage import Charge, PriceCard, PriceTier, Usage, charge_of, cost_of, summed

DOLLAR = Decimal(1)
TODAY = date(2026, 11, 20)
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


def test_a_charge_names_whose_price_it_is_and_its_day() -> None:
    card = PriceCard(CARD.tiers, "list", dated="2026-11-01")
    stated = Usage(1, 1, reported_cost=Decimal("0.5"))

    assert charge_of(Usage(1_000_000), card, TODAY) == Charge(DOLLAR, "list", "2026-11-01")
    assert charge_of(stated, card, TODAY) == Charge(Decimal("0.5"), "reported", "2026-11-20")
    assert charge_of(Usage(1, 1), None, TODAY) == charge_of(None, card, TODAY) == Charge()


@pytest.mark.parametrize("said", ["Infinity", "NaN", "-0.5", "1e300", "1000000000000.01"])
def test_what_a_provider_says_is_no_price_unless_it_is_one(said: str) -> None:
    nonsense = Usage(1, 1, reported_cost=Decimal(said))

    assert cost_of(nonsense, CARD) == Decimal("0.000003")
    assert cost_of(nonsense, None) is None


PRICES = st.decimals(0, 1000, places=9)
COUNTS = st.integers(0, 10**12)
COSTS = st.builds(
    cost_of,
    st.builds(
        Usage, COUNTS, COUNTS, reported_cost=st.none() | st.decimals(0, 10**6, allow_nan=False, allow_infinity=False)
    ),
    st.builds(lambda i, o: PriceCard((PriceTier(0, i, o),), "test"), PRICES, PRICES),
)


@given(st.lists(COSTS, min_size=1, max_size=40), st.randoms())
def test_sums_of_costs_lose_no_digit_in_whatever_order(costs: list[Decimal], chance: random.Random) -> None:
    exact = sum(map(Fraction, costs))
    chance.shuffle(costs)
    middle = len(costs) // 2

    total = summed(costs)
    in_parts = summed([part for part in (summed(costs[:middle]), summed(costs[middle:])) if part is not None])

    assert total is not None
    assert in_parts is not None
    assert Fraction(total) == Fraction(in_parts) == exact


@given(st.lists(st.none() | PRICES, max_size=9))
def test_a_sum_with_an_unknown_part_is_unknown(costs: list[Decimal | None]) -> None:
    assert (summed(costs) is None) == (None in costs or not costs)
