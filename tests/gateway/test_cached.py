"""The response cache: who is answered from it, with what, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain.agent import AgentConfig
from app.domain.attempt import AttemptOutcome, Completion
from app.domain.audit import Author
from app.domain.caching import CacheMode, CacheStatus, mode_between
from app.domain.caller import Caller, Scope
from app.domain.chat import ChatChunk, ChatRequest, ChatResponse, NativeBody, Wire
from app.domain.errors import FailureKind, NotAdmitted, ProviderError
from app.domain.provider import RateLimit
from app.resilience.retry import RetryRules
from app.resilience.store import StoreRules
from tests.fakes import Cut, ScriptedAdapter, answer
from tests.gateway.conftest import HELLO, House, ask, house

RW = CacheMode.READ_WRITE
TOOLS = ChatRequest(
    [{"role": "user", "content": "price?"}], {"tools": [{"type": "function", "function": {"name": "p"}}]}
)
CALL = {"id": "call_1", "type": "function", "function": {"name": "p", "arguments": "{}"}}
NATIVE = replace(HELLO, native=NativeBody(Wire.MESSAGES, {"messages": []}))


async def asked(inn: House, **changes: Any) -> Completion:
    return await inn.gateway.complete(ask(inn, **{"cache": RW, **changes}))


async def streamed(inn: House, **changes: Any) -> tuple[Any, list[ChatChunk]]:
    async with inn.gateway.stream(ask(inn, **{"cache": RW, **changes})) as stream:
        return stream, [chunk async for chunk in stream]


def text_of(chunks: list[ChatChunk]) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def status_of(completion: Any) -> CacheStatus | None:
    return None if completion.cache is None else completion.cache.status


async def test_the_same_request_is_answered_once_more_for_nothing() -> None:
    inn = house(alpha=ScriptedAdapter("buy"))
    first = await asked(inn)
    inn.clock.advance(12)

    second = await asked(inn, request_id="r2")

    assert (status_of(first), inn.calls()) == (CacheStatus.MISS, [1])
    assert second.response == replace(first.response, usage=None)
    assert (second.cache and second.cache.status, second.cache and second.cache.age) == (CacheStatus.HIT, 12.0)
    assert (second.attempts, second.cost_usd, second.usage) == ((), Decimal(0), first.usage)
    assert second.target == first.target
    assert second.plan.reason.endswith("answered from the cache, 12 s old")


async def test_a_free_answer_has_a_row_of_its_own_and_nothing_else_hears_of_it() -> None:
    inn = house(alpha=ScriptedAdapter("buy"))
    await asked(inn)

    await asked(inn, request_id="r2", route="messages")

    (row,) = inn.free.records
    assert (row.request_id, row.route, row.outcome) == ("r2", "messages", AttemptOutcome.CACHED)
    assert (row.cost_usd, row.usage, row.credential_id) == (Decimal(0), None, "")
    assert inn.outcomes() == [("alpha", "ok")]
    assert inn.counts == {"miss": 1, "store": 1, "hit": 1}


async def test_a_free_answer_takes_of_no_limit_and_needs_none() -> None:
    inn = House({"alpha": ScriptedAdapter("buy")}, limits={"alpha": RateLimit(requests_per_minute=1)})
    await asked(inn)

    seen = [await asked(inn) for _ in range(3)]

    assert [status_of(one) for one in seen] == [CacheStatus.HIT] * 3
    assert inn.calls() == [1]


@pytest.mark.parametrize(
    ("asked_for", "enabled", "mode"),
    [
        (None, None, CacheMode.OFF),
        (None, True, RW),
        (None, False, CacheMode.OFF),
        (CacheMode.OFF, True, CacheMode.OFF),
        (CacheMode.READ, None, CacheMode.READ),
        (CacheMode.READ, True, CacheMode.READ),
        (RW, False, CacheMode.OFF),
    ],
)
def test_the_provider_has_the_default_and_the_veto(
    asked_for: CacheMode | None, enabled: bool | None, mode: CacheMode
) -> None:
    assert mode_between(asked_for, enabled=enabled) is mode


async def test_off_by_default_nothing_is_kept_nor_said() -> None:
    inn = house(alpha=ScriptedAdapter("buy"))

    completions = [await asked(inn, cache=None) for _ in range(2)]

    assert [status_of(one) for one in completions] == [None, None]
    assert (inn.calls(), inn.cache.kept.size) == ([2], 0)


async def test_a_provider_may_have_it_on_for_everybody_who_does_not_say_off() -> None:
    inn = House({"alpha": ScriptedAdapter("buy")}, caching={"alpha": True})

    completions = [await asked(inn, cache=mode) for mode in (None, None, CacheMode.OFF)]

    assert [status_of(one) for one in completions] == [CacheStatus.MISS, CacheStatus.HIT, None]


async def test_a_provider_that_is_never_to_be_cached_never_is() -> None:
    inn = House({"alpha": ScriptedAdapter("buy")}, caching={"alpha": False})

    completions = [await asked(inn) for _ in range(2)]

    assert [status_of(one) for one in completions] == [CacheStatus.BYPASS, CacheStatus.BYPASS]
    assert (inn.calls(), inn.cache.kept.size) == ([2], 0)


async def test_nor_as_a_fallback_of_one_that_is() -> None:
    down = ProviderError(FailureKind.SERVER_ERROR, "500")
    inn = House(
        {"alpha": ScriptedAdapter(down), "beta": ScriptedAdapter("sell")}, caching={"alpha": True, "beta": False}
    )

    await asked(inn)

    assert inn.cache.kept.size == 0


async def test_reading_alone_keeps_nothing_and_writing_alone_asks_anew() -> None:
    inn = house(alpha=ScriptedAdapter("one", "two"))

    modes = [CacheMode.READ, CacheMode.WRITE, CacheMode.READ, CacheMode.WRITE, CacheMode.READ]
    seen = [await asked(inn, cache=mode) for mode in modes]

    assert [one.response.text for one in seen] == ["one", "two", "two", "two", "two"]
    assert [status_of(one) for one in seen] == ["miss", "bypass", "hit", "bypass", "hit"]
    assert inn.calls() == [3]


async def test_an_answer_is_kept_for_its_time() -> None:
    inn = House({"alpha": ScriptedAdapter("buy")}, kept=StoreRules(ttl=300))
    await asked(inn)

    inn.clock.advance(299.9)
    young = await asked(inn)
    inn.clock.advance(0.1)
    old = await asked(inn)

    assert [status_of(young), status_of(old)] == [CacheStatus.HIT, CacheStatus.MISS]


async def test_callers_and_agents_never_share() -> None:
    inn = house(alpha=ScriptedAdapter("buy"))
    inn.employ(AgentConfig(1, 7, "alpha", "alpha-1"), AgentConfig(2, 8, "alpha", "alpha-1"))
    other = Caller("other", frozenset(Scope))

    seen = [await asked(inn, **who) for who in ({}, {"caller": other}, {"agent_id": 7}, {"agent_id": 8}) for _ in "12"]

    assert [status_of(one) for one in seen] == [CacheStatus.MISS, CacheStatus.HIT] * 4


async def test_a_changed_configuration_begins_anew() -> None:
    inn = house(alpha=ScriptedAdapter("buy"))
    await asked(inn)

    inn.reload()

    assert status_of(await asked(inn)) is CacheStatus.MISS


async def test_only_what_the_first_step_would_answer_is_given() -> None:
    down = ProviderError(FailureKind.SERVER_ERROR, "500")
    inn = House(
        {"alpha": ScriptedAdapter(down, "buy"), "beta": ScriptedAdapter("sell")}, rules=RetryRules(max_retries=1)
    )

    instead = await asked(inn)
    again = await asked(inn)
    there = await asked(inn, model="beta/beta-1")

    assert [one.response.text for one in (instead, again, there)] == ["sell", "buy", "sell"]
    assert [status_of(one) for one in (instead, again, there)] == ["miss", "miss", "hit"]


def finished(reason: str) -> ChatResponse:
    response = answer("buy")
    response.completion["choices"][0]["finish_reason"] = reason
    return replace(response, finish_reason=reason)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_cut_is_given_and_not_kept(reason: str) -> None:
    inn = house(alpha=ScriptedAdapter(finished(reason)))

    seen = [await asked(inn) for _ in range(2)]

    assert [status_of(one) for one in seen] == [CacheStatus.MISS, CacheStatus.MISS]


async def test_an_answer_in_doubt_is_not_kept() -> None:
    schema = {"type": "object", "required": ["side"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    inn = house(alpha=ScriptedAdapter('{"size": 1}', '{"side": "buy"}'))
    request = replace(HELLO, parameters={"response_format": form})

    seen = [await asked(inn, request=request) for _ in range(3)]

    assert [status_of(one) for one in seen] == ["miss", "miss", "hit"]
    assert seen[0].warnings


async def test_a_failure_is_not_kept() -> None:
    inn = house(alpha=ScriptedAdapter(ProviderError(FailureKind.BAD_REQUEST, "no", upstream_status=400), "buy"))

    with pytest.raises(ProviderError):
        await asked(inn)

    assert (await asked(inn)).response.text == "buy"


async def test_a_stream_serves_a_whole_answer_and_the_other_way_round() -> None:
    inn = house(alpha=ScriptedAdapter("buy now", "sell"))
    stream, chunks = await streamed(inn)
    whole = await asked(inn)
    retold, again = await streamed(inn)

    assert (status_of(stream), text_of(chunks)) == (CacheStatus.MISS, "buynow")
    assert (status_of(whole), whole.response.text, whole.response.finish_reason) == ("hit", "buynow", "stop")
    assert (status_of(retold), text_of(again), retold.finish_reason) == ("hit", "buynow", "stop")
    assert (retold.cost_usd, retold.usage, retold.attempts) == (Decimal(0), stream.usage, ())
    assert inn.calls() == [1]
    assert [row.streamed for row in inn.free.records] == [False, True]


async def test_a_stream_that_was_cut_is_not_kept() -> None:
    inn = House({"alpha": ScriptedAdapter(Cut(after=2), "buy now or never")}, rules=RetryRules(max_retries=0))

    with pytest.raises(ProviderError):
        await streamed(inn)

    assert status_of((await streamed(inn))[0]) is CacheStatus.MISS


async def test_what_is_larger_than_an_entry_may_be_is_given_and_not_kept() -> None:
    inn = House({"alpha": ScriptedAdapter("x" * 3000)}, kept=StoreRules(max_entry=2000))

    seen = [status_of(await asked(inn)), status_of((await streamed(inn))[0]), status_of(await asked(inn))]

    assert seen == [CacheStatus.MISS] * 3


async def test_nobody_can_change_what_is_kept() -> None:
    inn = house(alpha=ScriptedAdapter("buy"))
    (await asked(inn)).response.message["content"] = "mine"
    (await asked(inn)).response.message["content"] = "mine"

    assert (await asked(inn)).response.text == "buy"


async def test_a_providers_own_words_come_back_in_the_form_they_were_said() -> None:
    own = replace(answer("buy"), native={"id": "msg_1", "content": [{"type": "text", "text": "buy"}]})
    inn = house(alpha=ScriptedAdapter(own))

    first, second = [await asked(inn, request=NATIVE) for _ in range(2)]

    assert (status_of(second), second.response.native) == (CacheStatus.HIT, first.response.native)
    assert inn.calls() == [1]


async def test_a_providers_own_events_are_told_again_byte_for_byte_and_to_streams_only() -> None:
    def event(said: str, delta: dict[str, Any], finish: str | None = None) -> ChatChunk:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        native = f"event: {said}\ndata: {{}}\n\n".encode()
        return ChatChunk({"id": "c", "choices": choices}, carries=True, finish_reason=finish, native=native)

    silent = ChatChunk({"id": "c", "choices": []}, native="event: ping\ndata: \u00e9\n\n".encode())
    events = [event("start", {"content": "buy"}), silent, event("stop", {}, "stop")]
    inn = house(alpha=ScriptedAdapter(events, answer("sell")))

    _, first = await streamed(inn, request=NATIVE)
    again, second = await streamed(inn, request=NATIVE)
    whole = await asked(inn, request=NATIVE)

    assert [chunk.native for chunk in second] == [chunk.native for chunk in first]
    assert (status_of(again), again.finish_reason) == (CacheStatus.HIT, "stop")
    assert (status_of(whole), whole.response.text) == (CacheStatus.MISS, "sell")


@pytest.mark.parametrize("form", ["whole", "stream"])
async def test_what_was_thought_before_a_call_is_remembered_at_a_hit_too(form: str) -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "momentum"}
    thinking = ChatResponse(
        {**answer("").completion, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]},
        "tool_calls",
    )
    inn = house(alpha=ScriptedAdapter(thinking, "up"))
    await asked(inn, request=TOOLS)
    inn.clock.advance(299)
    await (asked(inn, request=TOOLS) if form == "whole" else streamed(inn, request=TOOLS))
    # Half an hour after the answer, but not after the hit: only who remembered it then still knows.
    inn.clock.advance(1_600)

    said = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "5"}
    await asked(inn, request=replace(TOOLS, messages=[*TOOLS.messages, said, result]))

    sent = inn.adapters["alpha"].calls[-1].request.messages
    assert sent[1]["reasoning_content"] == "momentum"


async def test_what_is_stopped_is_not_answered_from_the_cache_either() -> None:
    inn = house(alpha=ScriptedAdapter("buy"))
    await asked(inn)
    await inn.kills.kill("all", "flash crash", Author("key1"))

    with pytest.raises(NotAdmitted):
        await asked(inn)


async def test_with_the_cache_off_no_request_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    inn = house(alpha=ScriptedAdapter("buy"))
    monkeypatch.setattr("app.gateway.keeping.key_of", None)

    assert (await asked(inn, cache=None)).response.text == "buy"
