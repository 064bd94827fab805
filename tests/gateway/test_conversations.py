"""Conversations over attempts: who answered last is asked again, until it fails or the talk is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import FailureKind, ProviderError
from app.domain.routing import PolicyName
from app.domain.target import Target
from app.gateway.conversations import IDLE_SECONDS, MOST, Conversations
from tests.fakes import FakeClock, ScriptedAdapter
from tests.gateway.conftest import House, ask, house

DOWN = ProviderError(FailureKind.SERVER_ERROR, "down")
TALK = "0" * 32


async def answered(way: House, **changes: Any) -> str:
    done = await way.gateway.complete(ask(way, **{"conversation": TALK, **changes}))
    return done.target.provider


async def test_after_a_fallback_the_conversation_stays_where_it_was_answered() -> None:
    way = house(alpha=ScriptedAdapter(DOWN, "buy", "buy"), beta=ScriptedAdapter("sell"))

    assert [await answered(way) for _ in range(3)] == ["beta"] * 3
    assert await answered(way, conversation=None) == "alpha"
    assert await answered(way, conversation="1" * 32) == "alpha"


async def test_when_the_one_that_answered_fails_the_conversation_moves_and_stays_there() -> None:
    way = house(alpha=ScriptedAdapter("buy"), beta=ScriptedAdapter("sell", DOWN, "sell"))
    assert await answered(way, model="beta/beta-1") == "beta"

    assert [await answered(way) for _ in range(2)] == ["alpha", "alpha"]


async def test_a_stream_keeps_its_conversation_too_once_it_is_whole() -> None:
    way = house(alpha=ScriptedAdapter(DOWN, "buy"), beta=ScriptedAdapter("sell"))
    async with way.gateway.stream(ask(way, conversation=TALK)) as stream:
        assert way.planner.rehearse(ask(way, conversation=TALK)).plan.steps[0].target.provider == "alpha"
        async for _ in stream:
            pass

    assert await answered(way) == "beta"


async def test_turns_do_not_move_a_conversation() -> None:
    way = house(alpha=ScriptedAdapter("buy"), beta=ScriptedAdapter("sell"))
    for policy in (PolicyName.ROUND_ROBIN, PolicyName.LEAST_RECENTLY_USED, PolicyName.WEIGHTED):
        assert len({await answered(way, policy=policy) for _ in range(4)}) == 1


def record(conversation: str | None, outcome: AttemptOutcome = AttemptOutcome.OK) -> AttemptRecord:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return AttemptRecord("r", 1, Target("p", "m"), AttemptKind.FIRST, outcome, moment, 0.1, conversation=conversation)


def test_a_conversation_is_forgotten_an_hour_after_its_last_answer() -> None:
    clock = FakeClock()
    memory = Conversations(clock.now)
    memory.attempt_finished(record("x"))

    clock.advance(IDLE_SECONDS)
    assert memory.last("x") == Target("p", "m")
    clock.advance(1)
    assert memory.last("x") is None


def test_the_ones_answered_longest_ago_make_room_and_failures_are_not_remembered() -> None:
    memory = Conversations(FakeClock().now)
    for number in range(MOST):
        memory.attempt_finished(record(str(number)))
    memory.attempt_finished(record("0"))
    memory.attempt_finished(record("new"))
    memory.attempt_finished(record("failed", AttemptOutcome.ERROR))
    memory.attempt_finished(record(None))

    assert len(memory) == MOST
    assert [memory.last(name) is not None for name in ("0", "1", "new", "failed")] == [True, False, True, False]
