"""Identical requests under way share one upstream call, whoever of them leaves, fails or has no time left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.attempt import Completion
from app.domain.audit import Author
from app.domain.caching import CacheMode
from app.domain.chat import Call, ChatChunk, ChatResponse
from app.domain.errors import AllAttemptsFailed, Code, DeadlineExceeded, FailureKind, OutcryError, ProviderError
from app.gateway.flights import BUFFER
from app.resilience.retry import RetryRules
from tests.fakes import Behaviour, ScriptedAdapter, answer
from tests.gateway.conftest import House, ask

RW = CacheMode.READ_WRITE
DOWN = ProviderError(FailureKind.SERVER_ERROR, "500")
ONCE = RetryRules(base=0.0, cap=0.0, max_retries=0)


class Held(ScriptedAdapter):
    """A provider that answers when it is let go; `ended` counts the calls that are over, however that came."""

    def __init__(self, *behaviours: Behaviour) -> None:
        super().__init__(*behaviours)
        self.gate = asyncio.Event()
        self.ended = 0

    async def complete(self, call: Call) -> ChatResponse:
        behaviour = self._next(call)
        try:
            await self.gate.wait()
        finally:
            self.ended += 1
        if isinstance(behaviour, ProviderError):
            raise behaviour
        return answer(str(behaviour), call.model)

    async def _chunks(self, behaviour: Behaviour, model: str) -> AsyncGenerator[ChatChunk]:
        """The first word is said at once, the others when it is let go."""
        said = 0
        try:
            async for chunk in super()._chunks(behaviour, model):
                said += chunk.carries
                if said > 1 or chunk.finish_reason:
                    await self.gate.wait()
                yield chunk
        finally:
            self.ended += 1


def inn_of(*behaviours: Behaviour, rules: RetryRules = ONCE) -> tuple[House, Held]:
    held = Held(*(behaviours or ("buy",)))
    return House({"alpha": held}, rules=rules), held


async def asked(inn: House, **changes: Any) -> Completion:
    return await inn.gateway.complete(ask(inn, **{"cache": RW, **changes}))


async def streamed(inn: House, **changes: Any) -> tuple[str, str]:
    async with inn.gateway.stream(ask(inn, **{"cache": RW, **changes})) as stream:
        deltas = [c["delta"] async for chunk in stream for c in chunk.chunk["choices"]]
        assert stream.cache is not None
        return stream.cache.status.value, "".join(delta.get("content") or "" for delta in deltas)


async def settle() -> None:
    """Lets everything run that can run."""
    for _ in range(20):
        await asyncio.sleep(0)


def status_of(completion: Completion) -> str:
    assert completion.cache is not None
    return completion.cache.status.value


async def test_fifty_at_once_are_one_call() -> None:
    inn, held = inn_of()
    tasks = [asyncio.create_task(asked(inn, request_id=str(number))) for number in range(50)]
    await settle()
    held.gate.set()

    seen = await asyncio.gather(*tasks)

    assert inn.calls() == [1]
    assert sorted(status_of(one) for one in seen) == ["miss"] + ["shared"] * 49
    assert {one.response.text for one in seen} == {"buy"}
    assert sum(len(one.attempts) for one in seen) == 1
    assert sum(bool(one.cost_usd) for one in seen if status_of(one) == "shared") == 0
    assert len({row.request_id for row in inn.free.records}) == 49


async def test_those_who_only_read_or_only_write_share_nothing() -> None:
    inn, held = inn_of()
    tasks = [asyncio.create_task(asked(inn, cache=mode)) for mode in (RW, CacheMode.READ, CacheMode.WRITE)]
    await settle()
    held.gate.set()

    await asyncio.gather(*tasks)

    assert inn.calls() == [3]


async def test_different_requests_share_nothing() -> None:
    inn, held = inn_of()
    held.gate.set()

    seen = await asyncio.gather(asked(inn), asked(inn, enforces_format=False))

    assert [status_of(one) for one in seen] == ["miss", "miss"]


@pytest.mark.parametrize("form", [asked, streamed])
async def test_the_first_callers_leaving_does_not_hurt_the_others(form: Any) -> None:
    inn, held = inn_of()
    first, *others = [asyncio.create_task(form(inn)) for _ in range(3)]
    await settle()

    first.cancel()
    await settle()
    held.gate.set()
    seen = await asyncio.gather(*others)

    assert first.cancelled()
    assert inn.calls() == [1]
    assert [status_of(one) if isinstance(one, Completion) else one[0] for one in seen] == ["shared", "shared"]


@pytest.mark.parametrize("form", [asked, streamed])
async def test_when_nobody_waits_any_more_the_call_is_ended(form: Any) -> None:
    inn, held = inn_of("buy now")
    tasks = [asyncio.create_task(form(inn)) for _ in range(3)]
    await settle()

    for task in tasks:
        task.cancel()
    async with asyncio.timeout(0.5):
        await asyncio.gather(*tasks, return_exceptions=True)

    assert (held.ended, held.open_streams, len(inn.cache.flights)) == (1, 0, 0)
    assert inn.outcomes() == [("alpha", "cancelled")]
    assert (inn.free.records, inn.cache.kept.size) == ([], 0)
    held.gate.set()
    assert await form(inn)
    assert inn.calls() == [2]


async def test_who_comes_while_an_abandoned_call_ends_does_not_wait_for_that() -> None:
    inn, held = inn_of()
    closed = asyncio.Event()
    whole = held.complete

    async def closing(call: Call) -> ChatResponse:
        try:
            return await whole(call)
        except asyncio.CancelledError:
            await closed.wait()
            raise

    held.complete = closing  # type: ignore[method-assign]
    first = asyncio.create_task(asked(inn))
    await settle()
    first.cancel()
    await settle()
    late = asyncio.create_task(asked(inn))
    await settle()
    held.gate.set()

    assert status_of(await late) == "miss"
    assert not first.done()
    closed.set()
    await asyncio.wait({first})


async def test_a_failure_is_the_first_callers_and_one_of_the_others_asks_next() -> None:
    inn, held = inn_of(DOWN, "buy")
    tasks = [asyncio.create_task(asked(inn)) for _ in range(10)]
    await settle()
    held.gate.set()

    first, *others = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(first, OutcryError)
    assert sorted(status_of(one) for one in others if isinstance(one, Completion)) == ["miss"] + ["shared"] * 8
    assert inn.calls() == [2]


async def test_a_call_made_after_one_came_and_failed_is_ones_own_failure() -> None:
    inn, held = inn_of(DOWN)
    tasks = [asyncio.create_task(asked(inn, request_id=str(number))) for number in range(10)]
    await settle()
    held.gate.set()

    seen = await asyncio.gather(*tasks, return_exceptions=True)

    assert all(isinstance(one, OutcryError) and one.code is Code.PROVIDER_ERROR for one in seen)
    assert len({id(one) for one in seen}) == 10
    assert inn.calls() == [2]


async def test_a_refused_request_is_refused_to_all() -> None:
    inn, held = inn_of(ProviderError(FailureKind.BAD_REQUEST, "no such thing", upstream_status=400, param="seed"))
    tasks = [asyncio.create_task(asked(inn)) for _ in range(5)]
    await settle()
    held.gate.set()

    seen = await asyncio.gather(*tasks, return_exceptions=True)

    assert [(one.status, one.param, one.message) for one in seen if isinstance(one, OutcryError)] == [
        (400, "seed", "no such thing")
    ] * 5
    assert inn.calls() == [1]


@pytest.mark.parametrize("failure", [DOWN, ProviderError(FailureKind.UNSUPPORTED, "no words for it", param="seed")])
async def test_who_may_fall_back_does_not_take_the_failure_of_one_who_may_not(failure: ProviderError) -> None:
    held = Held(failure)
    inn = House({"alpha": held, "beta": ScriptedAdapter("sell")}, rules=RetryRules(base=0.0, cap=0.0, max_retries=1))
    alone = asyncio.create_task(asked(inn, allow_failover=False, max_retries=0))
    await settle()
    other = asyncio.create_task(asked(inn))
    await settle()
    held.gate.set()

    with pytest.raises((ProviderError, AllAttemptsFailed)):
        await alone
    assert (await other).response.text == "sell"


async def test_who_may_not_fall_back_does_not_take_a_fallbacks_answer() -> None:
    held = Held(DOWN)
    inn = House({"alpha": held, "beta": ScriptedAdapter("sell")}, rules=RetryRules(base=0.0, cap=0.0, max_retries=1))
    free = asyncio.create_task(asked(inn))
    await settle()
    pinned = asyncio.create_task(asked(inn, allow_failover=False, max_retries=0))
    await settle()
    held.gate.set()

    assert (await free).response.text == "sell"
    with pytest.raises((ProviderError, AllAttemptsFailed)):
        await pinned


async def test_each_keeps_its_own_deadline() -> None:
    inn, held = inn_of()
    patient = asyncio.create_task(asked(inn))
    await settle()

    with pytest.raises(DeadlineExceeded) as caught:
        await asked(inn, deadline=inn.clock.now() + 0.02)
    held.gate.set()

    assert (caught.value.trail.has_plan, caught.value.trail.attempts) == (True, 0)
    assert status_of(await patient) == "miss"


async def test_who_has_more_time_goes_on_where_the_first_ran_out_of_it() -> None:
    inn, held = inn_of()
    hasty = asyncio.create_task(asked(inn, deadline=inn.clock.now() + 0.6))
    await settle()
    patient = asyncio.create_task(asked(inn))

    with pytest.raises(OutcryError):
        await hasty
    await settle()
    held.gate.set()

    assert status_of(await patient) == "miss"
    assert inn.calls() == [2]


async def test_waiting_for_another_is_not_the_gateways_own_time() -> None:
    inn, held = inn_of()
    tasks = [asyncio.create_task(asked(inn)) for _ in range(2)]
    await settle()
    inn.clock.advance(3)
    held.gate.set()

    _, shared = await asyncio.gather(*tasks)

    assert (shared.latency, shared.overhead) == (3.0, 0.0)


@pytest.mark.parametrize("scope", ["all", "model:alpha/alpha-1"])
@pytest.mark.parametrize("behaviour", [DOWN, "buy"])
async def test_what_was_stopped_during_the_wait_is_neither_asked_nor_shared(scope: str, behaviour: Behaviour) -> None:
    inn, held = inn_of(behaviour)
    first, second = [asyncio.create_task(asked(inn)) for _ in range(2)]
    await settle()
    await inn.kills.kill(scope, "nonsense", Author("key1"))
    held.gate.set()

    _, seen = await asyncio.gather(first, second, return_exceptions=True)

    assert isinstance(seen, OutcryError)
    assert (seen.code, seen.trail.has_plan, inn.calls()) == (Code.KILLED, True, [1])


async def test_streams_and_whole_answers_share_a_call() -> None:
    inn, held = inn_of("buy now")
    first = asyncio.create_task(streamed(inn))
    await settle()
    second, third = asyncio.create_task(streamed(inn)), asyncio.create_task(asked(inn))
    await settle()
    held.gate.set()

    assert [await first, await second] == [("miss", "buynow"), ("shared", "buynow")]
    assert (status_of(await third), (await third).response.text) == ("shared", "buynow")
    assert inn.calls() == [1]


async def test_a_streams_first_words_reach_the_first_caller_at_once() -> None:
    inn, held = inn_of("buy now")

    async with inn.gateway.stream(ask(inn, cache=RW)) as stream:
        opening = [await anext(stream), await anext(stream)]
        assert opening[1].carries
        held.gate.set()
        assert [chunk.finish_reason async for chunk in stream][-2:] == ["stop", None]

    assert stream.cost_usd is None
    assert [one.outcome for one in stream.attempts] == ["ok"]


async def test_a_stream_that_breaks_is_made_anew_for_those_who_waited() -> None:
    inn, held = inn_of("buy now")

    async def breaking(behaviour: Behaviour, model: str) -> AsyncGenerator[ChatChunk]:
        yield words(1, 1)[0]
        await held.gate.wait()
        del held._chunks
        raise DOWN

    held._chunks = breaking  # type: ignore[method-assign]
    first, second = [asyncio.create_task(streamed(inn)) for _ in range(2)]
    await settle()
    held.gate.set()

    with pytest.raises(ProviderError):
        await first
    assert await second == ("miss", "buynow")


def words(count: int, size: int) -> list[ChatChunk]:
    """A stream of so many words, and its end."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> ChatChunk:
        body = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        return ChatChunk(body, carries=bool(delta), finish_reason=finish)

    return [*(chunk({"content": "x" * size}) for _ in range(count)), chunk({}, "stop")]


async def test_what_is_larger_than_the_buffer_is_not_shared_any_more() -> None:
    inn, held = inn_of(words(12, 30_000))
    tasks = [asyncio.create_task(streamed(inn)) for _ in range(3)]
    await settle()
    held.gate.set()

    seen = await asyncio.gather(*tasks)

    assert [status for status, _ in seen] == ["miss", "miss", "miss"]
    assert {len(text) for _, text in seen} == {360_000}
    assert inn.calls() == [3]
    assert (await streamed(inn))[0] == "hit"


async def test_a_reader_who_stands_still_holds_the_stream_but_nobody_else() -> None:
    adapter = ScriptedAdapter(words(40, 30_000))
    inn = House({"alpha": adapter}, rules=ONCE)
    given: list[int] = []
    whole = adapter._chunks

    async def counted(behaviour: Behaviour, model: str) -> AsyncGenerator[ChatChunk]:
        async for chunk in whole(behaviour, model):
            given.append(chunk.length)
            yield chunk

    adapter._chunks = counted  # type: ignore[method-assign]

    async with inn.gateway.stream(ask(inn, cache=RW)) as slow:
        await settle()
        assert sum(given) <= BUFFER + 2 * 30_000
        others = await asyncio.gather(streamed(inn), streamed(inn))
        read = sum([chunk.length async for chunk in slow])

    assert [len(text) for _, text in others] == [1_200_000] * 2
    assert read == 1_200_000


async def test_a_reader_who_stands_still_does_not_hold_those_who_wait_for_the_whole() -> None:
    inn, held = inn_of("buy now")

    async with inn.gateway.stream(ask(inn, cache=RW)):
        held.gate.set()
        assert (await asked(inn)).response.text == "buynow"


async def test_at_the_end_of_the_process_no_call_is_left() -> None:
    inn, _ = inn_of()
    task = asyncio.create_task(asked(inn))
    await settle()

    await inn.cache.flights.close()

    assert len(inn.cache.flights) == 0
    with pytest.raises(asyncio.CancelledError):
        await task


STEPS = st.lists(st.sampled_from(["come", "come streaming", "leave first", "leave last", "let go"]), max_size=25)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.lists(st.sampled_from(["buy", "fail"]), min_size=1, max_size=4))
async def test_whoever_comes_and_goes_nothing_is_left_over_and_nobody_hears_nothing(
    steps: list[str], answers: list[str]
) -> None:
    inn, held = inn_of(*(DOWN if one == "fail" else one for one in answers))
    tasks: list[asyncio.Task[Any]] = []
    for step in steps:
        under_way = [task for task in tasks if not task.done()]
        match step:
            case "come":
                tasks.append(asyncio.create_task(asked(inn)))
            case "come streaming":
                tasks.append(asyncio.create_task(streamed(inn)))
            case "let go":
                held.gate.set()
            case _ if under_way:
                under_way[0 if step == "leave first" else -1].cancel()
        await settle()
        assert len(inn.cache.flights) <= 1
    held.gate.set()

    async with asyncio.timeout(5):
        seen = await asyncio.gather(*tasks, return_exceptions=True)

    await settle()
    assert all(isinstance(one, (Completion, tuple, OutcryError, asyncio.CancelledError)) for one in seen)
    assert (len(inn.cache.flights), held.open_streams) == (0, 0)
    provider = inn.pool.provider("alpha")
    assert provider is not None
    assert provider.in_flight == 0
