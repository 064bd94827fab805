"""Outcomes on record: versions, grades of every vote, late votes included, and what scores are made of."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.decision import Action, VoteStatus
from app.domain.errors import NotFound, RequestRejected
from app.domain.outcome import HorizonState, Outcome, OutcomeKind, ScoreWindow
from app.outcomes.grading import measured
from app.storage.database import Database
from app.storage.decisions import SqlDecisionRepository
from app.storage.outcomes import SqlOutcomeRepository
from app.storage.scores import SqlScores
from tests.storage.decided import NOON, answered, asked, filing, vote

LATER = NOON + timedelta(hours=4)
FILL = Outcome("fill-1", "dec-1", OutcomeKind.REALIZED, LATER, exit_price=110.0)


@pytest.fixture
def decisions(database: Database) -> SqlDecisionRepository:
    return SqlDecisionRepository(database)


@pytest.fixture
def outcomes(database: Database) -> SqlOutcomeRepository:
    return SqlOutcomeRepository(database, lambda: datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def scores(database: Database) -> SqlScores:
    return SqlScores(database, page=2)


async def kept(decisions: SqlDecisionRepository, *votes: dict[str, Any], number: int = 1, **fields: Any) -> None:
    decision = filing(number, **fields.pop("filing", {}))
    await decisions.append(decision, answered(decision, *votes, **fields), asked())


def right(graded: Any) -> list[bool | None]:
    return [grade.correct for grade in graded.grades]


async def test_every_vote_is_graded_and_an_abstention_is_not(
    decisions: SqlDecisionRepository, outcomes: SqlOutcomeRepository
) -> None:
    await kept(decisions, vote("BUY"), vote("SELL"), vote("HOLD"), vote(None, "timeout: too late"))

    graded = await outcomes.record(FILL, measured, agent_id=None)

    assert right(graded) == [True, False, False, None]
    assert graded.measured is not None
    assert graded.measured.forward_return == pytest.approx(0.1)
    assert graded.measured.threshold == 0.25 * 2.0 / 100
    assert graded.is_new
    found = await outcomes.of("dec-1", None)
    assert found is not None
    assert found[0] == [replace(graded, is_new=False, is_changed=False)]


async def test_the_same_body_changes_nothing_and_another_is_the_next_version(
    decisions: SqlDecisionRepository, outcomes: SqlOutcomeRepository
) -> None:
    await kept(decisions, vote("BUY"))

    first = await outcomes.record(FILL, measured, agent_id=None)
    again = await outcomes.record(FILL, measured, agent_id=None)
    other = await outcomes.record(replace(FILL, exit_price=90.0), measured, agent_id=None)
    back = await outcomes.record(FILL, measured, agent_id=None)

    assert [one.outcome.version for one in (first, again, other, back)] == [1, 1, 2, 3]
    assert [one.is_changed for one in (first, again, other, back)] == [True, False, True, True]
    assert [one.is_new for one in (first, again, other, back)] == [True, False, False, False]
    assert [right(one) for one in (first, again, other, back)] == [[True], [True], [False], [True]]


async def test_the_same_outcome_from_many_at_once_is_one(
    decisions: SqlDecisionRepository, outcomes: SqlOutcomeRepository
) -> None:
    await kept(decisions, vote("BUY"))

    graded = await asyncio.gather(*(outcomes.record(FILL, measured, agent_id=None) for _ in range(4)))

    assert [one.outcome.version for one in graded] == [1] * 4
    assert sum(one.is_new for one in graded) == 1


async def test_an_outcome_that_cannot_be_measured_leaves_nothing(
    decisions: SqlDecisionRepository, outcomes: SqlOutcomeRepository
) -> None:
    await kept(decisions, vote("BUY"))

    with pytest.raises(RequestRejected):
        await outcomes.record(replace(FILL, exit_price=None), measured, agent_id=None)

    found = await outcomes.of("dec-1", None)
    assert found is not None
    assert found[0] == []
    assert found[1].state is HorizonState.WAITING


async def test_unknown_and_foreign_decisions_are_not_there(
    decisions: SqlDecisionRepository, outcomes: SqlOutcomeRepository
) -> None:
    await kept(decisions, vote("BUY"), filing={"agent_id": 7})

    for decision_id, agent_id in (("dec-404", None), ("\x00", None), ("dec-1", 8)):
        with pytest.raises(NotFound):
            await outcomes.record(replace(FILL, decision_id=decision_id), measured, agent_id=agent_id)
        assert await outcomes.of(decision_id, agent_id) is None
    assert (await outcomes.record(FILL, measured, agent_id=7)).is_new


async def test_a_vote_that_came_after_the_outcome_is_graded_by_it(
    decisions: SqlDecisionRepository, outcomes: SqlOutcomeRepository, scores: SqlScores
) -> None:
    decision = filing(1)
    await decisions.append(decision, answered(decision, vote("BUY"), vote(None, None, status="pending")), asked())
    await outcomes.record(FILL, measured, agent_id=None)

    await decisions.update("dec-1", answered(decision, vote("BUY"), vote("SELL")))

    scored = await scores.scored(ScoreWindow())
    assert [(one.vote.status, one.correct) for one in scored] == [(VoteStatus.OK, True), (VoteStatus.OK, False)]
    found = await outcomes.of("dec-1", None)
    assert found is not None
    assert right(found[0][0]) == [True, False]


async def test_a_score_is_by_the_realized_outcome_then_by_the_last_observed(
    decisions: SqlDecisionRepository, outcomes: SqlOutcomeRepository, scores: SqlScores
) -> None:
    await kept(decisions, vote("BUY"))
    forward = replace(FILL, id="later", kind=OutcomeKind.FORWARD_RETURN, forward_return=-0.2)
    told = []
    for one in (
        forward,
        replace(forward, id="latest", observed_at=LATER + timedelta(hours=1), forward_return=0.3),
        replace(forward, id="middle", observed_at=LATER + timedelta(minutes=1), forward_return=-0.4),
        FILL,
        replace(FILL, kind=OutcomeKind.REJECTED),
    ):
        await outcomes.record(one, measured, agent_id=None)
        told += [vote.forward_return for vote in await scores.scored(ScoreWindow())]

    assert told == [-0.2, 0.3, 0.3, pytest.approx(0.1), 0.3]


async def test_scores_have_every_vote_of_the_window_and_none_that_was_replayed(
    decisions: SqlDecisionRepository, outcomes: SqlOutcomeRepository, scores: SqlScores
) -> None:
    for number in range(1, 6):
        await kept(decisions, vote("BUY", weight=0.5), vote(None, "error: down"), number=number)
    await kept(decisions, vote("SELL"), number=6, replayed=True)
    await kept(decisions, vote("SELL"), number=7, filing={"symbol": "ETH/USDT", "agent_id": 3})
    await outcomes.record(replace(FILL, decision_id="dec-2"), measured, agent_id=None)
    await outcomes.record(replace(FILL, decision_id="dec-6"), measured, agent_id=None)

    everything = await scores.scored(ScoreWindow())
    assert [one.vote.decision_id for one in everything] == [f"dec-{n}" for n in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 7)]
    assert [one.correct for one in everything if one.is_graded] == [True]
    first, second = everything[:2]
    assert (first.consensus, first.method, first.symbol, first.vote.weight) == (Action.BUY, "majority", "BTC/USDT", 0.5)
    assert (second.vote.status, second.vote.action, second.vote.reason) == (VoteStatus.TIMEOUT, None, "error")
    some = await scores.scored(ScoreWindow(since=filing(2).created_at, until=filing(4).created_at, symbol="BTCUSDT"))
    assert {one.vote.decision_id for one in some} == {"dec-2", "dec-3"}
    assert [one.vote.number for one in await scores.scored(ScoreWindow(agent_id=3))] == [1]
    assert await scores.scored(ScoreWindow(symbol="BTC/EUR")) == []


async def test_a_risk_officer_is_no_voter(decisions: SqlDecisionRepository, scores: SqlScores) -> None:
    await kept(decisions, vote("SELL", role="risk_officer"), vote("BUY"))

    assert [one.vote.number for one in await scores.scored(ScoreWindow())] == [2]
