"""Idempotency keys: one holder at a time, and a decision that is committed together with its key."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.decision import Action, Consensus, Decision, DecisionStatus, SettledReason
from app.domain.errors import Code, Conflict
from app.domain.idempotency import Claim, RequestKey, Reservation, Standing, Term
from app.storage.database import Database
from app.storage.decisions import SqlDecisionRepository
from app.storage.idempotency import SqlIdempotencyRepository

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE, DAY = timedelta(seconds=5), timedelta(days=1)


@pytest.fixture
def keys(database: Database) -> SqlIdempotencyRepository:
    return SqlIdempotencyRepository(database)


@pytest.fixture
def decisions(database: Database) -> SqlDecisionRepository:
    return SqlDecisionRepository(database)


def held(owner: str, *, caller: str = "local", key: str = "k", body: str = "b" * 64) -> Reservation:
    return Reservation(RequestKey(caller, key, body), owner)


def at(seconds: float = 0.0) -> Term:
    now = NOON + timedelta(seconds=seconds)
    return Term(now, now + LEASE, now + DAY)


async def store(decisions: SqlDecisionRepository, by: Reservation, name: str = "dec-1") -> dict[str, Any]:
    consensus = Consensus("majority", 1.0, 1.0, 1, SettledReason.ALL_VOTED, 0.3)
    decision = Decision(name, "BTC", DecisionStatus.DECIDED, Action.BUY, True, consensus, (), NOON, reservation=by)
    answer = {"id": name, "confidence": 0.1 + 0.2}
    await decisions.append(decision, answer, {})
    return answer


async def test_of_many_who_come_at_once_one_takes_the_key(keys: SqlIdempotencyRepository) -> None:
    claims = await asyncio.gather(*(keys.claim(held(f"o{n}"), at()) for n in range(20)))

    assert [claim.standing for claim in claims].count(Standing.TAKEN) == 1
    assert {claim.standing for claim in claims} == {Standing.TAKEN, Standing.IN_PROGRESS}
    assert len({claim.owner for claim in claims if claim.owner}) == 1


async def test_keys_of_two_callers_are_two_keys(keys: SqlIdempotencyRepository) -> None:
    assert (await keys.claim(held("o1", caller="a"), at())).standing is Standing.TAKEN
    assert (await keys.claim(held("o2", caller="b"), at())).standing is Standing.TAKEN


async def test_a_stored_decision_answers_for_a_day(
    keys: SqlIdempotencyRepository, decisions: SqlDecisionRepository
) -> None:
    await keys.claim(held("o1"), at())
    answer = await store(decisions, held("o1"))

    assert await keys.claim(held("o2"), at(86_399)) == Claim(Standing.STORED, answer)
    assert (await keys.claim(held("o2", body="c" * 64), at(60))).standing is Standing.MISMATCH
    assert (await keys.claim(held("o3"), at(86_400))).standing is Standing.TAKEN


async def test_of_many_who_reopen_a_decisions_key_one_takes_it_and_the_decision_stays(
    keys: SqlIdempotencyRepository, decisions: SqlDecisionRepository
) -> None:
    await keys.claim(held("o1"), at())
    answer = await store(decisions, held("o1"))

    assert not await keys.reopen(held("o2"), "dec-other", at(60))
    taken = await asyncio.gather(*(keys.reopen(held(f"p{n}"), "dec-1", at(60)) for n in range(5)))

    assert taken.count(True) == 1
    assert (await keys.claim(held("o3"), at(61))).standing is Standing.IN_PROGRESS
    assert await decisions.get("dec-1") == answer


async def test_a_holder_that_is_gone_is_told_once_and_then_the_key_is_free(keys: SqlIdempotencyRepository) -> None:
    await keys.claim(held("o1"), at())

    assert (await keys.claim(held("o2"), at(4.9))).standing is Standing.IN_PROGRESS
    assert (await keys.claim(held("o2"), at(5.0))).standing is Standing.UNKNOWN
    assert (await keys.claim(held("o3"), at(5.1))).standing is Standing.TAKEN


async def test_a_renewed_lease_holds(keys: SqlIdempotencyRepository) -> None:
    await keys.claim(held("o1"), at())
    await keys.renew(["o1", "o9"], NOON + timedelta(seconds=9))

    assert (await keys.claim(held("o2"), at(8))).standing is Standing.IN_PROGRESS
    assert not await keys.give_up(held("o1"), NOON + timedelta(seconds=8))
    assert await keys.give_up(held("o1"), NOON + timedelta(seconds=9))
    assert not await keys.give_up(held("o2"), NOON + timedelta(seconds=9))


async def test_who_lost_the_key_to_another_cannot_store_a_second_decision(
    keys: SqlIdempotencyRepository, decisions: SqlDecisionRepository
) -> None:
    await keys.claim(held("slow"), at())
    await keys.claim(held("x"), at(6))
    await keys.claim(held("quick"), at(6))

    with pytest.raises(Conflict) as refused:
        await store(decisions, held("slow"), "dec-slow")
    answer = await store(decisions, held("quick"), "dec-quick")

    assert refused.value.code is Code.IDEMPOTENCY_UNKNOWN_OUTCOME
    assert await decisions.get("dec-slow") is None
    assert (await keys.claim(held("y"), at(7))).answer == answer


async def test_who_was_only_believed_to_be_gone_stores_and_is_told_from_then_on(
    keys: SqlIdempotencyRepository, decisions: SqlDecisionRepository
) -> None:
    await keys.claim(held("slow"), at())
    await keys.claim(held("x"), at(6))

    answer = await store(decisions, held("slow"))

    assert await keys.claim(held("y"), at(7)) == Claim(Standing.STORED, answer)


async def test_a_key_is_given_back_only_by_its_holder_and_only_without_a_decision(
    keys: SqlIdempotencyRepository, decisions: SqlDecisionRepository
) -> None:
    await keys.claim(held("o1"), at())
    await keys.release(held("o2"))
    holding = await keys.look(held("o1").key)
    assert holding is not None
    assert (holding.owner, holding.is_decided, holding.leased_until) == ("o1", False, NOON + LEASE)

    await keys.release(held("o1"))
    assert await keys.look(held("o1").key) is None

    await keys.claim(held("o3"), at())
    await store(decisions, held("o3"))
    await keys.release(held("o3"))
    assert (await keys.claim(held("o4"), at())).standing is Standing.STORED


async def test_what_has_expired_is_deleted_in_slices(keys: SqlIdempotencyRepository) -> None:
    for number in range(3):
        await keys.claim(held(f"o{number}", key=f"k{number}"), at(number))

    assert await keys.forget(NOON + DAY + timedelta(seconds=1), 1) == 1
    assert await keys.forget(NOON + DAY + timedelta(seconds=1), 5) == 1
    assert await keys.look(held("o2", key="k2").key) is not None
