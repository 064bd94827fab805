from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from app.adapters.build import build_adapter
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.provider import ProviderConfig, ProviderType
from tests.adapters.streams import a_call, told
from tests.adapters.wire import body_for, refused_param, warned_for
from tests.golden import golden_bytes, golden_json

T = ProviderType.GROQ
GPT, QWEN = "openai/gpt-oss-120b", "qwen/qwen3.8-27b"
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("model", "level", "expected"),
    [
        (GPT, "medium", "medium"),
        (GPT, "max", "high"),
        (QWEN, "none", "none"),
        (QWEN, "default", "default"),
        (QWEN, "high", "high"),
    ],
)
def test_the_two_families_know_levels(model: str, level: str, expected: str) -> None:
    assert body_for(T, model=model, reasoning_effort=level)["reasoning_effort"] == expected
    assert warned_for(T, model=model, reasoning_effort=level) == []


def test_other_models_are_not_asked_to_reason() -> None:
    assert "reasoning_effort" not in body_for(T, model="other", reasoning_effort="low")
    assert warned_for(T, model="other", reasoning_effort="low") == ["reasoning_effort"]
    assert warned_for(T, model=GPT, reasoning_effort="none") == ["reasoning_effort"]


def test_thoughts_are_kept_out_of_the_content() -> None:
    assert body_for(T, model=QWEN)["reasoning_format"] == "parsed"
    assert body_for(T, model=QWEN, reasoning_format="hidden")["reasoning_format"] == "hidden"
    assert "reasoning_format" not in body_for(T, model=QWEN, include_reasoning=False)
    assert "reasoning_format" not in body_for(T, model=GPT)


def test_messages_have_no_nulls_and_no_names() -> None:
    said = {"role": "assistant", "content": None, "function_call": None, "audio": None, "refusal": None, "name": "x"}
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    sent = body_for(T, [{**said, "tool_calls": calls, "reasoning_content": "why"}])["messages"]
    assert sent == [{"role": "assistant", "content": None, "tool_calls": calls, "reasoning": "why"}]


def test_what_it_refuses_is_dropped_or_refused() -> None:
    assert warned_for(T, presence_penalty=1, frequency_penalty=0, logit_bias={}, metadata={}, store=False) == [
        *("logit_bias", "metadata", "presence_penalty")
    ]
    assert body_for(T, max_tokens=5, service_tier="flex")["max_completion_tokens"] == 5
    assert refused_param(T, stop=list("abcde")) == "stop"
    assert refused_param(T, tools=[TOOL] * 129) == "tools"
    assert refused_param(T, model=GPT, response_format=SCHEMA, tools=[TOOL]) == "response_format"


def test_json_is_not_streamed() -> None:
    for wanted in (SCHEMA, {"type": "json_object"}):
        assert {"stream", "stream_options"}.isdisjoint(body_for(T, model=GPT, stream=True, response_format=wanted))
    assert body_for(T, model=GPT, stream=True)["stream"] is True


def adapter(status: int, content: bytes, seen: list[Any]) -> Any:
    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(orjson.loads(request.content))
        return httpx.Response(status, content=content, headers={"x-ratelimit-remaining-requests": "3"})

    return build_adapter(ProviderConfig("g", T, "http://p.test/v1"), httpx.MockTransport(handler))


@pytest.mark.parametrize("name", ["chat_response", "chat_tool_call"])
async def test_json_that_comes_whole_is_told_as_a_stream(name: str) -> None:
    seen: list[Any] = []
    target = adapter(200, golden_bytes(f"groq/{name}.json"), seen)
    call = a_call(GPT, response_format=SCHEMA, user=None, logit_bias={"1": 1})

    whole = await target.complete(call)
    async with target.stream(call) as parts:
        chunks = [chunk async for chunk in parts]

    result = told(chunks)
    assert seen[0] == seen[1]
    assert (result.content, result.reasoning) == (whole.text, whole.message.get("reasoning_content", ""))
    assert (result.finish, result.usage, result.usage_chunks) == (whole.finish_reason, whole.usage, 1)
    assert [call["arguments"] for call in result.calls.values()] == [
        each["function"]["arguments"] for each in whole.message.get("tool_calls", ())
    ]
    assert [chunk.carries for chunk in chunks] == [True, False, False]
    assert chunks[0].warnings == whole.warnings == ("logit_bias was dropped: groq does not take it",)
    assert chunks[0].allowance == whole.allowance is not None
    assert chunks[0].chunk["choices"][0]["delta"]["role"] == "assistant"
    assert all(chunk.chunk["object"] == "chat.completion.chunk" for chunk in chunks)


async def test_an_error_of_such_an_answer_is_raised_on_entering() -> None:
    fixture = golden_json("groq/error_400_json_validate_failed.json")
    target = adapter(fixture["status"], orjson.dumps(fixture["body"]), [])
    with pytest.raises(ProviderError) as caught:
        async with target.stream(a_call(GPT, response_format=SCHEMA)):
            pass
    assert caught.value.kind is K.BAD_ANSWER
