"""Agents and configurations: what goes in comes out, changes are counted, lost updates are refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from app.domain.agent import AgentConfig
from app.domain.errors import Code, Conflict, NotFound, StorageUnavailable
from app.storage.agents import SqlAgentRepository
from app.storage.database import Database
from app.storage.vault import Vault

KEY = Fernet.generate_key().decode()
NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def repository(database: Database) -> SqlAgentRepository:
    return SqlAgentRepository(database, Vault([SecretStr(KEY)]), lambda: NOON)


async def test_an_agent_comes_back_as_it_was_made(repository: SqlAgentRepository) -> None:
    made = await repository.create("Momentum", "rides trends", {"desk": {"id": 3, "ключ": "значение"}})

    assert await repository.get(made.id) == made
    assert (made.created_at, made.created_at.tzinfo, made.enabled) == (NOON, UTC, True)


async def test_the_id_of_a_deleted_agent_never_comes_back(repository: SqlAgentRepository) -> None:
    gone = await repository.create("gone", None, {})
    await repository.delete(gone.id)

    assert (await repository.create("new", None, {})).id > gone.id


async def test_a_moment_of_another_zone_comes_back_in_utc(database: Database) -> None:
    from datetime import timezone

    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    repository = SqlAgentRepository(database, Vault([]), lambda: tokyo)

    found = await repository.get((await repository.create("a", None, {})).id)

    assert found is not None
    assert found.created_at == NOON
    assert found.created_at.utcoffset() == timedelta(0)


async def test_a_configuration_comes_back_to_the_last_digit(repository: SqlAgentRepository) -> None:
    agent = await repository.create("a", None, {})
    config = AgentConfig(
        0,
        agent.id,
        "alpha",
        "alpha-1",
        temperature=0.7,
        max_tokens=500,
        top_p=0.9,
        api_key=SecretStr("sk-secret-4f2a"),
        api_key_hint="sk-…4f2a",
        key_origin="https://a.test",
        fallback_provider="beta",
        fallback_model="beta-1",
        priority=-3,
        cost_per_1k_input_tokens=Decimal("0.000000150000000000000001"),
        cost_per_1k_output_tokens=Decimal("123456789012345678.10"),
        metadata={"a": [1, 2.5, None]},
    )

    saved = await repository.save_config(config)

    assert await repository.configs(agent.id) == [saved]
    assert saved == replace(config, id=saved.id, created_at=NOON, updated_at=NOON)


async def test_configurations_go_with_their_agent(repository: SqlAgentRepository) -> None:
    agent = await repository.create("a", None, {})
    await repository.save_config(AgentConfig(0, agent.id, "alpha", "alpha-1"))

    assert await repository.delete(agent.id)

    assert (await repository.everything())[1:] == ([], [])


async def test_every_change_counts_the_revision_up_and_no_other_call_does(repository: SqlAgentRepository) -> None:
    revisions = [await repository.revision()]
    agent = await repository.create("a", None, {})
    revisions.append(await repository.revision())
    await repository.update(agent.id, {"name": "b"})
    revisions.append(await repository.revision())
    config = await repository.save_config(AgentConfig(0, agent.id, "alpha", "alpha-1"))
    revisions.append(await repository.revision())
    await repository.delete_config(agent.id, config.id)
    revisions.append(await repository.revision())
    await repository.delete(agent.id)
    revisions.append(await repository.revision())
    await repository.delete(agent.id)
    await repository.update(agent.id, {"name": "c"})
    await repository.delete_config(agent.id, config.id)
    revisions.append(await repository.revision())

    assert revisions == [0, 1, 2, 3, 4, 5, 5]


async def test_a_configuration_that_changed_since_it_was_read_is_not_overwritten(
    repository: SqlAgentRepository,
) -> None:
    agent = await repository.create("a", None, {})
    read = await repository.save_config(AgentConfig(0, agent.id, "alpha", "alpha-1"))
    await repository.save_config(replace(read, priority=5))

    with pytest.raises(Conflict):
        await repository.save_config(replace(read, priority=7))


async def test_a_configuration_of_another_agent_is_not_found(repository: SqlAgentRepository) -> None:
    mine, theirs = await repository.create("a", None, {}), await repository.create("b", None, {})
    config = await repository.save_config(AgentConfig(0, mine.id, "alpha", "alpha-1"))

    with pytest.raises(NotFound):
        await repository.save_config(replace(config, agent_id=theirs.id))
    assert not await repository.delete_config(theirs.id, config.id)


async def test_a_configuration_for_an_agent_that_is_gone_is_not_found(repository: SqlAgentRepository) -> None:
    with pytest.raises(NotFound) as raised:
        await repository.save_config(AgentConfig(0, 404, "alpha", "alpha-1"))

    assert raised.value.code is Code.UNKNOWN_AGENT


@pytest.mark.parametrize("agent_id", [0, -1, 2**31, 2**63, 10**30])
async def test_a_number_beyond_any_id_is_nobody(repository: SqlAgentRepository, agent_id: int) -> None:
    assert await repository.get(agent_id) is None
    assert await repository.configs(agent_id) == []
    assert not await repository.delete(agent_id)
    assert not await repository.delete_config(agent_id, agent_id)
    assert await repository.update(agent_id, {"name": "x"}) is None


async def test_pages_follow_each_other(repository: SqlAgentRepository) -> None:
    ids = [(await repository.create(str(number), None, {})).id for number in range(5)]

    first = await repository.page(limit=3)
    second = await repository.page(limit=3, after=first[-1].id)

    assert [agent.id for agent in first + second] == ids


async def test_an_unreadable_key_stays_when_something_else_changes(database: Database) -> None:
    written = SqlAgentRepository(database, Vault([SecretStr(KEY)]))
    agent = await written.create("a", None, {})
    await written.save_config(AgentConfig(0, agent.id, "alpha", "alpha-1", api_key=SecretStr("sk-secret-4f2a")))
    blind = SqlAgentRepository(database, Vault([]))

    (unreadable,) = await blind.configs(agent.id)
    await blind.save_config(replace(unreadable, priority=9))

    assert unreadable.undecryptable
    (config,) = await written.configs(agent.id)
    assert (config.priority, config.api_key) == (9, SecretStr("sk-secret-4f2a"))


async def test_without_encryption_keys_only_a_key_is_refused(database: Database) -> None:
    repository = SqlAgentRepository(database, Vault([]))
    agent = await repository.create("a", None, {})

    with pytest.raises(StorageUnavailable, match="ENCRYPTION_KEYS"):
        await repository.save_config(AgentConfig(0, agent.id, "alpha", "a", api_key=SecretStr("sk-secret-4f2a")))

    assert (await repository.save_config(AgentConfig(0, agent.id, "alpha", "a"))).id > 0
