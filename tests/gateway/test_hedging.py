"""A second target starts when the first is slower than its own p95; whoever commits first answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import pytest

from app.domain.attempt import AttemptKind, AttemptOutcome, HedgeOutcome
from app.domain.audit import Author
from app.domain.chat import Call, ChatChunk, ChatResponse
from app.domain.errors import Code, FailureKind, OutcryError, ProviderError
from app.domain.provider import RateLimit
from app.domain.target import Circuit, Target
from app.domain.usage import UsageSource
from app.resilience.breaker import BreakerRules
from app.resilience.hedging import HedgeRules
from app.resilience.retry import RetryRules
from tests.fakes import Behaviour, Hang, ScriptedAdapter
from tests.gateway.conftest import House, ask

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ALWAYS = HedgeRules(enabled=True, share=1.0, samples=1)
ON_REQUEST = HedgeRules(share=1.0, samples=1)
FAILS = ProviderError(FailureKind.SERVER_ERROR, "broken")


class Slow(ScriptedAdapter):
    """Does what it is told after a few turns of the event loop, and once `after` was reached."""

    def __init__(self, *behaviours: Behaviour, after: ScriptedAdapter | None = None) -> None:
        super().__init__(*behaviours)
        self._after = after

    async def complete(self, call: Call) -> ChatResponse:
        await self._turns()
        return await super().complete(call)

    async def _chunks(self, behaviour: Behaviour, model: str) -> AsyncGenerator[ChatChunk]:
        await self._turns()
        async for chunk in super()._chunks(behaviour, model):
            yield chunk

    async def _turns(self) -> None:
        if self._after is not None:
            await self._after.reached.wait()
        for _ in range(20):
            await asyncio.sleep(0)


class Watchful(ScriptedAdapter):
    """Notes in whose task it was called."""

    async def complete(self, call: Call) -> ChatResponse:
        self.task = asyncio.current_task()
        return await super().complete(call)


def hedging(rules: HedgeRules = ALWAYS, /, **options: Any) -> House:
    """A gateway that knows how long its first provider takes: no time at all."""
    adapters = {name: value for name, value in options.items() if isinstance(value, ScriptedAdapter)}
    rest = {name: value for name, value in options.items() if name not in adapters}
    way = House(adapters, hedging=rules, **rest)
    first = next(iter(adapters))
    state = way.pool.state(Target(first, f"{first}-1"), "k")
    for _ in range(rules.samples):
        state.window.add(way.clock.now(), ok=True, latency=0.0)
        state.first_tokens.add(way.clock.now(), ok=True, latency=0.0)
    return way


async def text_of(way: House, *, streamed: bool, **changes: Any) -> tuple[str, Any]:
    """What the answer says, and the answer."""
    if not streamed:
        done = await way.gateway.complete(ask(way, **changes))
        return done.response.text, done
    async with way.gateway.stream(ask(way, **changes)) as stream:
        chunks = [chunk async for chunk in stream]
    deltas = [chunk.chunk["choices"][0]["delta"] for chunk in chunks if chunk.chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas), stream


BOTH = pytest.mark.parametrize("streamed", [False, True])


@BOTH
async def test_a_slow_first_target_is_outrun_and_both_are_on_record(streamed: bool) -> None:
    way = hedging(alpha=ScriptedAdapter(Hang()), beta=ScriptedAdapter("sell"))

    text, done = await text_of(way, streamed=streamed)

    assert (text, done.target.provider) == ("sell", "beta")
    slow, fast = sorted(way.recorder.records, key=lambda record: record.ordinal)
    assert (slow.target.provider, slow.kind, slow.outcome, slow.code) == (
        "alpha",
        AttemptKind.FIRST,
        AttemptOutcome.CANCELLED,
        None,
    )
    assert slow.usage is not None
    assert (slow.usage.source, slow.usage.input_tokens > 0) == (UsageSource.ESTIMATED, True)
    assert (fast.kind, fast.outcome, fast.ordinal) == (AttemptKind.HEDGE, AttemptOutcome.OK, 2)
    assert tuple(done.attempts) == (slow, fast)
    assert [HedgeOutcome.WON] == way.hedged


@BOTH
async def test_a_first_target_that_commits_first_keeps_the_request(streamed: bool) -> None:
    beta = ScriptedAdapter(Hang())
    way = hedging(alpha=Slow("buy"), beta=beta)

    text, done = await text_of(way, streamed=streamed)

    assert (text, done.target.provider) == ("buy", "alpha")
    assert {("alpha", "ok"), ("beta", "cancelled")} == set(way.outcomes())
    assert ["alpha", "beta"] == [record.target.provider for record in done.attempts]
    assert [HedgeOutcome.LOST] == way.hedged
    assert beta.open_streams == 0


@BOTH
async def test_of_two_that_commit_at_the_same_moment_the_first_answers_and_the_other_is_closed(streamed: bool) -> None:
    gate = ScriptedAdapter("")
    alpha, beta = Slow("buy", after=gate), Slow("sell", after=gate)
    way = hedging(alpha=alpha, beta=beta)
    answers = []

    async def listen() -> None:
        answers.append(await text_of(way, streamed=streamed))

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        gate.reached.set()

    [(text, done)] = answers
    assert (text, done.target.provider, beta.open_streams) == ("buy", "alpha", 0)
    # A stream that nobody reads is cancelled; a whole answer was there, and is paid for.
    assert ("beta", "cancelled" if streamed else "ok") in way.outcomes()
    assert [HedgeOutcome.LOST] == way.hedged


@BOTH
async def test_everything_the_outrun_attempt_held_is_back(streamed: bool) -> None:
    alpha = ScriptedAdapter(Hang())
    way = hedging(alpha=alpha, beta=ScriptedAdapter("sell"))
    tasks = len(asyncio.all_tasks())
    for _ in range(6):
        await text_of(way, streamed=streamed)
        way.clock.advance(11)

    state = way.pool.provider("alpha")
    assert state is not None
    assert (state.in_flight, alpha.open_streams) == (0, 0)
    # Six in a row that failed would have opened it; to be outrun is no failure.
    assert way.pool.candidate(Target("alpha", "alpha-1")).circuit is Circuit.CLOSED
    assert len(asyncio.all_tasks()) == tasks


@BOTH
async def test_a_hedge_that_fails_leaves_the_first_attempt_running(streamed: bool) -> None:
    beta = ScriptedAdapter(FAILS)
    way = hedging(alpha=Slow("buy"), beta=beta, gamma=ScriptedAdapter("hold"))

    text, _ = await text_of(way, streamed=streamed)

    assert (text, [1, 1, 0], [HedgeOutcome.FAILED]) == ("buy", way.calls(), way.hedged)


@BOTH
async def test_a_first_attempt_that_fails_leaves_the_hedge_running(streamed: bool) -> None:
    alpha = Slow(FAILS)
    way = hedging(alpha=alpha, beta=Slow("sell", after=alpha), gamma=ScriptedAdapter("hold"))

    text, _ = await text_of(way, streamed=streamed)

    assert (text, [HedgeOutcome.WON]) == ("sell", way.hedged)
    assert way.calls()[2] == 0


async def test_when_both_have_failed_the_walk_goes_on_to_a_third_target() -> None:
    beta = ScriptedAdapter(FAILS)
    way = hedging(alpha=Slow(FAILS), beta=beta, gamma=ScriptedAdapter("hold"))

    text, done = await text_of(way, streamed=False)

    assert (text, [1, 1, 1]) == ("hold", way.calls())
    kinds = [record.kind for record in done.attempts]
    assert [AttemptKind.FIRST, AttemptKind.HEDGE, AttemptKind.FALLBACK] == kinds
    assert [1, 2, 3] == [record.ordinal for record in done.attempts]


async def test_a_hedge_is_an_attempt_in_max_retries() -> None:
    beta = ScriptedAdapter(FAILS)
    way = hedging(alpha=Slow(FAILS), beta=beta, gamma=ScriptedAdapter("hold"))

    with pytest.raises(OutcryError) as caught:
        await text_of(way, streamed=False, max_retries=1)

    assert (caught.value.trail.attempts, way.calls()) == (2, [1, 1, 0])


async def test_a_fault_of_the_callers_own_ends_the_race() -> None:
    wrong = ProviderError(FailureKind.BAD_REQUEST, "unknown field", upstream_status=400)
    way = hedging(alpha=ScriptedAdapter(Hang()), beta=ScriptedAdapter(wrong), gamma=ScriptedAdapter("hold"))

    with pytest.raises(OutcryError) as caught:
        await text_of(way, streamed=False)

    assert (caught.value, [1, 1, 0]) == (wrong, way.calls())
    assert ("alpha", "cancelled") in way.outcomes()


@BOTH
async def test_a_caller_who_leaves_ends_both_attempts(streamed: bool) -> None:
    alpha, beta = ScriptedAdapter(Hang()), ScriptedAdapter(Hang())
    way = hedging(alpha=alpha, beta=beta)
    tasks = len(asyncio.all_tasks())
    async with anyio.create_task_group() as group:
        group.start_soon(partial(text_of, way, streamed=streamed))
        await beta.reached.wait()
        group.cancel_scope.cancel()

    assert {("alpha", "cancelled"), ("beta", "cancelled")} == set(way.outcomes())
    assert {Code.CANCELLED} == {record.code for record in way.recorder.records}
    assert (alpha.open_streams, beta.open_streams, len(asyncio.all_tasks())) == (0, 0, tasks)
    assert [HedgeOutcome.LOST] == way.hedged


async def test_the_deadline_bounds_both_attempts() -> None:
    way = hedging(alpha=ScriptedAdapter(Hang()), beta=ScriptedAdapter(Hang()), rules=RetryRules(least_remaining=0.001))

    with anyio.fail_after(2), pytest.raises(OutcryError) as caught:
        await text_of(way, streamed=False, deadline=way.clock.now() + 0.1, max_retries=1)

    assert (caught.value.code, way.calls()) == (Code.PROVIDER_TIMEOUT, [1, 1])


async def test_a_hedge_that_is_not_admitted_costs_the_first_attempt_nothing() -> None:
    every_second = HedgeRules(enabled=True, share=0.5, samples=1)
    limits = {"beta": RateLimit(requests_per_minute=1)}
    way = hedging(every_second, alpha=Slow("buy"), beta=ScriptedAdapter("sell"), limits=limits)
    await way.gateway.complete(ask(way, model="beta-1"))

    answers = [await text_of(way, streamed=False) for _ in "12"]

    assert [HedgeOutcome.DENIED] * 2 == way.hedged
    for text, done in answers:
        # Nor does it cost the next hedge its place: both times it was tried.
        assert text == "buy"
        assert [AttemptOutcome.OK, AttemptOutcome.SKIPPED] == [record.outcome for record in done.attempts]


@pytest.mark.parametrize("scope", ["all", "model:beta/beta-1"])
async def test_an_operators_stop_keeps_a_hedge_from_going_out(scope: str) -> None:
    class Stopped(Slow):
        async def _turns(self) -> None:
            await way.kills.kill(scope, "flash crash", Author("key1"))
            await super()._turns()

    way = hedging(alpha=Stopped("buy"), beta=ScriptedAdapter("sell"))

    text, _ = await text_of(way, streamed=False)

    assert (text, way.calls(), way.hedged) == ("buy", [1, 0], [HedgeOutcome.DENIED])


@pytest.mark.parametrize(
    ("rules", "changes", "is_hedged"),
    [
        (ALWAYS, {}, True),
        (ALWAYS, {"hedge": False}, False),
        (ON_REQUEST, {}, False),
        (ON_REQUEST, {"hedge": True}, True),
        (HedgeRules(enabled=True, share=0.0, samples=1), {"hedge": True}, False),
        (ALWAYS, {"allow_failover": False}, False),
        (ALWAYS, {"max_retries": 0}, False),
        (ALWAYS, {"model": "alpha/alpha-1"}, False),
    ],
)
async def test_who_is_hedged(rules: HedgeRules, changes: dict[str, Any], is_hedged: bool) -> None:
    way = hedging(rules, alpha=Slow("buy"), beta=ScriptedAdapter("sell"))

    await text_of(way, streamed=False, **changes)

    assert (int(is_hedged), int(is_hedged)) == (way.calls()[1], len(way.hedged))


@BOTH
async def test_a_target_that_is_hardly_known_is_not_hedged(streamed: bool) -> None:
    way = hedging(HedgeRules(enabled=True, share=1.0, samples=20), alpha=Slow("buy"), beta=ScriptedAdapter("sell"))
    way.clock.advance(299)
    await text_of(way, streamed=streamed)
    way.clock.advance(2)

    await text_of(way, streamed=streamed)

    # Known by twenty answers the first time, which were older than five minutes the second.
    assert [HedgeOutcome.WON] == way.hedged


async def test_who_is_not_hedged_is_answered_in_the_callers_own_task() -> None:
    adapter = Watchful("buy")
    way = hedging(ON_REQUEST, alpha=adapter, beta=ScriptedAdapter("sell"))

    await way.gateway.complete(ask(way))

    assert adapter.task is asyncio.current_task()


async def test_a_twentieth_of_all_calls_is_hedged_at_most() -> None:
    rules = HedgeRules(enabled=True, samples=1)
    way = hedging(rules, alpha=Slow("buy"), beta=ScriptedAdapter("sell"))
    state = way.pool.state(Target("alpha", "alpha-1"), "k")
    for _ in range(200):
        state.window.add(way.clock.now(), ok=True, latency=0.0)
        await way.gateway.complete(ask(way))
        way.clock.advance(0.02)

    assert way.calls()[1] == 10
    assert way.hedged.count(HedgeOutcome.DENIED) == 190


async def test_hedges_and_retries_of_one_target_share_its_budget() -> None:
    beta = ScriptedAdapter(FAILS)
    way = hedging(alpha=Slow(FAILS), beta=beta, rules=RetryRules(base=0.0, cap=0.0, budget_floor=0))

    with pytest.raises(OutcryError):
        await text_of(way, streamed=False, max_retries=9)

    # One call earns a fifth of a retry: there is neither a hedge nor a second try, but always a fallback.
    assert ([1, 1], [HedgeOutcome.DENIED]) == (way.calls(), way.hedged)


async def test_time_that_two_attempts_ran_side_by_side_passed_once() -> None:
    class Timed(ScriptedAdapter):
        async def complete(self, call: Call) -> ChatResponse:
            way.clock.advance(0.5)
            return await super().complete(call)

    class Told(list[HedgeOutcome]):
        def append(self, outcome: HedgeOutcome) -> None:
            way.clock.advance(0.1)

    way = hedging(alpha=ScriptedAdapter(Hang()), beta=Timed("sell"), hedged=Told())

    done = await way.gateway.complete(ask(way))

    assert done.latency == pytest.approx(0.6)
    assert done.overhead == pytest.approx(0.1)


async def test_500_hedged_calls_that_always_fail_make_no_more_attempts_than_the_budgets_allow() -> None:
    beta = ScriptedAdapter(FAILS)
    patient = BreakerRules(failures=10_000, minimum=10_000)
    way = hedging(HedgeRules(enabled=True, samples=1), alpha=Slow(FAILS), beta=beta, breaker=patient)
    for _ in range(500):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, max_retries=5))
        way.clock.advance(0.02)

    hedges = [record for record in way.recorder.records if record.kind is AttemptKind.HEDGE]
    assert 20 <= len(hedges) <= 25
    # A hedge takes the place of a fallback; the rest is a fifth of each target's traffic, and three.
    assert sum(way.calls()) <= 2 * 500 + 2 * 103
