from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from app.domain.chat import ChatChunk, ChatRequest, ChatResponse
from app.domain.errors import Code, FailureKind, OutcryError, ProviderError
from app.domain.needs import CHAT_ABILITIES, FORCED_TOOLS, JSON_OBJECT, JSON_SCHEMA, TOOLS
from app.domain.structured import Rung
from tests.fakes import ScriptedAdapter, answer
from tests.gateway.conftest import House, ask, house

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
USER = {"role": "user", "content": "hello"}
NO_SCHEMA = CHAT_ABILITIES - {JSON_SCHEMA}
JSON_ONLY = frozenset({JSON_OBJECT})


def wanted(*, strict: bool = True, **more: Any) -> ChatRequest:
    form = {"type": "json_schema", "json_schema": {"name": "opinion", "strict": strict, "schema": SCHEMA}}
    return ChatRequest([USER], {"response_format": form, **more})


def json_object() -> ChatRequest:
    return ChatRequest([USER], {"response_format": {"type": "json_object"}})


def called(arguments: str) -> ChatResponse:
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "opinion", "arguments": arguments}}],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return ChatResponse({"id": "x", "choices": [choice]}, "tool_calls")


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> ChatChunk:
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
    return ChatChunk({"id": "x", "choices": [choice]}, carries=any(delta.values()), finish_reason=finish)


def texts(*pieces: str, finish: str = "stop") -> list[ChatChunk]:
    return [*(chunk({"content": piece}) for piece in pieces), chunk({}, finish)]


async def streamed(way: House, request: ChatRequest) -> tuple[str, str | None, tuple[str, ...]]:
    async with way.gateway.stream(ask(way, request=request)) as stream:
        said = "".join([c.chunk["choices"][0]["delta"].get("content") or "" async for c in stream])
    return said, stream.finish_reason, stream.warnings


@pytest.mark.parametrize(
    ("dialect", "rung"),
    [
        (CHAT_ABILITIES, Rung.SCHEMA),
        (NO_SCHEMA, Rung.TOOL),
        (JSON_ONLY, Rung.JSON_MODE),
        (frozenset({TOOLS}), Rung.PROMPT),
    ],
)
async def test_a_schema_is_asked_for_by_the_best_rung_there_is(dialect: frozenset[str], rung: Rung) -> None:
    said = called('{"a": 1}') if rung is Rung.TOOL else answer('{"a": 1}')
    way = house(alpha=ScriptedAdapter(said, dialect=dialect))

    done = await way.gateway.complete(ask(way, request=wanted()))

    assert (done.rung, done.response.text, done.response.finish_reason) == (rung, '{"a": 1}', "stop")
    assert done.response.message.get("tool_calls") is None
    assert bool([w for w in done.warnings if "json_schema is asked for" in w]) is (rung is not Rung.SCHEMA)


async def test_each_rung_says_what_its_target_understands() -> None:
    sent: dict[Rung, ChatRequest] = {}
    for dialect in (CHAT_ABILITIES, NO_SCHEMA, JSON_ONLY, frozenset[str]()):
        adapter = ScriptedAdapter('{"a": 1}', dialect=dialect)
        way = house(alpha=adapter)
        done = await way.gateway.complete(ask(way, request=wanted()))
        assert done.rung is not None
        sent[done.rung] = adapter.calls[0].request

    assert sent[Rung.SCHEMA] == wanted()
    assert sent[Rung.TOOL].parameters["tool_choice"] == {"type": "function", "function": {"name": "opinion"}}
    assert sent[Rung.TOOL].parameters["tools"][0]["function"]["parameters"] == SCHEMA
    assert "response_format" not in sent[Rung.TOOL].parameters
    assert sent[Rung.JSON_MODE].parameters == {"response_format": {"type": "json_object"}}
    assert '"required":["a"]' in sent[Rung.JSON_MODE].messages[0]["content"]
    assert sent[Rung.PROMPT].parameters == {}
    assert [m["role"] for m in sent[Rung.PROMPT].messages] == ["system", "user"]


async def test_instructions_join_the_callers_system_message() -> None:
    adapter = ScriptedAdapter('{"a": 1}', dialect=JSON_ONLY)
    way = house(alpha=adapter)
    request = ChatRequest([{"role": "system", "content": "Be brief."}, USER], wanted().parameters)

    await way.gateway.complete(ask(way, request=request))

    messages = adapter.calls[0].request.messages
    assert [m["role"] for m in messages] == ["system", "user"]
    assert messages[0]["content"].startswith("Be brief.\n\nAnswer with one JSON object")


@pytest.mark.parametrize("more", [{"tools": [{"type": "function"}]}, {"reasoning_effort": "high"}])
async def test_no_tool_is_forced_beside_the_callers_own_or_while_thinking(more: dict[str, Any]) -> None:
    way = house(alpha=ScriptedAdapter('{"a": 1}', dialect=NO_SCHEMA))

    assert (await way.gateway.complete(ask(way, request=wanted(**more)))).rung is Rung.JSON_MODE


async def test_json_mode_needs_no_schema_and_no_warning() -> None:
    way = house(alpha=ScriptedAdapter('```json\n{"a": 1}\n```', dialect=JSON_ONLY))

    done = await way.gateway.complete(ask(way, request=json_object()))

    assert (done.rung, done.response.text) == (Rung.JSON_MODE, '{"a": 1}')
    assert not [w for w in done.warnings if "json" in w]


async def test_thoughts_are_told_apart_from_the_json() -> None:
    way = house(alpha=ScriptedAdapter('<think>up or down?</think>\n{"a": 1}'))

    done = await way.gateway.complete(ask(way, request=json_object()))

    assert (done.response.text, done.response.message["reasoning_content"]) == ('{"a": 1}', "up or down?")


@pytest.mark.parametrize("text", ["no JSON here", '{"a": 1', '{"a": "one"}', '{"a": NaN}', "[1]", '{"a": 1} {"a": 2}'])
async def test_an_answer_that_is_not_as_asked_is_its_targets_failure(text: str) -> None:
    way = house(alpha=ScriptedAdapter(text), beta=ScriptedAdapter('{"a": 1}'))

    done = await way.gateway.complete(ask(way, request=wanted()))

    assert (done.response.text, done.target.provider) == ('{"a": 1}', "beta")
    assert way.recorder.records[0].code is Code.PROVIDER_BAD_ANSWER
    assert way.recorder.records[0].usage is not None


async def test_without_strict_a_breach_of_the_schema_is_a_warning() -> None:
    way = house(alpha=ScriptedAdapter('{"a": "one"}'))

    done = await way.gateway.complete(ask(way, request=wanted(strict=False)))

    assert [w for w in done.warnings if w.startswith("the answer does not follow the schema: a:")]


async def test_a_schema_that_nobody_can_compile_is_said_and_not_refused() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"pattern": "(?<=a)b"}}}
    way = house(alpha=ScriptedAdapter('{"a": 1}'))

    done = await way.gateway.complete(ask(way, request=ChatRequest([USER], {"response_format": form})))

    assert [w for w in done.warnings if "is not checked against the schema" in w]


async def test_an_asker_who_reads_alone_gets_the_text_as_it_came() -> None:
    way = house(alpha=ScriptedAdapter("BUY, surely", dialect=JSON_ONLY))

    done = await way.gateway.complete(ask(way, request=wanted(), enforces_format=False))

    assert (done.response.text, done.rung) == ("BUY, surely", Rung.JSON_MODE)


async def test_a_cut_answer_is_given_with_a_warning() -> None:
    cut = answer('{"a": ')
    cut.completion["choices"][0]["finish_reason"] = "length"
    way = house(alpha=ScriptedAdapter(cut))

    done = await way.gateway.complete(ask(way, request=wanted()))

    assert done.response.finish_reason == "length"
    assert [w for w in done.warnings if "ended early" in w]


async def test_a_stream_is_bare_from_its_first_byte() -> None:
    way = house(alpha=ScriptedAdapter(texts("Sure:\n```js", 'on\n{"a"', ": 1", "}\n``", "`")))

    said, finish, _ = await streamed(way, wanted())

    assert (said, finish) == ('{"a": 1}', "stop")


async def test_a_streamed_tool_call_becomes_content() -> None:
    function = {"name": "opinion", "arguments": ""}
    pieces = [
        chunk({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}),
        chunk({}, "tool_calls"),
    ]
    way = house(alpha=ScriptedAdapter(pieces, dialect=frozenset({TOOLS, FORCED_TOOLS})))

    assert (await streamed(way, wanted()))[:2] == ('{"a": 1}', "stop")


async def test_a_stream_without_json_falls_over_before_anything_was_said() -> None:
    way = house(alpha=ScriptedAdapter(texts("I cannot ", "do that.")), beta=ScriptedAdapter(texts('{"a": 1}')))

    assert (await streamed(way, wanted()))[0] == '{"a": 1}'
    assert way.calls() == [1, 1]


@pytest.mark.parametrize("pieces", [('{"a": 1',), ('{"a": "one"}',)])
async def test_a_stream_that_turns_out_wrong_ends_in_an_error_not_in_a_finish(pieces: tuple[str, ...]) -> None:
    way = house(alpha=ScriptedAdapter(texts(*pieces)))

    with pytest.raises(OutcryError) as caught:
        await streamed(way, wanted())

    assert caught.value.code is Code.PROVIDER_BAD_ANSWER
    assert way.recorder.records[-1].code is Code.PROVIDER_BAD_ANSWER


async def test_a_breach_found_at_the_end_of_a_stream_is_warned_of() -> None:
    way = house(alpha=ScriptedAdapter(texts('{"a": "one"}')))

    _, finish, warnings = await streamed(way, wanted(strict=False))

    assert finish == "stop"
    assert [w for w in warnings if "does not follow the schema" in w]


async def test_text_passes_untouched_where_no_json_was_asked_for() -> None:
    way = house(alpha=ScriptedAdapter(texts("```json\n{}\n```")))

    assert (await streamed(way, ChatRequest([USER])))[0] == "```json\n{}\n```"


async def test_a_target_that_cannot_say_the_format_beside_the_rest_is_asked_one_rung_lower() -> None:
    beside = ProviderError(FailureKind.UNSUPPORTED, "no JSON beside tools", param="response_format")
    adapter = ScriptedAdapter(beside, beside, '{"a": 1}')
    way = house(alpha=adapter)

    done = await way.gateway.complete(ask(way, request=wanted(tools=[{"type": "function"}]), max_retries=0))

    assert (done.rung, done.response.text) == (Rung.PROMPT, '{"a": 1}')
    assert [call.request.response_format for call in adapter.calls] == ["json_schema", "json_object", None]
    assert [one.outcome.value for one in done.attempts] == ["skipped", "skipped", "ok"]


async def test_words_alone_are_the_last_rung() -> None:
    never = ProviderError(FailureKind.UNSUPPORTED, "no JSON at all", param="response_format")
    way = house(alpha=ScriptedAdapter(never))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, request=wanted()))

    assert (caught.value.status, caught.value.param) == (400, "response_format")
    assert way.calls() == [4]


@pytest.mark.parametrize("extra", [1, 100_000])
async def test_every_choice_of_an_answer_is_checked_however_large_it_is(extra: int) -> None:
    good, bad = f'{{"a": 1, "b": "{"x" * extra}"}}', f'{{"a": "one", "b": "{"x" * extra}"}}'
    messages = [{"role": "assistant", "content": text} for text in (good, f"```json\n{good}\n```", bad)]
    choices = [{"index": n, "message": m, "finish_reason": "stop"} for n, m in enumerate(messages)]
    way = house(alpha=ScriptedAdapter(ChatResponse({"id": "x", "choices": choices}, "stop")))

    completion = await way.gateway.complete(ask(way, request=wanted(strict=False)))

    assert [c["message"]["content"] for c in completion.response.completion["choices"]] == [good, good, bad]
    assert len([w for w in completion.warnings if "does not follow the schema" in w]) == 1


async def test_a_large_stream_is_checked_before_its_finish() -> None:
    way = house(alpha=ScriptedAdapter(texts('{"a": "one", "b": "', "x" * 100_000, '"}')))

    with pytest.raises(OutcryError) as caught:
        await streamed(way, wanted())

    assert caught.value.code is Code.PROVIDER_BAD_ANSWER


async def test_what_would_take_too_long_to_check_is_passed_on_with_a_warning() -> None:
    fork = {"anyOf": [{"properties": {"n": {"$ref": "#"}}, "required": [name]} for name in ("x", "y")]}
    form = {"type": "json_schema", "json_schema": {"name": "o", "strict": True, "schema": fork}}
    way = house(alpha=ScriptedAdapter(answer('{"n": ' * 50 + "{}" + "}" * 50)))

    completion = await way.gateway.complete(ask(way, request=ChatRequest([USER], {"response_format": form})))

    assert "the answer is not checked against the schema: with this answer that would take too long" in (
        completion.warnings
    )
