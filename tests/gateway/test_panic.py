"""When all that could answer is ejected: one request in five seconds goes out, the others hear it at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from app.domain.errors import Code, FailureKind, OutcryError, ProviderError
from app.domain.target import Circuit, Target
from app.resilience.breaker import BreakerRules
from tests.fakes import Hang, ScriptedAdapter
from tests.gateway.conftest import House, ask

DOWN = ProviderError(FailureKind.SERVER_ERROR, "down")
NAMES = ("alpha", "beta", "gamma")
# Circuits stay open for longer than the tests look: every call is a last resort.
RULES = BreakerRules(open_seconds=200)


def all_ejected(*then: Any, names: Sequence[str] = NAMES) -> House:
    """Providers that are ejected, each with the behaviours that follow; the last resort is free again."""
    way = House({name: ScriptedAdapter(*(then or (DOWN,))) for name in names}, breaker=RULES)
    for name in names:
        for _ in range(RULES.failures):
            way.pool.state(Target(name, f"{name}-1"), "k").breaker.failed(way.clock.now())
    way.clock.advance(RULES.last_resort)
    return way


async def refused(way: House, **changes: Any) -> OutcryError:
    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, max_retries=0, **changes))
    return caught.value


async def test_all_targets_of_a_request_together_get_one_call_in_five_seconds() -> None:
    way = all_ejected()
    moments: list[float] = []
    for _ in range(600):
        before = sum(way.calls())
        error = await refused(way)
        if sum(way.calls()) > before:
            moments.append(way.clock.now())
        else:
            assert (error.code, error.status) == (Code.PROVIDER_CIRCUIT_OPEN, 503)
            assert error.retry_after is not None
        way.clock.advance(0.1)

    assert all(later - earlier >= 5 for earlier, later in pairwise(moments))
    assert (len(moments), sum(way.calls())) == (12, 12)
    assert (len(way.panics), sum(way.panics)) == (600, 12)


async def test_an_answer_that_asks_for_a_pause_does_not_pass_the_last_resort_on_at_once() -> None:
    way = all_ejected(ProviderError(FailureKind.OVERLOADED, "busy", retry_after=120.0))
    calls = []
    for _ in range(150):
        await refused(way)
        calls.append(sum(way.calls()))
        way.clock.advance(0.1)

    assert (calls[0], calls[49], calls[51], calls[-1]) == (1, 1, 2, 3)


async def test_requests_for_several_models_share_their_targets_last_resorts() -> None:
    way = all_ejected()
    pairs = [("alpha", "beta"), ("beta", "gamma"), ("alpha", "gamma")]
    for turn in range(600):
        first, second = pairs[turn % 3]
        await refused(way, model=f"{first}/{first}-1", fallbacks=(f"{second}/{second}-1",))
        way.clock.advance(0.1)

    # Each pair has its one call, and none of its two targets has more than one in five seconds.
    assert all(calls <= 12 for calls in way.calls())
    assert 12 <= sum(way.calls()) <= 24


async def test_of_many_at_once_one_goes_out_and_the_others_are_answered_without_waiting() -> None:
    way = all_ejected(Hang())
    errors: list[OutcryError] = []

    async def call() -> None:
        try:
            await way.gateway.complete(ask(way))
        except OutcryError as error:
            errors.append(error)

    async with anyio.create_task_group() as callers:
        for _ in range(50):
            callers.start_soon(call)
        with anyio.fail_after(5):
            while len(errors) < 49:
                await anyio.lowlevel.checkpoint()
        callers.cancel_scope.cancel()

    assert sum(way.calls()) == 1
    assert {(error.status, error.retry_after is not None) for error in errors} == {(503, True)}


async def test_who_asked_to_be_left_alone_does_not_stand_in_anothers_way() -> None:
    way = all_ejected("back", names=NAMES[:2])
    alpha = way.pool.state(Target("alpha", "alpha-1"), "k")
    alpha.cool(way.clock.now() + 1)

    done = await way.gateway.complete(ask(way))

    assert (done.target.provider, way.panics) == ("beta", [True])


async def test_the_panic_ends_with_the_first_that_answers() -> None:
    way = all_ejected("back")

    texts = [(await way.gateway.complete(ask(way))).response.text for _ in range(4)]

    assert texts == ["back"] * 4
    assert way.panics == [True]
    circuits = {way.pool.candidate(Target(name, f"{name}-1")).circuit for name in NAMES}
    assert circuits == {Circuit.CLOSED, Circuit.OPEN}


async def test_explaining_a_panic_is_none() -> None:
    way = all_ejected()

    assert way.planner.explain(ask(way)).error is not None
    assert way.panics == []
