"""Sums over rounds; what is unknown of one round is unknown of all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.usage import Usage, UsageSource
from app.tools.tally import Tally, added

COSTS = st.none() | st.decimals(0, 100, places=6)
USAGES = st.none() | st.builds(Usage, st.integers(0, 10**6), st.integers(0, 10**6), source=st.sampled_from(UsageSource))


@given(st.lists(st.tuples(USAGES, COSTS), min_size=1, max_size=6))
def test_a_sum_is_known_when_every_part_is(rounds: list[tuple[Usage | None, Decimal | None]]) -> None:
    tally = Tally()
    for usage, cost in rounds:
        tally.add((), (), usage, cost, 0.25)

    costs = [cost for _, cost in rounds if cost is not None]
    usages = [usage for usage, _ in rounds if usage is not None]
    assert tally.cost_usd == (sum(costs, Decimal(0)) if len(costs) == len(rounds) else None)
    assert (tally.rounds, tally.overhead) == (len(rounds), 0.25 * len(rounds))
    if len(usages) < len(rounds):
        assert tally.usage is None
    else:
        assert tally.usage is not None
        assert tally.usage.input_tokens == sum(usage.input_tokens for usage in usages)
        assert tally.usage.output_tokens == sum(usage.output_tokens for usage in usages)


def test_one_estimate_makes_the_sum_an_estimate() -> None:
    both = added(Usage(1, 1, source=UsageSource.ESTIMATED), Usage(1, 1))

    assert both is not None
    assert both.source is UsageSource.ESTIMATED


@pytest.mark.parametrize(("costs", "total"), [(("0.1", "0.2"), Decimal("0.3")), (("0.1", None), None)])
def test_what_providers_said_it_cost_is_summed_up(costs: tuple[str, str | None], total: Decimal | None) -> None:
    first, second = (Usage(1, 1, reported_cost=None if cost is None else Decimal(cost)) for cost in costs)

    both = added(first, second)

    assert both is not None
    assert both.reported_cost == total


def test_a_warning_is_said_once() -> None:
    tally = Tally()
    tally.add((), ("careful",), None, None, 0.0)
    tally.add((), ("careful", "slow"), None, None, 0.0)

    assert tally.warnings == ("careful", "slow")
