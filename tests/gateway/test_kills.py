"""The kill switch: what it stops, where, and what becomes of it without a database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.audit import Author
from app.domain.errors import Code, NotAdmitted, StorageUnavailable
from app.domain.kill import Kill
from app.domain.target import Target
from app.gateway.kills import KillSwitch
from tests.fakes_edge import FakeKills

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ALPHA, OTHER = Target("alpha", "alpha-1"), Target("beta", "alpha-1")


def switch(stored: FakeKills) -> KillSwitch:
    """A switch where `alpha` and `second` are of type openai."""
    return KillSwitch(stored, {"alpha": "openai", "second": "openai"}.get, lambda: NOON)


async def test_everything_stops_everybody_until_it_is_resumed() -> None:
    kills = switch(FakeKills())
    kills.check(None)
    await kills.kill("all", "flash crash", Author("key1"))
    for agent in (None, 7):
        with pytest.raises(NotAdmitted, match="all is stopped: flash crash") as stopped:
            kills.check(agent)
        assert stopped.value.code is Code.KILLED
    assert await kills.resume("all", Author("key1")) == []
    kills.check(7, ALPHA)
    assert kills.is_idle


async def test_an_agents_stop_is_its_own() -> None:
    kills = switch(FakeKills())
    await kills.kill("agent:7", "drawdown", Author("key1"))
    assert kills.of(7) is not None
    assert kills.of(8) is None
    assert kills.of(None) is None


@pytest.mark.parametrize("scope", ["model:alpha/alpha-1", "model:openai/alpha-1"])
async def test_a_model_is_stopped_at_its_provider_or_at_all_of_a_type(scope: str) -> None:
    kills = switch(FakeKills())
    await kills.kill(scope, "nonsense", Author("key1"))
    assert kills.of_target(ALPHA) is not None
    assert (kills.of_target(Target("second", "alpha-1")) is not None) is (scope == "model:openai/alpha-1")
    assert kills.of_target(OTHER) is None
    assert kills.of_target(Target("alpha", "alpha-2")) is None
    assert kills.of(None) is None


async def test_what_another_process_stopped_is_taken_over() -> None:
    stored = FakeKills()
    here, there = switch(stored), switch(stored)
    await there.kill("all", "by another", Author("key2"))
    assert here.is_idle
    await here.refresh()
    assert [kill.reason for kill in here.stopped()] == ["by another"]
    await there.resume("all", Author("key2"))
    await here.refresh()
    assert here.is_idle


async def test_without_the_database_a_stop_holds_here_and_says_that_it_is_not_stored() -> None:
    stored = FakeKills()
    kills = switch(stored)
    stored.error = StorageUnavailable("away")
    with pytest.raises(StorageUnavailable):
        await kills.kill("all", "now", Author("key1"))
    assert kills.of(None) is not None
    with pytest.raises(StorageUnavailable):
        await kills.resume("all", Author("key1"))
    assert kills.of(None) is not None
    stored.error = None
    await kills.refresh()
    assert kills.of(None) is not None
    await kills.resume("all", Author("key1"))
    assert kills.is_idle


async def test_a_second_stop_changes_the_reason_and_is_on_record() -> None:
    stored = FakeKills()
    kills = switch(stored)
    await kills.kill("all", "first", Author("key1"))
    stopped = await kills.kill("all", "second", Author("key2"))
    assert [kill.reason for kill in stopped] == ["second"]
    assert [event.reason for event in await kills.history(10)] == ["second", "first"]


class UnderWay:
    """Something that may be stopped, and by what it was."""

    def __init__(self, agent_id: int | None = None, target: Target | None = None) -> None:
        self.agent_id = agent_id
        self.target = target
        self.stopped_by: set[str] = set()

    def stop(self, kill: Kill) -> None:
        self.stopped_by.add(kill.scope)


async def test_what_is_under_way_is_stopped_with_its_agent_its_model_or_everything_and_nothing_else() -> None:
    kills = switch(FakeKills())
    agents, models, others = UnderWay(7), UnderWay(None, ALPHA), UnderWay(8, OTHER)
    for one in (agents, models, others):
        kills.enter(one)

    await kills.kill("agent:7", "drawdown", Author("key1"))
    await kills.kill("model:openai/alpha-1", "nonsense", Author("key1"))
    assert [one.stopped_by for one in (agents, models, others)] == [{"agent:7"}, {"model:openai/alpha-1"}, set()]

    kills.leave(others)
    await kills.kill("all", "flash crash", Author("key1"))
    assert others.stopped_by == set()


async def test_what_another_process_stopped_ends_what_is_under_way_here() -> None:
    stored = FakeKills()
    here, there = switch(stored), switch(stored)
    asked = UnderWay(None, ALPHA)
    here.enter(asked)

    await there.kill("all", "by another", Author("key2"))
    await here.refresh()

    assert asked.stopped_by == {"all"}


async def test_what_begins_under_a_stop_is_stopped_at_once() -> None:
    kills = switch(FakeKills())
    await kills.kill("all", "flash crash", Author("key1"))
    late = UnderWay()

    kills.enter(late)

    assert late.stopped_by == {"all"}
