"""What a prompt would come to, without asking."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.catalog.tokens import Estimator, estimate_tokens
from app.domain.attempt import Ask, CountSource
from app.domain.errors import Code, OutcryError
from app.domain.target import Target
from app.domain.usage import PriceCard, PriceTier
from app.gateway.estimates import Estimates
from app.gateway.planning import Itinerary
from tests.fakes import ScriptedAdapter
from tests.gateway.conftest import HELLO, House, ask, house


def estimates(way: House) -> Estimates:
    return Estimates(way.planner, Estimator())


async def test_a_prompt_is_weighed_at_the_first_target_of_its_plan_and_nobody_is_asked() -> None:
    way = house(alpha=ScriptedAdapter("x", counts=42), beta=ScriptedAdapter("x"))

    estimate = await estimates(way).of(ask(way))

    assert (estimate.target, estimate.source) == (Target("alpha", "alpha-1"), CountSource.ESTIMATE)
    assert estimate.input_tokens == estimate_tokens(HELLO.messages)
    assert way.calls() == [0, 0]


async def test_without_a_target_there_is_no_estimate() -> None:
    way = house(alpha=ScriptedAdapter("x"))

    with pytest.raises(OutcryError) as caught:
        await estimates(way).of(ask(way, model="nobody/nothing"))

    assert caught.value.code is Code.MODEL_NOT_FOUND


class Priced:
    """A planner whose first target has a price."""

    def __init__(self, way: House, card: PriceCard) -> None:
        self._way, self._card = way, card

    def rehearse(self, wanted: Ask) -> Itinerary:
        itinerary = self._way.planner.rehearse(wanted)
        first = replace(itinerary.plan.steps[0], price=self._card)
        return replace(itinerary, plan=replace(itinerary.plan, steps=(first,)))


async def test_an_unknown_price_is_unknown_and_a_known_one_is_that_of_the_prompt_alone() -> None:
    way = house(alpha=ScriptedAdapter("x"))
    card = PriceCard((PriceTier(0, Decimal(2), Decimal(8)),), "file")

    unknown = await estimates(way).of(ask(way))
    known = await Estimates(Priced(way, card), Estimator()).of(ask(way))

    assert unknown.cost_usd is None
    assert known.cost_usd == Decimal(2) * known.input_tokens / 1_000_000
