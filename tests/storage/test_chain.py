"""The chain holds exactly what was committed, in one order, whatever became of the others."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.abc
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Code, Conflict
from app.domain.idempotency import RequestKey, Reservation
from app.storage.audit import SqlAuditRepository
from app.storage.database import Database, DatabaseRules, open_database
from app.storage.decisions import SqlDecisionRepository
from tests.storage.auditing import Changes, decide, decision, entry, verify


async def _subjects(database: Database) -> list[tuple[int, str]]:
    found = await SqlAuditRepository(database).links(None, 1_000)
    return [(one.link.seq, one.link.subject) for one in found if one.link.kind != "start"]


async def test_a_decision_and_its_entry_are_stored_together(database: Database, url: str) -> None:
    await decide(database, 1)

    assert await _subjects(database) == [(2, "decision:dec-1")]
    assert (await verify(url)).ok


async def test_what_is_rolled_back_leaves_no_gap(database: Database, url: str) -> None:
    changes = Changes(database)
    await changes.make("agent:1")
    with pytest.raises(RuntimeError):
        await changes.fail("agent:2")
    await decide(database, 1)
    with pytest.raises(Conflict):
        await decide(database, 1)
    await changes.make("agent:3")

    assert await _subjects(database) == [(2, "agent:1"), (3, "decision:dec-1"), (4, "agent:3")]
    assert (await verify(url)).ok


async def test_sessions_that_write_at_once_take_places_one_after_the_other(database: Database, url: str) -> None:
    changes = Changes(database)

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(changes.make, f"agent:{number}", f"tool:{number}")

    subjects = await _subjects(database)
    assert [seq for seq, _ in subjects] == list(range(2, 42))
    assert len(set(subjects)) == 40
    assert (await verify(url)).ok


async def test_a_database_opened_twice_has_two_chains(database: Database, url: str) -> None:
    async with open_database(url) as another, anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(Changes(database).make, f"agent:{number}")
            group.start_soon(Changes(another).make, f"tool:{number}")

    verdict = await verify(url)
    assert (verdict.first_bad, verdict.chains, verdict.rows) == (None, 2, 22)


@pytest.mark.parametrize("is_stored", [True, False])
async def test_after_a_commit_that_was_cut_off_a_chain_is_begun_that_names_the_one_before(
    database: Database, url: str, *, is_stored: bool
) -> None:
    changes = Changes(database)
    await changes.make("agent:1")
    head = database.chain.head
    await database.write(lambda session: _cut_off(database, session, is_stored=is_stored))
    await changes.make("agent:3")

    found = await SqlAuditRepository(database).links(None, 100)
    begun = [one.link for one in found if one.link.kind == "start"]
    follows = [(await SqlAuditRepository(database).payload(link.chain, link.seq) or {})["follows"] for link in begun]
    assert head is not None
    assert sorted(follows, key=str) == sorted(
        [None, {"chain": head.chain, "seq": head.seq, "hash": head.hash}], key=str
    )
    assert ("agent:2" in {one.link.subject for one in found}) is is_stored
    assert (await verify(url)).ok


async def _cut_off(database: Database, session: AsyncSession, *, is_stored: bool) -> None:
    """A commit of which nobody hears whether it came to an end."""
    database.chain.append(session, entry("agent:2"))
    with pytest.raises(ConnectionError):
        async with database.chain.committing(session):
            await (session.commit() if is_stored else session.rollback())
            raise ConnectionError("cut off")


async def test_a_decision_whose_commit_nobody_waited_for_is_in_a_chain_that_is_whole(
    tmp_path: Path, migrated_file: Path
) -> None:
    url = f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'outcry.db')}"
    async with open_database(url, DatabaseRules(busy=1.0)) as database:
        await decide(database, 1)
        with closing(sqlite3.connect(tmp_path / "outcry.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with anyio.move_on_after(0.1) as gave_up:
                await decide(database, 2)
            other.execute("ROLLBACK")
        await decide(database, 3)

    verdict = await verify(url)
    assert gave_up.cancelled_caught
    assert (verdict.ok, verdict.chains) == (True, 2)


async def test_a_decision_whose_key_is_somebody_elses_leaves_no_gap(database: Database, url: str) -> None:
    held = replace(decision(2), reservation=Reservation(RequestKey("caller", "key", "0" * 64), "nobody"))
    await decide(database, 1)
    with pytest.raises(Conflict) as refused:
        await SqlDecisionRepository(database).append(held, {"id": "dec-2"}, {})
    await decide(database, 3)

    assert refused.value.code is Code.IDEMPOTENCY_UNKNOWN_OUTCOME
    assert await _subjects(database) == [(2, "decision:dec-1"), (3, "decision:dec-3")]
    assert (await verify(url)).ok


async def test_who_is_cancelled_while_he_waits_for_his_turn_holds_up_nobody(database: Database, url: str) -> None:
    changes = Changes(database)
    await changes.make("agent:1")

    async def hold(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with database.chain._turn:
            task_status.started()
            await is_over.wait()

    is_over = anyio.Event()
    async with anyio.create_task_group() as group:
        await group.start(hold)
        with anyio.move_on_after(0.05) as gave_up:
            await changes.make("agent:2")
        is_over.set()
    await changes.make("agent:3")

    assert gave_up.cancelled_caught
    assert await _subjects(database) == [(2, "agent:1"), (3, "agent:3")]
    assert (await verify(url)).ok


async def test_votes_that_came_late_are_an_entry_of_their_own(database: Database, url: str) -> None:
    await decide(database, 1)
    repository = SqlDecisionRepository(database)

    await repository.update("dec-1", {"id": "dec-1", "votes": ["late"]})
    await repository.update("dec-404", {"id": "dec-404"})

    kinds = [one.link.kind for one in await SqlAuditRepository(database).links(None, 10)]
    assert kinds == ["start", "decision", "late_votes"]
    assert (await verify(url)).ok


async def test_a_decision_that_is_handed_over_again_is_on_record_once(database: Database, url: str) -> None:
    repository = SqlDecisionRepository(database)
    await repository.append(decision(1), {"id": "dec-1"}, {})
    async with open_database(url) as another:
        with pytest.raises(Conflict):
            await SqlDecisionRepository(another).append(decision(1), {"id": "dec-1"}, {})

    assert await _subjects(database) == [(2, "decision:dec-1")]


@pytest.mark.parametrize("metadata", [{"n": 10**30}, {"t": "\ud800"}, {"t": "\x00", "f": 0.1}])
async def test_whatever_callers_send_along_can_be_put_on_record(
    database: Database, url: str, metadata: dict[str, object]
) -> None:
    await SqlDecisionRepository(database).append(decision(1), {"id": "dec-1"}, {"metadata": metadata})

    assert (await verify(url)).ok
