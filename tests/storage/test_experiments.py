"""Experiments in the database: what is stored comes back, one splits a traffic at a time, changes are on record."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
from sqlalchemy import select

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import Conflict
from app.domain.experiment import Arm, ArmRequest, Experiment, PromptTemplate, Traffic
from app.domain.outcome import ScoreWindow
from app.domain.target import Target
from app.domain.usage import Usage
from app.storage.database import Database
from app.storage.decisions import SqlDecisionRepository
from app.storage.experiments import SqlArmRecords, SqlExperimentRepository
from app.storage.scores import SqlScores
from app.storage.tables import AUDIT_ENTRIES
from app.storage.usage import SqlUsageRepository
from tests.fakes_experiments import THEN, experiment
from tests.storage.decided import answered, asked, filing, vote


class Clock:
    """A second later each time."""

    def __init__(self) -> None:
        self.moment = THEN

    def __call__(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment


@pytest.fixture
def kept(database: Database) -> SqlExperimentRepository:
    return SqlExperimentRepository(database, Clock())


def wanted(**changes: Any) -> Experiment:
    return experiment(**{"id": "", "created_at": None, **changes})


async def test_an_experiment_comes_back_as_it_was_stored(kept: SqlExperimentRepository) -> None:
    arms = (Arm("a", 0.25, 1), Arm("b", 0.75, language="de-CH", template=PromptTemplate.NO_REGIME))
    made = await kept.create(
        wanted(arms=arms, sticky_by="metadata.desk", applies_to=(Traffic.DECISIONS,), shadow=("alpha/x",))
    )

    assert await kept.get(made.id) == made
    assert made.variants == (f"{made.id}/a", f"{made.id}/b")
    assert (made.arms, made.created_by) == (arms, "k")
    assert await kept.get("exp_nobody") is None
    assert await kept.get("\x00") is None


async def test_every_change_counts_the_revision_up_and_only_what_runs_is_in_force(
    kept: SqlExperimentRepository,
) -> None:
    before, _ = await kept.everything()
    made = await kept.create(wanted())
    assert await kept.everything() == (before + 1, [made])

    stopped = await kept.stop(made.id, "somebody")

    assert await kept.everything() == (before + 2, [])
    assert stopped == await kept.get(made.id) == await kept.stop(made.id, "somebody else")
    assert stopped is not None
    assert stopped.stopped_by == "somebody"
    assert await kept.delete(made.id, "k")
    assert not await kept.delete(made.id, "k")
    assert await kept.stop(made.id, "k") is None


async def test_one_of_two_that_begin_at_once_is_refused(kept: SqlExperimentRepository) -> None:
    refused: list[str] = []

    async def begin() -> None:
        try:
            await kept.create(wanted())
        except Conflict as error:
            refused.append(error.message)

    async with anyio.create_task_group() as both:
        both.start_soon(begin)
        both.start_soon(begin)

    assert len(refused) == 1
    assert len((await kept.everything())[1]) == 1
    assert "already splits chat and decisions of agent 7" in refused[0]


async def test_other_agents_and_other_traffic_may_be_split_beside_it(kept: SqlExperimentRepository) -> None:
    first = await kept.create(wanted(applies_to=(Traffic.CHAT,)))
    await kept.create(wanted(applies_to=(Traffic.DECISIONS,)))
    await kept.create(wanted(agent_id=8))
    await kept.stop(first.id, "k")
    await kept.create(wanted(applies_to=(Traffic.CHAT,)))

    assert len((await kept.everything())[1]) == 3


async def test_they_come_newest_first_in_pages_and_by_agent(kept: SqlExperimentRepository) -> None:
    made = [await kept.create(wanted(agent_id=number)) for number in (1, 2, 3)]

    first, following = await kept.page(limit=2, cursor=None, agent_id=None)
    rest, end = await kept.page(limit=2, cursor=following, agent_id=None)
    of_one, _ = await kept.page(limit=2, cursor=None, agent_id=2)

    assert [*first, *rest] == made[::-1]
    assert (end, of_one) == (None, [made[1]])


async def test_who_began_stopped_and_deleted_it_is_on_record(kept: SqlExperimentRepository, database: Database) -> None:
    made = await kept.create(wanted())
    await kept.stop(made.id, "somebody")
    await kept.stop(made.id, "nothing changes")
    await kept.delete(made.id, "admin")

    entries = select(AUDIT_ENTRIES.c.by).where(AUDIT_ENTRIES.c.subject == f"experiment:{made.id}")
    found = await database.read(lambda session: session.scalars(entries.order_by(AUDIT_ENTRIES.c.seq)))

    assert list(found) == ["k", "somebody", "admin"]


def attempt(request_id: str, ordinal: int = 1, **changes: Any) -> AttemptRecord:
    made = AttemptRecord(
        request_id=request_id,
        ordinal=ordinal,
        target=Target("alpha", "alpha-1"),
        kind=AttemptKind.FIRST,
        outcome=AttemptOutcome.OK,
        started_at=datetime(2026, 11, 20, tzinfo=UTC),
        duration=0.5,
        usage=Usage(10, 5),
        cost_usd=Decimal("0.001"),
        variant="exp_1/a",
    )
    return replace(made, **changes)


@pytest.mark.parametrize("page", [1, 2, 3, 100])
async def test_the_attempts_of_a_request_are_one_request_however_they_are_paged(database: Database, page: int) -> None:
    error = AttemptOutcome.ERROR
    await SqlUsageRepository(database).append(
        [
            attempt("r1", 1, outcome=error, usage=None, cost_usd=None),
            attempt("r1", 2, kind=AttemptKind.FALLBACK),
            attempt("r2", cost_usd=None),
            attempt("r3", outcome=error, usage=None, cost_usd=None),
            attempt("r4", outcome=AttemptOutcome.CANCELLED),
            attempt("r5", outcome=AttemptOutcome.CACHED),
            attempt("r6", decision_id="dec_1"),
            attempt("r7", variant="exp_1/b"),
            attempt("r8", variant=None),
        ]
    )

    found = [one async for some in SqlArmRecords(database, max(page, 2)).requests("exp_1/a") for one in some]

    assert found == [
        ArmRequest(True, 1.0, Decimal("0.001"), False),
        ArmRequest(True, 0.5, Decimal(0), True),
        ArmRequest(False, 0.5, Decimal(0), False),
    ]


async def test_only_the_votes_of_these_arms_are_scored_and_shadows_weigh_nothing(database: Database) -> None:
    decisions = SqlDecisionRepository(database)
    for number, variant in enumerate(("exp_1/a", "exp_1/b", "exp_10/a", None)):
        decision = filing(number)
        said = [vote("BUY"), vote("SELL", role="shadow", shadow=True, weight=0.0)]
        await decisions.append(decision, answered(decision, *said, variant=variant), asked())

    found = await SqlScores(database).scored(ScoreWindow(variants=("exp_1/a", "exp_1/b")))

    assert [one.variant for one in found] == ["exp_1/a"] * 2 + ["exp_1/b"] * 2
    assert [(one.vote.is_shadow, one.vote.weight) for one in found[:2]] == [(False, 1.0), (True, 0.0)]
