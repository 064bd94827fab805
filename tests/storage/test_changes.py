"""Whatever is changed is on record with who and what, in the transaction that changes it, and without any secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.agent import AgentConfig
from app.domain.audit import Author, Change, Kind
from app.domain.budget import Budget, Cap, Window
from app.domain.errors import Conflict, RequestRejected
from app.domain.payload import Part
from app.domain.tools import Tool
from app.ledger.sealing import Sealer
from app.storage.agents import SqlAgentRepository
from app.storage.budgets import SqlBudgetRepository
from app.storage.changes import SqlChangeRepository
from app.storage.database import Database, writes
from app.storage.decisions import SqlDecisionRepository
from app.storage.kills import SqlKillRepository
from app.storage.payloads import SqlPayloadRepository
from app.storage.settings import SqlSettingsRepository
from app.storage.tools import SqlToolRepository
from app.storage.vault import Vault
from tests.storage.auditing import decision, verify

BY = Author("0a1b2c3d", "req-1")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CANARY = "sk-canary-271828182845"
OTHER = "sk-canary-314159265358"
VAULT = Vault([SecretStr(Fernet.generate_key().decode())])


@pytest.fixture
def agents(database: Database) -> SqlAgentRepository:
    return SqlAgentRepository(database, VAULT, lambda: NOON)


async def changes(database: Database, **filters: Any) -> list[Change]:
    """What is on record, oldest first."""
    wanted: dict[str, Any] = {"limit": 100, "cursor": None, "subject": None, "kinds": [Kind.CHANGE, Kind.ERASURE]}
    found, _ = await SqlChangeRepository(database).page(**wanted | filters)
    return found[::-1]


def told(change: Change) -> tuple[str | None, Mapping[str, Any] | None, Mapping[str, Any] | None]:
    return change.what, change.before, change.after


def config(agent_id: int, **fields: Any) -> AgentConfig:
    made = AgentConfig(0, agent_id, "alpha", "alpha-1", cost_per_1k_input_tokens=Decimal("0.0010"))
    return replace(made, **fields)


async def test_an_agents_life_is_on_record_field_by_field(
    agents: SqlAgentRepository, database: Database, url: str
) -> None:
    made = await agents.create("momentum", None, {"desk": {"id": 3, "name": "crypto"}}, by=BY)
    await agents.update(made.id, {"enabled": False, "metadata": {"desk": {"id": 4, "name": "crypto"}}}, by=BY)
    await agents.delete(made.id, by=BY)

    found = await changes(database, subject=f"agent:{made.id}")

    fields = {
        "name": "momentum",
        "description": None,
        "metadata": {"desk": {"id": 3, "name": "crypto"}},
        "enabled": True,
    }
    assert [told(change) for change in found] == [
        ("agent_created", None, fields),
        (
            "agent_changed",
            {"enabled": True, "metadata": {"desk": {"id": 3}}},
            {"enabled": False, "metadata": {"desk": {"id": 4}}},
        ),
        ("agent_deleted", fields | {"enabled": False, "metadata": {"desk": {"id": 4, "name": "crypto"}}}, None),
    ]
    assert {(change.by, change.request_id) for change in found} == {("0a1b2c3d", "req-1")}
    assert (await verify(url)).ok


async def test_a_configurations_key_is_told_by_what_happened_to_it_and_by_its_hint(
    agents: SqlAgentRepository, database: Database
) -> None:
    agent = await agents.create("a", None, {})
    set_to = {"api_key": SecretStr(CANARY), "api_key_hint": "sk-…2845", "key_origin": "https://alpha"}
    first = await agents.save_config(config(agent.id, **set_to), by=BY)
    same_hint = await agents.save_config(replace(first, api_key=SecretStr(OTHER)), by=BY)
    other = await agents.save_config(replace(same_hint, temperature=0.2, api_key_hint="sk-…5358"), by=BY)
    bare = await agents.save_config(replace(other, api_key=None, api_key_hint=None, key_origin=None), by=BY)
    await agents.delete_config(agent.id, bare.id, by=BY)

    found = (await changes(database, subject=f"agent:{agent.id}"))[1:]

    number = {"llm_config": first.id}
    assert found[0].after is not None
    assert found[0].after["api_key"] == {"did": "set", "hint": "sk-…2845"}
    assert found[0].after["cost_per_1k_input_tokens"] == "0.0010"
    assert told(found[1]) == (
        "llm_config_changed",
        number,
        number | {"api_key": {"did": "replaced", "hint": "sk-…2845"}},
    )
    assert found[2].after == number | {"temperature": 0.2, "api_key": {"hint": "sk-…5358"}}
    assert told(found[3])[1:] == (number | {"api_key": {"hint": "sk-…5358"}}, number | {"api_key": {"did": "removed"}})
    assert found[4].what == "llm_config_deleted"
    assert found[4].after is None


async def test_a_deleted_agent_takes_its_configurations_along_and_says_so(
    agents: SqlAgentRepository, database: Database
) -> None:
    agent = await agents.create("a", None, {})
    await agents.save_config(config(agent.id))
    await agents.delete(agent.id, by=BY)

    assert [change.what for change in await changes(database)][-2:] == ["llm_config_deleted", "agent_deleted"]


async def test_what_changes_nothing_is_not_on_record(agents: SqlAgentRepository, database: Database) -> None:
    settings, kills = SqlSettingsRepository(database), SqlKillRepository(database)
    agent = await agents.create("a", None, {"n": 1})
    kept = await agents.save_config(config(agent.id, api_key=SecretStr(CANARY), api_key_hint="sk-…"))
    await settings.put("failover_strategy", {"strategy": "cost_aware", "over": "priority"})
    await kills.kill("all", "drill", BY)
    before = await changes(database)

    await agents.update(agent.id, {"name": "a", "metadata": {"n": 1}}, by=BY)
    await agents.save_config(kept, by=BY)
    await agents.delete_config(agent.id, 999, by=BY)
    await settings.put("failover_strategy", {"strategy": "cost_aware", "over": "priority"}, by=BY)
    await settings.remove("nothing", by=BY)
    await kills.kill("all", "drill", BY)
    await kills.resume("agent:8", BY)

    assert await changes(database) == before
    assert [change.what for change in before] == ["agent_created", "llm_config_created", "setting", "kill"]


async def test_a_tools_headers_are_names_and_its_address_has_no_query(database: Database) -> None:
    tools = SqlToolRepository(database, VAULT, lambda: NOON)
    url = f"https://user:{CANARY}@prices.example:8443/v1?token={CANARY}"
    tool = Tool(0, "get_price", "a price", {"type": "object"}, url, headers={"authorization": SecretStr(CANARY)})
    await tools.create(tool, by=BY)
    await tools.delete("get_price", by=BY)

    created, deleted = await changes(database, subject="tool:get_price")

    assert created.after is not None
    assert (created.what, created.after["url"]) == ("tool_created", "https://prices.example:8443/v1?…")
    assert created.after["header_names"] == ["authorization"]
    assert told(deleted) == ("tool_deleted", created.after, None)


async def test_the_strategy_and_stops_are_on_record(database: Database) -> None:
    settings, kills = SqlSettingsRepository(database), SqlKillRepository(database)
    await settings.put("failover_strategy", {"strategy": "cost_aware", "over": "priority"}, by=BY)
    await settings.put("failover_strategy", {"strategy": "adaptive", "over": "priority"}, by=BY)
    await settings.remove("failover_strategy", by=BY)
    await kills.kill("agent:7", "drawdown", BY)
    await kills.resume("agent:7", BY)

    assert [told(change) for change in await changes(database)] == [
        ("setting", None, {"strategy": "cost_aware", "over": "priority"}),
        ("setting", {"strategy": "cost_aware"}, {"strategy": "adaptive"}),
        ("setting", {"strategy": "adaptive", "over": "priority"}, None),
        ("kill", None, {"scope": "agent:7", "reason": "drawdown"}),
        ("resume", {"scope": "agent:7", "reason": "drawdown"}, None),
    ]


async def test_an_erasure_is_on_record_with_the_hashes_that_stay(database: Database, url: str) -> None:
    sealer, payloads = Sealer(), SqlPayloadRepository(database)
    kept = [sealer.sealed("dec-1", part, {"said": CANARY}, NOON) for part in (Part.ANSWER, Part.DOSSIER)]
    await SqlDecisionRepository(database).append(decision(1), {"id": "dec-1"}, {}, kept)
    for _ in range(2):
        await payloads.erase("dec-1", by=BY, reason="asked for", at=NOON)

    (erased,) = await changes(database, kinds=[Kind.ERASURE])

    assert (erased.what, erased.by, erased.reason) == ("words_erased", "0a1b2c3d", "asked for")
    assert erased.before == {payload.part.value: payload.sha256 for payload in kept}
    assert (await verify(url)).ok


async def test_a_change_that_is_rolled_back_leaves_no_entry(agents: SqlAgentRepository, database: Database) -> None:
    agent = await agents.create("a", None, {})
    stored = await agents.save_config(config(agent.id))
    await agents.save_config(replace(stored, temperature=0.5))
    before = await changes(database)

    with pytest.raises(Conflict):
        await agents.save_config(replace(stored, temperature=0.9), by=BY)
    with pytest.raises(RuntimeError):
        await _Breaking(database).break_down(agents)

    assert await changes(database) == before


class _Breaking:
    """A transaction that changes something and comes to nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    async def break_down(self, session: AsyncSession, agents: SqlAgentRepository) -> None:
        await SqlAgentRepository.create.__wrapped__(agents, session, "b", None, {}, by=BY)  # type: ignore[attr-defined]
        raise RuntimeError("after the change")


async def test_no_secret_is_in_any_entry(agents: SqlAgentRepository, database: Database) -> None:
    agent = await agents.create("a", None, {})
    kept = await agents.save_config(config(agent.id, api_key=SecretStr(CANARY), api_key_hint="sk-…2845"))
    await agents.save_config(replace(kept, api_key=SecretStr(OTHER), api_key_hint="sk-…5358"))
    tools = SqlToolRepository(database, VAULT, lambda: NOON)
    tool = Tool(0, "t", "d", {}, f"https://x.example/?k={CANARY}", headers={"x-key": SecretStr(CANARY)})
    await tools.create(tool)
    await tools.delete("t")
    await agents.delete(agent.id)

    assert not await _found_in_record(database, "canary")
    assert await _found_in_record(database, "2845")


async def _found_in_record(database: Database, needle: str) -> bool:
    async def work(session: AsyncSession) -> bool:
        rows = [
            *await session.execute(text("SELECT subject, kind, body FROM audit_entries NATURAL JOIN audit_payloads"))
        ]
        return any(needle in str(cell) for row in rows for cell in row)

    return await database.read(work)


async def test_pages_follow_each_other_and_a_foreign_cursor_is_refused(
    agents: SqlAgentRepository, database: Database
) -> None:
    names = [(await agents.create(f"a{number}", None, {})).name for number in range(5)]
    repository = SqlChangeRepository(database)
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page, cursor = await repository.page(limit=2, cursor=cursor, subject=None, kinds=[Kind.CHANGE])
        seen += [change.after["name"] for change in page if change.after is not None]

    assert (seen, cursor) == (names[::-1], None)
    with pytest.raises(RequestRejected):
        await repository.page(limit=2, cursor="nonsense", subject=None, kinds=[Kind.CHANGE])


async def test_what_is_found_is_noted_once_by_whoever_finds_it_first(database: Database, url: str) -> None:
    repository = SqlChangeRepository(database)
    first = {"alpha": {"type": "openai", "rpm": 60}, "beta": {"type": "groq"}}
    second = {"alpha": {"type": "openai", "rpm": 90}, "gamma": {"type": "xai"}}

    noted = [await repository.note("configuration:providers", found, by=BY) for found in (first, first, second, second)]

    assert noted == [True, False, True, False]
    _, changed = await changes(database)
    assert told(changed) == (
        "found",
        {"alpha": {"rpm": 60}, "beta": {"type": "groq"}},
        {"alpha": {"rpm": 90}, "gamma": {"type": "xai"}},
    )
    assert not await repository.note("configuration:keys", {}, by=BY)
    assert (await verify(url)).ok


async def test_budgets_are_on_record_by_scope_and_window(database: Database) -> None:
    budgets = SqlBudgetRepository(database, lambda: NOON)
    ends = NOON + timedelta(hours=12)
    first = Budget("a" * 32, "agent:7", Window.DAY, Cap(Decimal("25.00"), None))
    await budgets.put(first, NOON, ends, BY)
    await budgets.put(first, NOON, ends, BY)
    await budgets.put(replace(first, cap=Cap(Decimal("30.00"), None)), NOON, ends, BY)
    await budgets.remove("agent:7", None, BY)

    set_to, raised, gone = await changes(database, subject="budget:agent:7")

    assert set_to.after is not None
    assert set_to.after["day"]["cap"] == {"cost_usd": "25.00", "tokens": None}
    assert (raised.before, raised.after) == (
        {"day": {"cap": {"cost_usd": "25.00"}}},
        {"day": {"cap": {"cost_usd": "30.00"}}},
    )
    assert (gone.after, gone.by, gone.request_id) == (None, "0a1b2c3d", "req-1")
