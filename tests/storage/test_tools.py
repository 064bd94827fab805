"""Tools and their calls in the database: secrets are ciphertext, a call is stored once."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.domain.errors import Conflict
from app.domain.tools import ToolCallStatus, ToolFailure
from app.storage.database import Database
from app.storage.errors import WrongEncryptionKey
from app.storage.tool_calls import SqlToolCallRepository
from app.storage.tools import SqlToolRepository
from app.storage.vault import Vault
from tests.e2e.service import new_encryption_key
from tests.fakes_tools import THEN, called, tool

KEY = SecretStr(new_encryption_key())
HEADERS = {"authorization": SecretStr("Bearer canary-secret-4f2a")}


@pytest.fixture
def tools(database: Database) -> SqlToolRepository:
    return SqlToolRepository(database, Vault([KEY]), lambda: THEN)


async def test_a_tool_comes_back_as_it_was_stored(tools: SqlToolRepository) -> None:
    made = await tools.create(tool(headers=HEADERS, timeout=2.5))

    found = await tools.get("get_price")

    assert found == made
    assert found is not None
    assert found.headers["authorization"].get_secret_value() == "Bearer canary-secret-4f2a"
    assert (found.header_names, found.timeout, found.undecryptable) == (("authorization",), 2.5, False)


async def test_a_name_is_taken_once_and_free_again_after_a_delete(tools: SqlToolRepository) -> None:
    first = await tools.create(tool())
    with pytest.raises(Conflict):
        await tools.create(tool())

    assert await tools.delete("get_price")
    assert not await tools.delete("get_price")
    again = await tools.create(tool())

    assert again.id > first.id


async def test_tools_come_in_pages_in_their_order(tools: SqlToolRepository) -> None:
    for name in ("a", "b", "c"):
        await tools.create(tool(name))

    first = await tools.page(limit=2)
    rest = await tools.page(limit=2, after=first[-1].id)

    assert [one.name for one in (*first, *rest)] == ["a", "b", "c"]


async def test_every_change_counts_the_revision_up(tools: SqlToolRepository) -> None:
    before, _ = await tools.everything()
    await tools.create(tool())
    made, all_of_them = await tools.everything()
    await tools.delete("get_price")
    gone, none = await tools.everything()

    assert (made, gone) == (before + 1, before + 2)
    assert ([one.name for one in all_of_them], none) == (["get_price"], [])


async def test_a_secret_is_ciphertext_in_the_database(tools: SqlToolRepository, database: Database) -> None:
    await tools.create(tool(headers=HEADERS))

    rows = await database.read(lambda session: session.execute(text("SELECT * FROM tools")))

    assert "canary" not in str(rows.all())


@pytest.mark.parametrize(
    "theft", ["UPDATE tools SET url = 'https://evil.test/x'", "UPDATE tools SET name = 'get_other'"]
)
async def test_headers_open_for_no_other_tool_and_no_other_origin(
    tools: SqlToolRepository, database: Database, theft: str
) -> None:
    await tools.create(tool(headers=HEADERS))
    await database.write(lambda session: session.execute(text(theft)))

    _, [found] = await tools.everything()

    assert found.undecryptable
    assert (found.headers, found.header_names) == ({}, ("authorization",))


async def test_a_start_with_the_wrong_key_is_refused_once_headers_are_stored(
    tools: SqlToolRepository, database: Database
) -> None:
    await Vault([KEY]).verify_canary(database)
    await tools.create(tool(headers=HEADERS))

    with pytest.raises(WrongEncryptionKey):
        await Vault([]).verify_canary(database)


FULL = called(
    status=ToolCallStatus.FAILED,
    http_status=500,
    code=ToolFailure.ERROR,
    message="it \x00broke \ud800",
    bytes_out=20,
    bytes_in=3,
    agent_id=7,
    key_id="abcd",
)


async def test_a_call_is_stored_once_and_comes_back_whole(database: Database) -> None:
    calls = SqlToolCallRepository(database)

    await calls.append([FULL, called()])
    await calls.append([FULL])
    found, following = await calls.page("get_price", limit=10, cursor=None)

    assert (len(found), following) == (2, None)
    stored = next(one for one in found if one.id == FULL.id)
    for field in fields(stored):
        expected = "it broke ?" if field.name == "message" else getattr(FULL, field.name)
        assert getattr(stored, field.name) == expected, field.name


async def test_calls_come_newest_first_in_pages_and_one_tool_at_a_time(database: Database) -> None:
    calls = SqlToolCallRepository(database)
    mine = [called(call_id=f"c{n}", started_at=THEN + timedelta(seconds=n)) for n in range(3)]
    await calls.append([replace(one) for one in mine] + [called(tool="get_other")])

    first, cursor = await calls.page("get_price", limit=2, cursor=None)
    rest, end = await calls.page("get_price", limit=2, cursor=cursor)

    assert [one.call_id for one in (*first, *rest)] == ["c2", "c1", "c0"]
    assert end is None
