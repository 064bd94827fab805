"""What a request does at a limit: move on, wait a moment in line, or be told which limit it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from app.domain.chat import Call, ChatRequest, ChatResponse
from app.domain.embedding import EmbedRequest
from app.domain.errors import Code, FailureKind, OutcryError, ProviderError
from app.domain.provider import RateLimit
from app.domain.routing import Priority
from app.gateway.expected import USUAL_ANSWER, expected_tokens
from app.gateway.queueing import permit_within
from app.providers.state import ProviderState
from app.resilience.limits import Limits, Permit
from tests.fakes import Hang, ScriptedAdapter
from tests.gateway.conftest import HELLO, House, ask

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Held(ScriptedAdapter):
    """Answers a call when it is let go, one at a time, and keeps whose they were."""

    def __init__(self) -> None:
        super().__init__("buy")
        self.names: list[str] = []
        self.gate = anyio.Semaphore(0)

    async def complete(self, call: Call) -> ChatResponse:
        self.names.append(call.request_id)
        await self.gate.acquire()
        return await super().complete(call)


def state_of(way: House, name: str = "alpha") -> ProviderState:
    state = way.pool.provider(name)
    assert state is not None
    return state


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def test_who_waits_at_the_limit_is_served_by_priority_as_places_come_free() -> None:
    adapter = Held()
    way = House({"alpha": adapter}, at_once={"alpha": 1})
    line = state_of(way).limits.line

    async def call(name: str, priority: Priority) -> None:
        await way.gateway.complete(ask(way, request_id=name, priority=priority))

    async with anyio.create_task_group() as callers:
        callers.start_soon(call, "running", Priority.NORMAL)
        await until(lambda: adapter.names == ["running"])
        for waiting, (name, priority) in enumerate(
            [("low", Priority.LOW), ("normal", Priority.NORMAL), ("later", Priority.NORMAL), ("high", Priority.HIGH)]
        ):
            callers.start_soon(call, name, priority)
            await until(lambda expected=waiting + 1: len(line) == expected)  # type: ignore[misc]
        for served in range(2, 6):
            adapter.gate.release()
            await until(lambda expected=served: len(adapter.names) == expected)  # type: ignore[misc]
        adapter.gate.release()

    assert ["running", "high", "normal", "later", "low"] == adapter.names
    assert (0, 0) == (len(line), state_of(way).in_flight)


async def test_nobody_waits_while_another_target_has_room() -> None:
    adapter = Held()
    way = House({"alpha": adapter, "beta": ScriptedAdapter("sell")}, at_once={"alpha": 1})

    async with anyio.create_task_group() as callers:
        callers.start_soon(way.gateway.complete, ask(way))
        await until(lambda: bool(adapter.names))
        done = await way.gateway.complete(ask(way))
        adapter.gate.release()

    assert "sell" == done.response.text
    assert [0.0] == [one.duration for one in done.attempts]


async def test_a_limit_that_stays_full_is_named_with_the_time_after_which_to_come_again() -> None:
    way = House(
        {"alpha": ScriptedAdapter("buy"), "beta": ScriptedAdapter("sell")},
        limits={"alpha": RateLimit(requests_per_minute=1), "beta": RateLimit(tokens_per_day=600)},
    )
    await way.gateway.complete(ask(way))
    await way.gateway.complete(ask(way))
    way.clock.advance(20)

    # Nothing can make room within a quarter of a second, so that nobody waits for it.
    with anyio.fail_after(0.2), pytest.raises(OutcryError) as caught:
        long = ChatRequest(HELLO.messages, {"max_tokens": 590})
        await way.gateway.complete(ask(way, request=long))

    assert (Code.RATE_LIMIT, 429, 40.0) == (caught.value.code, caught.value.status, caught.value.retry_after)
    assert "limit requests_per_minute is reached" in caught.value.message
    assert "limit tokens_per_day is reached" in caught.value.message
    assert 0 == caught.value.trail.attempts


async def test_a_place_that_comes_free_by_itself_is_waited_for() -> None:
    limits, clock = Limits(RateLimit(requests_per_minute=1)), [59.9]
    assert isinstance(limits.reserve(0.0, NOON), Permit)

    class Ticking(list[float]):
        """Every look at the clock is a twentieth of a second later."""

        def __call__(self) -> float:
            clock[0] += 0.05
            return clock[0]

    permit = await permit_within(0.25, limits, tokens=1, priority=Priority.NORMAL, now=Ticking(), wall=lambda: NOON)

    assert isinstance(permit, Permit)
    assert 0 == len(limits.line)


async def test_a_wait_ends_without_a_permit_when_its_time_is_up_and_the_next_is_woken() -> None:
    limits = Limits(max_concurrent=1)
    running = limits.reserve(0.0, NOON)
    assert isinstance(running, Permit)
    got: list[Permit | None] = []

    async def wait(seconds: float) -> None:
        permit = await permit_within(
            seconds, limits, tokens=1, priority=Priority.NORMAL, now=anyio.current_time, wall=lambda: NOON
        )
        got.append(permit)

    async with anyio.create_task_group() as waiting:
        waiting.start_soon(wait, 0.01)
        waiting.start_soon(wait, 5.0)
        await until(lambda: got == [None])
        running.settle(1, 0.0)

    assert isinstance(got[1], Permit)
    assert 0 == len(limits.line)


async def test_a_caller_who_leaves_the_line_leaves_nothing_behind() -> None:
    adapter = Held()
    way = House({"alpha": adapter}, at_once={"alpha": 1})
    limits = state_of(way).limits

    async with anyio.create_task_group() as callers:
        callers.start_soon(way.gateway.complete, ask(way))
        await until(lambda: bool(adapter.names))
        with anyio.CancelScope() as leaving:
            async with anyio.create_task_group() as others:
                others.start_soon(way.gateway.complete, ask(way))
                await until(lambda: len(limits.line) == 1)
                leaving.cancel()
        assert 0 == len(limits.line)
        adapter.gate.release()

    assert 0 == limits.in_flight


async def test_tokens_are_reserved_before_and_settled_after_an_answer() -> None:
    way = House({"alpha": Held()}, limits={"alpha": RateLimit(tokens_per_minute=5000)})
    adapter, day = way.adapters["alpha"], state_of(way).limits.day
    assert isinstance(adapter, Held)
    request = ChatRequest(HELLO.messages, {"max_tokens": 1000})

    async with anyio.create_task_group() as callers:
        callers.start_soon(way.gateway.complete, ask(way, request=request))
        await until(lambda: bool(adapter.names))
        assert expected_tokens(request) == day.tokens(way.clock.now()) > 1000
        adapter.gate.release()

    assert 15 == day.tokens(way.clock.now())


async def test_a_streams_tokens_are_settled_at_its_end() -> None:
    way = House({"alpha": ScriptedAdapter("buy it now")}, limits={"alpha": RateLimit(tokens_per_minute=5000)})
    limits = state_of(way).limits

    async with way.gateway.stream(ask(way)) as stream:
        assert (1, True) == (limits.in_flight, limits.day.tokens(way.clock.now()) > USUAL_ANSWER)
        _ = [chunk async for chunk in stream]

    assert (0, 15) == (limits.in_flight, limits.day.tokens(way.clock.now()))


@pytest.mark.parametrize(
    ("failure", "requests", "tokens"),
    [
        (ProviderError(FailureKind.UNREACHABLE, "refused"), 0, 0),
        (ProviderError(FailureKind.SERVER_ERROR, "broken", upstream_status=500), 1, 0),
        (ProviderError(FailureKind.TIMEOUT, "silence"), 1, expected_tokens(HELLO)),
    ],
)
async def test_a_failure_takes_of_the_limits_what_the_provider_may_have_counted(
    failure: ProviderError, requests: int, tokens: int
) -> None:
    way = House({"alpha": ScriptedAdapter(failure)}, limits={"alpha": RateLimit(tokens_per_minute=5000)})
    limits = state_of(way).limits

    with pytest.raises(OutcryError):
        await way.gateway.complete(ask(way, max_retries=0))

    now = way.clock.now()
    assert (requests, tokens, 0) == (limits.day.requests(now), limits.day.tokens(now), limits.in_flight)


async def test_a_caller_who_leaves_gives_its_place_back() -> None:
    way = House({"alpha": ScriptedAdapter(Hang())}, at_once={"alpha": 1})

    with anyio.CancelScope() as leaving:
        async with anyio.create_task_group() as callers:
            callers.start_soon(way.gateway.complete, ask(way))
            await until(lambda: way.calls() == [1])
            leaving.cancel()

    assert 0 == state_of(way).in_flight
    assert state_of(way).limits.has_room(way.clock.now())


async def test_a_low_priority_request_moves_on_before_the_last_fifth() -> None:
    way = House(
        {"alpha": ScriptedAdapter("buy"), "beta": ScriptedAdapter("sell")},
        limits={"alpha": RateLimit(requests_per_minute=5)},
    )

    low = [(await way.gateway.complete(ask(way, priority=Priority.LOW))).response.text for _ in range(5)]
    high = (await way.gateway.complete(ask(way, priority=Priority.HIGH))).response.text

    assert (["buy"] * 4 + ["sell"], "buy") == (low, high)


@pytest.mark.parametrize(
    ("limit", "changes"),
    [
        (RateLimit(tokens_per_minute=2000), {"request": ChatRequest(HELLO.messages, {"max_tokens": 5000})}),
        (RateLimit(requests_per_minute=5), {"priority": Priority.LOW}),
    ],
)
async def test_a_plan_begins_with_who_has_room_for_this_very_request(limit: RateLimit, changes: dict[str, Any]) -> None:
    adapters = {"alpha": ScriptedAdapter("buy"), "beta": ScriptedAdapter("sell")}
    way = House(adapters, limits={"alpha": limit})
    for _ in range(4):
        await way.gateway.complete(ask(way, priority=Priority.LOW))
    planned = way.planner.explain(ask(way, **changes)).plan

    done = await way.gateway.complete(ask(way, **changes))

    assert planned is not None
    assert ("sell", False, 1) == (done.response.text, done.is_fallback, len(done.attempts))
    assert planned.steps[0].target == done.target


async def test_an_order_that_was_given_begins_with_who_has_room_and_says_who_has_none() -> None:
    adapters = {"alpha": ScriptedAdapter("buy"), "beta": ScriptedAdapter("sell")}
    way = House(adapters, limits={"alpha": RateLimit(requests_per_minute=1)})
    named: dict[str, Any] = {"model": "alpha/alpha-1", "fallbacks": ("beta/beta-1",)}
    await way.gateway.complete(ask(way, **named))

    done = await way.gateway.complete(ask(way, **named))

    assert ("sell", 1) == (done.response.text, len(done.attempts))
    assert [("beta", None), ("alpha", "limit requests_per_minute is reached")] == [
        (one.target.provider, one.why_not) for one in done.plan.verdicts
    ]


async def test_who_has_no_room_is_still_asked_when_those_who_have_it_fail() -> None:
    failing = ProviderError(FailureKind.SERVER_ERROR, "down")
    way = House({"alpha": Held(), "beta": ScriptedAdapter(failing)}, at_once={"alpha": 1})
    alpha = way.adapters["alpha"]
    assert isinstance(alpha, Held)

    async with anyio.create_task_group() as callers:
        callers.start_soon(way.gateway.complete, ask(way, model="alpha/alpha-1"))
        await until(lambda: len(alpha.names) == 1)
        line = state_of(way).limits.line

        async def make_room() -> None:
            await until(lambda: len(line) == 1)
            alpha.gate.release()
            await until(lambda: len(alpha.names) == 2)
            alpha.gate.release()

        callers.start_soon(make_room)
        done = await way.gateway.complete(ask(way, max_retries=1))

    assert "alpha" == done.target.provider


def test_what_is_expected_is_the_prompt_and_the_longest_answer_allowed() -> None:
    prompt = expected_tokens(HELLO) - USUAL_ANSWER

    assert 0 < prompt < 20
    assert prompt + 100 == expected_tokens(ChatRequest(HELLO.messages, {"max_tokens": 100}))
    assert prompt + 300 == expected_tokens(ChatRequest(HELLO.messages, {"max_completion_tokens": 100, "n": 3}))
    assert prompt + USUAL_ANSWER == expected_tokens(ChatRequest(HELLO.messages, {"max_tokens": None, "n": "3"}))
    assert prompt == expected_tokens(EmbedRequest(["hello"]))
    tools = [{"type": "function", "function": {"name": "lookup"}}]
    assert expected_tokens(ChatRequest(HELLO.messages, {"tools": tools})) > prompt + USUAL_ANSWER
