"""The directory: a snapshot in memory, in the order in which configurations are tried."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from app.agents.directory import AgentDirectory, in_tried_order
from app.domain.agent import Agent, AgentConfig
from app.domain.errors import StorageUnavailable

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
AGENT = Agent(7, "desk", None, {}, True, NOON, NOON)


def _config(number: int, **fields: object) -> AgentConfig:
    return AgentConfig(number, 7, "alpha", f"alpha-{number}", **fields)  # type: ignore[arg-type]


def test_lower_priority_comes_first_then_the_oldest_and_the_disabled_last() -> None:
    configs = [_config(1, priority=5), _config(2, enabled=False, priority=-9), _config(3), _config(4)]

    assert [config.id for config in in_tried_order(configs)] == [3, 4, 1, 2]


def test_an_entry_has_the_enabled_configurations_and_the_first_is_primary() -> None:
    directory = AgentDirectory()

    directory.load(1, [AGENT], [_config(1, priority=5), _config(2, enabled=False), _config(3)])

    entry = directory.get(7)
    assert entry is not None
    assert [config.id for config in entry.configs] == [3, 1]
    assert entry.primary == _config(3)


def test_before_the_first_snapshot_an_agent_may_exist_and_is_not_denied() -> None:
    directory = AgentDirectory()

    assert not directory.is_loaded
    with pytest.raises(StorageUnavailable):
        directory.get(7)


def test_a_snapshot_that_arrives_late_does_not_undo_a_newer_one() -> None:
    directory = AgentDirectory()
    directory.load(5, [AGENT], [])

    directory.load(4, [], [])

    assert directory.get(7) is not None
    assert directory.revision == 5


def test_an_agent_that_is_gone_from_the_snapshot_is_gone() -> None:
    directory = AgentDirectory()
    directory.load(1, [AGENT], [_config(1)])

    directory.load(2, [], [])

    assert directory.get(7) is None


def test_unreadable_keys_are_counted() -> None:
    directory = AgentDirectory()

    directory.load(1, [AGENT], [_config(1, undecryptable=True), _config(2, api_key=SecretStr("k"))])

    assert directory.undecryptable == 1
