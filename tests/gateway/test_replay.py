"""A run is recorded while providers are asked, and told again without asking anybody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from app.domain.attempt import Ask
from app.domain.audit import Author
from app.domain.chat import ChatRequest
from app.domain.errors import Code, Conflict, FailureKind, OutcryError, ProviderError
from app.domain.provider import RateLimit
from app.domain.replay import Replay, ReplayMode, TakeOutcome
from app.domain.structured import Rung
from app.domain.target import Circuit
from tests.fakes import USAGE, Cut, Hang, ScriptedAdapter, answer
from tests.gateway.conftest import HELLO, House, ask, house

Down = ProviderError(FailureKind.SERVER_ERROR, "500 from alpha", upstream_status=500)


def record(house: House, **changes: Any) -> Ask:
    return ask(house, replay=Replay(ReplayMode.RECORD, "r"), **changes)


def replay(house: House, mode: ReplayMode = ReplayMode.REPLAY, **changes: Any) -> Ask:
    return ask(house, replay=Replay(mode, "r"), **changes)


def asking(text: str) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": text}])


async def streamed(house: House, ask: Ask) -> list[str]:
    async with house.gateway.stream(ask) as stream:
        return [
            text
            async for chunk in stream
            for choice in chunk.chunk["choices"]
            if (text := choice["delta"].get("content"))
        ]


async def test_a_recorded_answer_is_told_again_for_nothing_and_nobody_hears_of_it() -> None:
    told = house(alpha=ScriptedAdapter("first", "second"))
    live = await told.gateway.complete(record(told))
    known = list(told.recorder.records)

    again = await told.gateway.complete(replay(told))

    assert (live.response.text, live.replayed, live.response.usage) == ("first", False, USAGE)
    assert (again.response, again.target, again.usage) == (live.response, live.target, live.usage)
    assert (again.replayed, again.cost_usd, again.attempts) == (True, Decimal(0), ())
    assert told.calls() == [1]
    assert told.recorder.records == known


async def test_a_replay_neither_meets_a_limit_nor_an_open_circuit() -> None:
    adapter = ScriptedAdapter("first", Down)
    limited = House({"alpha": adapter}, limits={"alpha": RateLimit(requests_per_minute=1)})
    await limited.gateway.complete(record(limited))
    state = limited.pool.state(limited.pool.targets()[0], "k")
    for _ in range(20):
        state.breaker.failed(limited.clock.now(), started=limited.clock.now())
    assert state.breaker.circuit(limited.clock.now()) is Circuit.OPEN

    answers = [(await limited.gateway.complete(replay(limited))).response.text for _ in range(3)]

    assert answers == ["first"] * 3
    assert len(adapter.calls) == 1


async def test_what_was_not_recorded_is_a_miss_and_no_call() -> None:
    missing = house(alpha=ScriptedAdapter("never"))

    with pytest.raises(Conflict) as missed:
        await missing.gateway.complete(replay(missing))

    assert (missed.value.code, missed.value.status) == (Code.REPLAY_MISS, 409)
    assert missing.calls() == [0]


@pytest.mark.parametrize(
    "changes",
    [
        {"request": asking("goodbye")},
        {"request": ChatRequest(HELLO.messages, {"temperature": 0.5})},
        {"replay": Replay(ReplayMode.REPLAY, "other")},
        {"replay": Replay(ReplayMode.REPLAY, "r", member="2")},
    ],
    ids=str,
)
async def test_another_question_is_a_miss(changes: dict[str, Any]) -> None:
    asked = house(alpha=ScriptedAdapter("first"))
    await asked.gateway.complete(record(asked))

    with pytest.raises(Conflict):
        await asked.gateway.complete(replace(replay(asked), **changes))

    assert asked.calls() == [1]


async def test_another_caller_has_runs_of_its_own() -> None:
    asked = house(alpha=ScriptedAdapter("first"))
    await asked.gateway.complete(record(asked))
    stranger = replay(asked)
    stranger = replace(stranger, caller=replace(stranger.caller, key_id="stranger"))

    with pytest.raises(Conflict):
        await asked.gateway.complete(stranger)


@pytest.mark.parametrize("settings", [{"temperature": 0.1}, {}], ids=str)
async def test_settings_that_were_changed_since_make_another_question(settings: dict[str, Any]) -> None:
    asked = House({"alpha": ScriptedAdapter("first")}, parameters={"alpha": {"temperature": 0.1}})
    await asked.gateway.complete(record(asked))
    asked.parameters["alpha"] = settings
    asked.reload()

    if settings:
        assert (await asked.gateway.complete(replay(asked))).response.text == "first"
    else:
        with pytest.raises(Conflict):
            await asked.gateway.complete(replay(asked))


async def test_a_fallback_is_told_again_as_one() -> None:
    falling = house(alpha=ScriptedAdapter(Down), beta=ScriptedAdapter("beta says"))
    live = await falling.gateway.complete(record(falling))

    again = await falling.gateway.complete(replay(falling))

    assert (live.target.provider, again.target, again.is_fallback) == ("beta", live.target, True)
    assert falling.calls() == [1, 1]


async def test_an_answer_whose_fallback_would_be_asked_otherwise_is_no_answer() -> None:
    falling = house(alpha=ScriptedAdapter(Down), beta=ScriptedAdapter("beta says"))
    await falling.gateway.complete(record(falling))
    falling.parameters["beta"] = {"temperature": 0.9}
    falling.reload()

    with pytest.raises(Conflict):
        await falling.gateway.complete(replay(falling))

    assert falling.calls() == [1, 1]


async def test_a_failure_is_told_again_in_the_same_words() -> None:
    failing = house(alpha=ScriptedAdapter(ProviderError(FailureKind.BAD_REQUEST, "bad", upstream_status=422)))
    errors = []
    for one in (record(failing), replay(failing)):
        with pytest.raises(OutcryError) as raised:
            await failing.gateway.complete(one)
        errors.append((raised.value.code, raised.value.message, raised.value.status, raised.value.trail.target))

    assert errors[0] == errors[1]
    assert errors[0][2] == 422
    assert failing.calls() == [1]


async def test_a_question_for_which_nobody_could_be_asked_ends_in_the_same_way() -> None:
    full = House({"alpha": ScriptedAdapter("never")}, limits={"alpha": RateLimit(requests_per_day=0)})
    codes = []
    for one in (record(full), replay(full)):
        with pytest.raises(OutcryError) as raised:
            await full.gateway.complete(replace(one, deadline=full.clock.now() + 0.01))
        codes.append((raised.value.code, raised.value.message))

    assert codes[0] == codes[1]
    assert full.calls() == [0]


async def test_the_same_question_asked_again_is_answered_in_the_order_of_the_recording() -> None:
    asked = house(alpha=ScriptedAdapter("one", "two", "three"))
    for _ in range(3):
        await asked.gateway.complete(record(asked))
        asked.clock.advance(1)

    told = [(await asked.gateway.complete(replay(asked))).response.text for _ in range(6)]

    assert told == ["one", "two", "three"] * 2


async def test_replay_or_record_asks_once() -> None:
    asked = house(alpha=ScriptedAdapter("one", "two"))

    answers = [await asked.gateway.complete(replay(asked, ReplayMode.REPLAY_OR_RECORD)) for _ in range(2)]

    assert [(one.response.text, one.replayed) for one in answers] == [("one", False), ("one", True)]
    assert asked.calls() == [1]


async def test_what_a_caller_left_is_on_record_and_answers_nothing() -> None:
    hanging = ScriptedAdapter(Hang())
    asked = house(alpha=hanging)
    call = asyncio.ensure_future(asked.gateway.complete(record(asked)))
    await hanging.reached.wait()
    call.cancel()
    await asyncio.wait({call})

    with pytest.raises(Conflict):
        await asked.gateway.complete(replay(asked))

    (take,) = asked.takes.takes
    assert take.outcome is TakeOutcome.CANCELLED
    assert orjson.loads(take.body)["exchanges"][0]["outcome"] == "cancelled"


async def test_a_stream_is_told_again_chunk_by_chunk() -> None:
    asked = house(alpha=ScriptedAdapter("buy the dip"))
    live = await streamed(asked, record(asked))

    async with asked.gateway.stream(replay(asked)) as stream:
        again = [chunk async for chunk in stream]

    assert [chunk.chunk["choices"][0]["delta"].get("content") for chunk in again[1:4]] == live
    assert (stream.replayed, stream.attempts, stream.cost_usd, stream.usage) == (True, (), Decimal(0), USAGE)
    assert asked.calls() == [1]


async def test_a_stream_that_broke_off_breaks_off_at_the_same_word() -> None:
    asked = house(alpha=ScriptedAdapter(Cut(after=2)))
    seen: list[list[str]] = []
    for one in (record(asked), replay(asked)):
        words: list[str] = []
        with pytest.raises(ProviderError) as raised:
            async with asked.gateway.stream(one) as stream:
                async for chunk in stream:
                    words += [chunk.chunk["choices"][0]["delta"].get("content", "")]
        seen.append([*words, raised.value.message])

    assert seen[0] == seen[1]
    assert len(seen[0]) == 4
    assert asked.calls() == [1]


async def test_a_whole_answer_is_no_stream() -> None:
    asked = house(alpha=ScriptedAdapter("first"))
    await asked.gateway.complete(record(asked))

    with pytest.raises(Conflict):
        await streamed(asked, replay(asked))


async def test_json_is_read_by_the_rung_by_which_it_was_asked_for() -> None:
    asked = house(alpha=ScriptedAdapter(answer('Sure: {"a": 1}')))
    wanted = ChatRequest(HELLO.messages, {"response_format": {"type": "json_object"}})
    live = await asked.gateway.complete(record(asked, request=wanted))

    again = await asked.gateway.complete(replay(asked, request=wanted))

    assert (again.response, again.rung, again.warnings) == (live.response, live.rung, live.warnings)
    assert isinstance(again.rung, Rung)


async def test_a_stopped_gateway_replays_nothing() -> None:
    asked = house(alpha=ScriptedAdapter("first"))
    await asked.gateway.complete(record(asked))
    await asked.kills.kill("all", "drawdown", Author("key"))

    with pytest.raises(OutcryError) as raised:
        await asked.gateway.complete(replay(asked))

    assert raised.value.code is Code.KILLED


async def test_what_no_json_carries_is_refused_rather_than_lost() -> None:
    asked = house(alpha=ScriptedAdapter("first"))

    with pytest.raises(OutcryError) as raised:
        await asked.gateway.complete(replay(asked, request=ChatRequest(HELLO.messages, {"seed": 2**70})))

    assert raised.value.status == 400


async def test_a_run_that_cannot_be_read_is_no_miss() -> None:
    asked = house(alpha=ScriptedAdapter("first"))
    asked.takes.is_away = True

    with pytest.raises(OutcryError) as raised:
        await asked.gateway.complete(replay(asked, ReplayMode.REPLAY_OR_RECORD))

    assert raised.value.code is Code.STORAGE_UNAVAILABLE
    assert asked.calls() == [0]


async def test_neither_cache_nor_hedge_has_anything_to_do_with_a_run() -> None:
    cached = House({"alpha": ScriptedAdapter("one", "two")}, caching={"alpha": True})
    await cached.gateway.complete(ask(cached))

    told = await cached.gateway.complete(record(cached))

    assert (told.response.text, told.cache) == ("two", None)
    assert cached.calls() == [2]
