"""Experiments are checked before they begin, in force when the call returns, and compared without a winner too soon."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.agents.experiments import Experiments
from app.domain.decision import VoteStatus
from app.domain.errors import Conflict, NotFound, RequestRejected
from app.domain.experiment import Arm, ArmRequest, Experiment, PromptTemplate, Traffic
from app.domain.outcome import ScoredVote
from app.outcomes.comparison import Metric, Verdict
from tests.fakes_experiments import FakeArmRecords, experiment, trials
from tests.fakes_scores import scored

A, B = Arm("a", 0.5, 1), Arm("b", 0.5, 2)
CHAT, DECISIONS = (Traffic.CHAT,), (Traffic.DECISIONS,)


async def test_what_is_begun_is_in_force_and_what_is_stopped_is_not() -> None:
    view = Experiments()
    service = trials(registry=view)

    made = await service.create(experiment(id=""))
    assert view.of(7, Traffic.DECISIONS) == made
    stopped = await service.stop(made.id, "somebody")
    again = await service.stop(made.id, "somebody else")

    assert view.of(7, Traffic.DECISIONS) is None
    assert (stopped.is_running, stopped.stopped_by, again.stopped_by) == (False, "somebody", "somebody")
    await service.delete(made.id, "k")
    for call in (service.get(made.id), service.stop(made.id, "k"), service.delete(made.id, "k")):
        with pytest.raises(NotFound):
            await call


async def test_two_split_an_agent_at_once_only_where_their_traffic_is_another() -> None:
    service = trials()
    await service.create(experiment(applies_to=CHAT))

    with pytest.raises(Conflict):
        await service.create(experiment())
    await service.create(experiment(applies_to=DECISIONS))


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"agent_id": 8}, ["agent_id"]),
        ({"arms": (A, replace(B, config_id=9))}, ["arms[1].config_id"]),
        ({"arms": (A, replace(B, config_id=3))}, ["arms[1].config_id"]),
        ({"arms": (A, replace(B, share=0.4))}, ["arms"]),
        ({"arms": (A, replace(B, share=0.0))}, ["arms[1].share", "arms"]),
        ({"arms": (A, replace(B, name="a"))}, ["arms"]),
        ({"arms": (replace(A, share=1.0),)}, ["arms"]),
        ({"arms": (A, replace(B, language="not a tag")), "applies_to": DECISIONS}, ["arms[1].language"]),
        ({"arms": (A, replace(B, language="de"))}, ["arms[1].language"]),
        ({"arms": (A, replace(B, template=PromptTemplate.NO_REGIME)), "applies_to": CHAT}, ["arms[1].template"]),
        ({"applies_to": (Traffic.CHAT, Traffic.CHAT)}, ["applies_to"]),
        ({"sticky_by": "moon"}, ["sticky_by"]),
        ({"sticky_by": "metadata."}, ["sticky_by"]),
        ({"shadow": ("alpha/x", "nobody/y")}, ["shadow[1]"]),
        ({"shadow": ("alpha/x", "alpha/x")}, ["shadow"]),
        ({"shadow": ("alpha/x",), "applies_to": CHAT}, ["shadow"]),
    ],
)
async def test_a_wrong_experiment_names_its_fields(changes: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(RequestRejected) as refused:
        await trials().create(experiment(**changes))

    assert [violation.field for violation in refused.value.violations] == fields


async def test_one_arm_is_enough_where_models_are_asked_as_its_shadow() -> None:
    made = await trials().create(experiment(arms=(replace(A, share=1.0),), shadow=("alpha/x",), applies_to=DECISIONS))

    assert made.shadow == ("alpha/x",)


def votes(arm: str, count: int, right: int, **more: Any) -> list[ScoredVote]:
    """So many decisions of an arm, so many of them right."""
    return [
        scored(
            "BUY" if number < right else "SELL",
            0.02,
            decision_id=f"{arm}{number}",
            agent_id=7,
            variant=f"exp_1/{arm}",
            **more,
        )
        for number in range(count)
    ]


async def verdict(found: list[ScoredVote], metric: Metric = Metric.HIT_RATE) -> tuple[Verdict, tuple[int, int]]:
    service = trials(found)
    made = await service.create(experiment(applies_to=DECISIONS))
    compared = await service.compare(made.id)
    row = next(row for row in compared.differences if row.metric is metric)
    return row.verdict, row.n


async def test_three_samples_have_no_winner_and_neither_have_nineteen() -> None:
    assert await verdict(votes("a", 3, 3) + votes("b", 3, 0)) == (Verdict.TOO_FEW, (3, 3))
    assert await verdict(votes("a", 19, 19) + votes("b", 19, 0)) == (Verdict.TOO_FEW, (19, 19))
    assert await verdict([]) == (Verdict.TOO_FEW, (0, 0))


async def test_a_small_difference_is_not_shown_and_a_large_one_is() -> None:
    assert await verdict(votes("a", 60, 30) + votes("b", 60, 36)) == (Verdict.NOTHING, (60, 60))
    assert await verdict(votes("a", 60, 15) + votes("b", 60, 50)) == (Verdict.HIGHER, (60, 60))
    assert await verdict(votes("a", 60, 50) + votes("b", 60, 15)) == (Verdict.LOWER, (60, 60))


async def test_invalid_answers_dear_ones_and_slow_ones_show_too() -> None:
    found = votes("a", 30, 15, cost_usd=Decimal("0.001"), latency=1.0)
    found += votes("b", 30, 15, cost_usd=Decimal("0.002"), latency=3.0)
    found += [
        scored(None, decision_id=f"bad{n}", agent_id=7, variant="exp_1/b", status=VoteStatus.INVALID) for n in range(20)
    ]

    assert await verdict(found, Metric.VALIDITY) == (Verdict.LOWER, (30, 50))
    assert await verdict(found, Metric.DECISION_COST) == (Verdict.HIGHER, (30, 30))
    assert await verdict(found, Metric.DECISION_LATENCY) == (Verdict.HIGHER, (30, 30))


async def test_shadows_are_told_apart_and_count_for_no_arm() -> None:
    shadow = [replace(one, vote=replace(one.vote, number=2, model="s", is_shadow=True)) for one in votes("a", 30, 0)]
    service = trials(votes("a", 30, 30) + shadow)
    made = await service.create(experiment(applies_to=DECISIONS))

    compared = await service.compare(made.id)

    assert compared.arms["exp_1/a"].shares[Metric.HIT_RATE].rate == 1.0
    assert {key: (one.hit_rate.rate, one.hit_rate.total) for key, one in compared.shadows.items()} == {
        ("a", "s"): (0.0, 30)
    }


async def test_chats_are_compared_by_what_was_answered_what_it_cost_and_how_long_it_took() -> None:
    records = FakeArmRecords(
        a=[ArmRequest(True, 1.0 + n / 100, Decimal("0.001"), False) for n in range(40)],
        b=[ArmRequest(n % 2 == 0, 0.5 + n / 100, Decimal("0.001"), n == 0) for n in range(40)],
    )
    service = trials(records=records)
    made: Experiment = await service.create(experiment(applies_to=CHAT))

    compared = await service.compare(made.id)

    told = {row.metric: (row.verdict, row.n) for row in compared.differences}
    assert told == {
        Metric.ANSWERED: (Verdict.LOWER, (40, 40)),
        Metric.REQUEST_COST: (Verdict.NOTHING, (40, 39)),
        Metric.REQUEST_LATENCY: (Verdict.LOWER, (40, 20)),
    }
    assert compared.arms["exp_1/b"].unpriced_requests == 1
