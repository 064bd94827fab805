"""Rounds with registered tools end with an answer, in time, and lose nothing on the way."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from app.domain.audit import Author
from app.domain.caching import CacheMode
from app.domain.chat import Call, ChatResponse
from app.domain.errors import Code, DeadlineExceeded, FailureKind, OutcryError, ProviderError
from app.domain.tools import ToolCall, ToolError, ToolFailure, ToolReply
from app.tools.calling import STATUSES, RoundRules
from tests.fakes import FakeClock, ScriptedAdapter
from tests.fakes_tools import ScriptedTools, tool
from tests.tools.conftest import Workshop, call_delta, calling, chunk

OWN = {"type": "function", "function": {"name": "place_order", "parameters": {"type": "object"}}}


def messages(adapter: ScriptedAdapter, call: int = -1) -> list[dict[str, Any]]:
    return list(adapter.calls[call].request.messages)


def test_every_failure_has_a_status() -> None:
    assert set(STATUSES) == set(ToolFailure)


async def test_the_model_hears_the_result_and_answers() -> None:
    model = ScriptedAdapter(calling("get_price", content="let me see"), "up")
    work = Workshop(ScriptedTools(get_price="64231"), model=model)
    answering = work.answering()

    completion = await answering.complete(work.ask())

    said, result = messages(model)[-2:]
    assert completion.response.text == "up"
    assert (said["content"], said["tool_calls"][0]["id"]) == ("let me see", "call_0")
    assert result == {"role": "tool", "tool_call_id": "call_0", "content": "64231"}
    assert [(call.round, call.tool, call.status) for call in answering.calls] == [(1, "get_price", "ok")]
    assert work.heard.calls == list(answering.calls)


async def test_what_is_summed_up_is_that_of_every_round() -> None:
    model = ScriptedAdapter(calling("get_price"), calling("get_price"), "up")
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    completion = await work.answering().complete(work.ask())

    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (30, 15)
    assert len(completion.attempts) == 3
    assert completion.latency == 0.0


async def test_a_failing_tool_is_told_and_the_next_round_goes_on() -> None:
    model = ScriptedAdapter(calling("get_price"), "never mind")
    work = Workshop(ScriptedTools(get_price=ToolError(ToolFailure.ERROR, "it broke", status=500)), model=model)
    answering = work.answering()

    completion = await answering.complete(work.ask())

    assert completion.response.text == "never mind"
    assert json.loads(messages(model)[-1]["content"]) == {"error": "it broke"}
    assert (answering.calls[0].code, answering.calls[0].http_status) == (ToolFailure.ERROR, 500)


@pytest.mark.parametrize("arguments", ["{", "[]", "{}", '{"symbol": 1}', '{"symbol": NaN}', '{"symbol": "\\ud800"}'])
async def test_arguments_that_are_wrong_are_never_sent(arguments: str) -> None:
    model = ScriptedAdapter(calling("get_price", arguments=arguments), "sorry")
    work = Workshop(ScriptedTools(get_price="1"), model=model)
    answering = work.answering()

    await answering.complete(work.ask())

    assert work.tools.calls == []
    assert answering.calls[0].code is ToolFailure.ARGUMENTS
    assert "error" in json.loads(messages(model)[-1]["content"])


async def test_what_a_model_wrote_is_not_put_on_record() -> None:
    model = ScriptedAdapter(calling("get_price", arguments='{"symbol": 4711}'), "sorry")
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    await work.answering().complete(work.ask())

    assert "4711" not in str(work.heard.calls[0].message)


async def test_a_tool_that_a_model_made_up_is_told_to_it() -> None:
    model = ScriptedAdapter(calling("buy_the_moon"), "sorry")
    work = Workshop(ScriptedTools(get_price="1"), model=model)
    answering = work.answering()

    completion = await answering.complete(work.ask())

    assert completion.response.text == "sorry"
    assert answering.calls[0].code is ToolFailure.UNKNOWN


async def test_a_tool_whose_headers_cannot_be_read_is_not_called() -> None:
    model = ScriptedAdapter(calling("get_price"), "sorry")
    locked = tool(header_names=("authorization",), undecryptable=True)
    work = Workshop(ScriptedTools(get_price="1"), locked, model=model)

    await work.answering().complete(work.ask())

    assert work.tools.calls == []
    assert work.heard.calls[0].code is ToolFailure.LOCKED
    assert work.registry.undecryptable == 1


async def test_calls_of_one_turn_are_side_by_side_and_never_too_many_at_once() -> None:
    model = ScriptedAdapter(calling(*["get_price"] * 6), "up")
    work = Workshop(ScriptedTools(get_price="1"), rules=RoundRules(parallel=3), model=model)

    await work.answering().complete(work.ask())

    assert work.tools.most_at_once == 3
    assert [message["tool_call_id"] for message in messages(model)[-6:]] == [f"call_{n}" for n in range(6)]


async def test_after_the_last_round_no_tool_may_be_called() -> None:
    model = ScriptedAdapter(calling("get_price"), calling("get_price"), "at last")
    work = Workshop(ScriptedTools(get_price="1"), rules=RoundRules(max_rounds=2), model=model)

    completion = await work.answering().complete(work.ask())

    choices = [call.request.parameters.get("tool_choice") for call in model.calls]
    assert choices == [None, None, "none"]
    assert "after 2 rounds of tools the model had to answer" in completion.warnings


async def test_a_model_that_calls_all_the_same_is_handed_back_with_a_warning() -> None:
    model = ScriptedAdapter(calling("get_price"))
    work = Workshop(ScriptedTools(get_price="1"), rules=RoundRules(max_rounds=1), model=model)

    completion = await work.answering().complete(work.ask())

    assert len(work.tools.calls) == 1
    assert completion.response.finish_reason == "tool_calls"
    assert any("nothing of it was called" in warning for warning in completion.warnings)


async def test_calls_beyond_the_bound_are_told_and_not_made() -> None:
    model = ScriptedAdapter(calling(*["get_price"] * 4), "enough")
    work = Workshop(ScriptedTools(get_price="1"), rules=RoundRules(max_calls=3), model=model)

    completion = await work.answering().complete(work.ask())

    assert len(work.tools.calls) == 3
    assert "no more than 3 calls" in messages(model)[-1]["content"]
    assert model.calls[-1].request.parameters["tool_choice"] == "none"
    assert "after 3 calls of tools the model had to answer" in completion.warnings


async def test_a_model_that_wants_hundreds_of_calls_at_once_has_answered_badly() -> None:
    model = ScriptedAdapter(calling(*["get_price"] * 129))
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    with pytest.raises(ProviderError) as raised:
        await work.answering().complete(work.ask())

    assert raised.value.kind is FailureKind.BAD_ANSWER
    assert work.tools.calls == []


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("required", "auto"),
        ({"type": "function", "function": {"name": "get_price"}}, "auto"),
        ("auto", "auto"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
        ),
    ],
)
async def test_a_model_is_made_to_call_in_the_first_round_only(first: object, then: object) -> None:
    model = ScriptedAdapter(calling("get_price"), "up")
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    await work.answering().complete(work.ask(parameters={"tool_choice": first}))

    assert [call.request.parameters["tool_choice"] for call in model.calls] == [first, then]


async def test_a_turn_with_a_call_of_the_callers_is_the_callers() -> None:
    model = ScriptedAdapter(calling("get_price", "place_order"))
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    completion = await work.answering().complete(work.ask(OWN))

    assert [call["id"] for call in completion.response.message["tool_calls"]] == ["call_0", "call_1"]
    assert work.tools.calls == []
    assert any("the whole turn is yours" in warning for warning in completion.warnings)


async def test_the_next_round_prefers_the_target_that_answered_and_falls_over_to_the_others() -> None:
    broken = ProviderError(FailureKind.SERVER_ERROR, "500")
    first = ScriptedAdapter(broken, calling("get_price"), broken)
    second = ScriptedAdapter(calling("get_price"), "still the second")
    work = Workshop(ScriptedTools(get_price="1"), first=first, second=second)

    stayed = await work.answering().complete(work.ask())

    assert stayed.response.text == "still the second"
    assert [one.target.provider for one in stayed.attempts] == ["first", "second", "second"]

    second._behaviours = ["the second took over"]
    moved = await work.answering().complete(work.ask())

    assert moved.response.text == "the second took over"
    assert [one.target.provider for one in moved.attempts] == ["first", "first", "second"]
    assert moved.is_fallback


async def test_a_target_that_is_gone_by_the_next_round_is_not_missed() -> None:
    first, second = ScriptedAdapter(calling("get_price")), ScriptedAdapter("second")
    work = Workshop(ScriptedTools(get_price="1"), first=first, second=second)

    class Reloading(ScriptedTools):
        async def call(self, call: ToolCall) -> ToolReply:
            del work.house.adapters["first"]
            work.house.reload()
            return ToolReply(200, "1", 1)

    work.rounds._tools = Reloading(get_price="1")

    completion = await work.answering().complete(work.ask())

    assert completion.response.text == "second"


async def test_an_error_of_a_later_round_counts_the_attempts_before_it() -> None:
    model = ScriptedAdapter(calling("get_price"), ProviderError(FailureKind.BAD_REQUEST, "no", upstream_status=400))
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    with pytest.raises(OutcryError) as raised:
        await work.answering().complete(work.ask())

    assert raised.value.status == 400
    assert raised.value.trail.attempts == 2


async def test_no_round_begins_behind_the_deadline() -> None:
    model = ScriptedAdapter(calling("get_price"), "too late")
    work = Workshop(ScriptedTools(get_price="1"), model=model)
    work.rounds._tools = Late(work.house.clock, 60.0)

    with pytest.raises(DeadlineExceeded):
        await work.answering().complete(work.ask())

    assert len(model.calls) == 1


class Late:
    """A tool that takes its time."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    async def call(self, call: ToolCall) -> ToolReply:
        self._clock.advance(self._seconds)
        return ToolReply(200, "1", 1)


@pytest.mark.parametrize(("own", "deadline", "given"), [(10.0, 60.0, 10.0), (30.0, 10.0, 8.0)])
async def test_a_call_gets_its_own_time_and_leaves_some_to_the_model(own: float, deadline: float, given: float) -> None:
    model = ScriptedAdapter(calling("get_price"), "up")
    work = Workshop(ScriptedTools(get_price="1"), tool(timeout=own), model=model)

    await work.answering().complete(work.ask(deadline=work.house.clock.now() + deadline))

    assert work.tools.calls[0].timeout == pytest.approx(given)


async def test_a_caller_who_leaves_ends_the_calls_which_are_on_record_all_the_same() -> None:
    model = ScriptedAdapter(calling("get_price"))
    work = Workshop(ScriptedTools(get_price=anyio.Event()), model=model)

    async with anyio.create_task_group() as caller:
        caller.start_soon(work.answering().complete, work.ask())
        await work.tools.reached.wait()
        caller.cancel_scope.cancel()

    assert [call.code for call in work.heard.calls] == [ToolFailure.CANCELLED]


async def test_a_stream_shows_what_is_said_in_every_round_and_no_call_of_a_registered_tool() -> None:
    turn = [
        chunk({"role": "assistant", "content": "let me see. "}),
        chunk(call_delta(0, "get_price", "", id="call_0")),
        chunk(call_delta(0, None, '{"symbol": "BTC"}')),
        chunk({}, finish="tool_calls"),
    ]
    model = ScriptedAdapter(turn, "up")
    work = Workshop(ScriptedTools(get_price="1"), model=model)
    answering = work.answering()

    async with answering.stream(work.ask()) as stream:
        chunks = [one async for one in stream]

    deltas = [choice["delta"] for one in chunks for choice in one.chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "let me see. up"
    assert not any(delta.get("tool_calls") for delta in deltas)
    assert [call.status for call in answering.calls] == ["ok"]
    assert len(stream.attempts) == 2
    assert messages(model)[-2]["tool_calls"][0]["function"]["arguments"] == '{"symbol": "BTC"}'
    assert model.open_streams == 0


async def test_a_call_of_the_callers_is_shown_as_it_comes_and_the_rest_of_its_turn_after_it() -> None:
    turn = [
        chunk(call_delta(0, "get_price", "{}", id="call_0")),
        chunk(call_delta(1, "place_order", "", id="call_1")),
        chunk(call_delta(1, None, "{}")),
        chunk({}, finish="tool_calls"),
    ]
    work = Workshop(ScriptedTools(get_price="1"), model=ScriptedAdapter(turn))

    async with work.answering().stream(work.ask(OWN)) as stream:
        chunks = [one async for one in stream]

    deltas = [choice["delta"] for one in chunks for choice in one.chunk["choices"]]
    shown = [call["index"] for delta in deltas for call in delta.get("tool_calls") or ()]
    assert shown == [1, 1, 0]
    assert stream.finish_reason == "tool_calls"
    assert work.tools.calls == []


async def test_a_stream_that_is_left_between_rounds_closes_what_is_open() -> None:
    turn = [
        chunk({"content": "see"}),
        chunk(call_delta(0, "get_price", '{"symbol": "B"}', id="c")),
        chunk({}, "tool_calls"),
    ]
    model = ScriptedAdapter(turn, "up and away")
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    async with work.answering().stream(work.ask()) as stream:
        async for one in stream:
            if "up" in str(one.chunk):
                break

    assert model.open_streams == 0


async def test_a_later_round_of_a_stream_that_fails_is_one_error() -> None:
    turn = [chunk(call_delta(0, "get_price", '{"symbol": "B"}', id="c")), chunk({}, "tool_calls")]
    model = ScriptedAdapter(turn, ProviderError(FailureKind.BAD_REQUEST, "no", upstream_status=400))
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    async with work.answering().stream(work.ask()) as stream:
        with pytest.raises(OutcryError) as raised:
            async for _ in stream:
                pass

    assert raised.value.trail.attempts == 2


async def test_secrets_of_a_tool_reach_the_tool_alone() -> None:
    model = ScriptedAdapter(calling("get_price"), "up")
    secret = tool(headers={"authorization": SecretStr("tk-canary-0123456789")})
    work = Workshop(ScriptedTools(get_price="1"), secret, model=model)

    completion = await work.answering().complete(work.ask())

    assert "tk-canary" not in f"{model.calls} {completion} {work.heard.calls} {work.tools.calls}"


async def test_what_tools_say_is_not_cached_and_who_asked_for_it_is_told() -> None:
    model = ScriptedAdapter(calling("get_price"), "up")
    work = Workshop(ScriptedTools(get_price="1"), model=model)

    completion = await work.answering().complete(work.ask(cache=CacheMode.READ_WRITE))

    assert completion.cache is None
    assert any("are not cached" in warning for warning in completion.warnings)


@pytest.mark.parametrize("scope", ["all", "model:model/model-1"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_no_tool_is_called_for_a_model_that_was_stopped_while_it_thought(scope: str, streamed: bool) -> None:
    turn = [chunk(call_delta(0, "get_price", '{"symbol": "B"}', id="c")), chunk({}, "tool_calls")]

    class Stopped(ScriptedAdapter):
        async def complete(self, call: Call) -> ChatResponse:
            await work.house.kills.kill(scope, "flash crash", Author("key1"))
            return await super().complete(call)

    work = Workshop(ScriptedTools(get_price="1"), model=Stopped(turn if streamed else calling("get_price"), "up"))

    with pytest.raises(OutcryError) as raised:
        if streamed:
            async with work.answering().stream(work.ask()) as stream:
                await work.house.kills.kill(scope, "flash crash", Author("key1"))
                _ = [one async for one in stream]
        else:
            await work.answering().complete(work.ask())

    assert (raised.value.code, work.tools.calls) == (Code.KILLED, [])
