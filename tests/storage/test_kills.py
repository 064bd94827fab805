"""Stops on record: what is in force, and what was ever done."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.audit import Author
from app.storage.audit import SqlAuditRepository
from app.storage.database import Database
from app.storage.kills import SqlKillRepository
from app.storage.revision import current_revision

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def kills(database: Database) -> SqlKillRepository:
    ticks = itertools.count()
    return SqlKillRepository(database, lambda: NOON + timedelta(seconds=next(ticks)))


async def test_a_stop_is_there_until_it_is_resumed_and_keeps_its_beginning(kills: SqlKillRepository) -> None:
    await kills.kill("all", "first", Author("key1"))
    await kills.kill("all", "second", Author("key2"))
    await kills.kill("agent:7", "drawdown", Author("key1"))

    stopped = {kill.scope: kill for kill in await kills.everything()}
    assert set(stopped) == {"all", "agent:7"}
    assert (stopped["all"].reason, stopped["all"].since, stopped["all"].by) == ("second", NOON, "key1")

    await kills.resume("all", Author("key3"))
    await kills.resume("all", Author("key3"))
    assert [kill.scope for kill in await kills.everything()] == ["agent:7"]


async def test_everything_that_was_done_is_on_record_newest_first(kills: SqlKillRepository) -> None:
    await kills.kill("all", "first", Author("key1"))
    await kills.resume("model:a/b", Author("key2"))
    await kills.resume("all", Author("key2"))

    done = [(event.action.value, event.scope, event.reason, event.by) for event in await kills.history(10)]
    assert done == [("resume", "all", "first", "key2"), ("kill", "all", "first", "key1")]
    assert len(await kills.history(1)) == 1


async def test_each_change_counts_the_revision_up(kills: SqlKillRepository, database: Database) -> None:
    before = await database.read(current_revision)
    await kills.kill("all", "x", Author("key1"))
    await kills.resume("all", Author("key1"))
    assert await database.read(current_revision) == before + 2


async def test_a_stop_and_its_end_are_on_record_with_who_did_it(database: Database) -> None:
    kills = SqlKillRepository(database)
    await kills.kill("agent:7", "drawdown", Author("0a1b2c3d"))
    await kills.resume("agent:7", Author("4e5f6a7b"))
    await kills.resume("agent:8", Author("4e5f6a7b"))

    record = SqlAuditRepository(database)
    links = [found.link for found in await record.links(None, 10)][1:]
    payloads = [await record.payload(link.chain, link.seq) for link in links]
    assert [(link.subject, link.by) for link in links] == [("kill:agent:7", "0a1b2c3d"), ("kill:agent:7", "4e5f6a7b")]
    stop = {"scope": "agent:7", "reason": "drawdown"}
    assert payloads == [
        {"what": "kill", "before": None, "after": stop, "by": "0a1b2c3d", "request_id": None},
        {"what": "resume", "before": stop, "after": None, "by": "4e5f6a7b", "request_id": None},
    ]
