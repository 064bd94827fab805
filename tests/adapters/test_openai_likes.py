from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from app.adapters.presets import PRESETS
from app.domain.provider import ProviderType as T
from app.domain.usage import Usage
from tests.adapters.streams import chunks_of, told
from tests.adapters.wire import body_for, from_request, refused_param, warned_for
from tests.golden import golden_bytes, golden_json

TOOLS = [{"type": "function", "function": {"name": name, "strict": True}} for name in ("f", "g")]
CALLS = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
USER: dict[str, Any] = {"role": "user", "content": "y"}
LIKES = [T.DEEPSEEK, T.GROQ, T.XAI, T.MISTRAL, T.TOGETHER, T.OPENROUTER, T.VLLM, T.LOCALAI]


def parameters_for(type_: T, **given: Any) -> dict[str, Any]:
    body = body_for(type_, **given)
    return {name: value for name, value in body.items() if name not in ("model", "messages")}


@pytest.mark.parametrize(
    ("type_", "model", "given", "expected", "warned"),
    [
        (T.XAI, "grok-4.7", {"max_completion_tokens": 5, "seed": 1, "user": "u", "n": 2}
         , {"max_tokens": 5, "seed": 1, "user": "u", "n": 2}, []),
        (T.XAI, "grok-4.7", {"stop": "x", "presence_penalty": 1, "frequency_penalty": 0, "logit_bias": {"1": 1}}
         , {}, ["presence_penalty", "stop", "logit_bias"]),
        (T.XAI, "grok-4.20-non-reasoning", {"stop": "x"}, {"stop": "x"}, []),
        (T.XAI, "grok-4.3", {"reasoning_effort": "none"}, {"reasoning_effort": "none"}, []),
        (T.XAI, "grok-4.5", {"reasoning_effort": "none"}, {"reasoning_effort": "low"}, ["reasoning_effort"]),
        (T.XAI, "grok-4.6", {"reasoning_effort": "max"}, {"reasoning_effort": "xhigh"}, []),
        (T.XAI, "grok-4.7", {"reasoning_effort": "xhigh"}, {"reasoning_effort": "high"}, []),
        (T.XAI, "grok-3-mini", {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}, []),
        (T.XAI, "grok-4-0709", {"reasoning_effort": "low"}, {}, ["reasoning_effort"]),
        (T.XAI, "grok-3", {"reasoning_effort": "low"}, {}, ["reasoning_effort"]),
        (T.XAI, "grok-4.7", {"top_k": 4, "min_p": 0.1}, {}, ["min_p", "top_k"]),
        (T.GROQ, "openai/gpt-oss-120b", {"top_k": 4}, {}, ["top_k"]),
        (T.DEEPSEEK, "deepseek-v4-pro", {"top_k": 4}, {}, ["top_k"]),
        (T.MISTRAL, "codestral-latest", {"reasoning_effort": "high", "top_k": 4}, {"top_k": 4}, ["reasoning_effort"]),
        (T.OPENAI, "gpt-4o", {"reasoning_effort": "none", "verbosity": "low", "top_k": 4}
         , {}, ["reasoning_effort", "verbosity", "top_k"]),
        (T.OPENAI, "chatgpt-4o-latest", {"verbosity": "medium"}, {"verbosity": "medium"}, []),
        (T.AZURE, "gpt-4.1", {"reasoning_effort": "high"}, {}, ["reasoning_effort"]),
        (T.OPENAI, "gpt-5.1", {"metadata": {"a": "b"}, "reasoning_effort": "high"}
         , {"reasoning_effort": "high"}, ["metadata"]),
        (T.OPENAI, "gpt-4o", {"metadata": {"a": "b"}, "store": False}, {"store": False}, ["metadata"]),
        (T.OPENAI, "gpt-4o", {"metadata": {"a": "b"}, "store": True}, {"metadata": {"a": "b"}, "store": True}, []),
        (T.LOCALAI, "m", {"parallel_tool_calls": False}, {}, ["parallel_tool_calls"]),
        (T.TOGETHER, "m", {"stop": "x", "logprobs": True, "top_logprobs": 3, "max_completion_tokens": 5}
         , {"stop": ["x"], "logprobs": 3, "max_tokens": 5}, []),
        (T.TOGETHER, "m", {"logprobs": True}, {"logprobs": 1}, []),
        (T.TOGETHER, "m", {"top_logprobs": 3}, {}, []),
        (T.TOGETHER, "m", {"logprobs": False, "parallel_tool_calls": True, "n": 3}, {"n": 3}, []),
        (T.TOGETHER, "m", {"parallel_tool_calls": False, "user": "u", "metadata": {"a": 1}}
         , {}, ["metadata", "parallel_tool_calls", "user"]),
        (T.TOGETHER, "m", {"reasoning_effort": "none"}, {"reasoning": {"enabled": False}}, []),
        (T.TOGETHER, "m", {"reasoning_effort": "max", "top_k": 4}, {"reasoning_effort": "high", "top_k": 4}, []),
        (T.OPENROUTER, "m", {"max_tokens": 5, "provider": {"order": ["x"]}, "reasoning_effort": "max"}
         , {"max_tokens": 5, "provider": {"order": ["x"]}, "reasoning_effort": "xhigh"}, []),
        (T.OPENROUTER, "m", {"logprobs": True}
         , {"logprobs": True, "provider": {"require_parameters": True}}, []),
        (T.OPENROUTER, "m", {"logprobs": True, "provider": {"require_parameters": False}}
         , {"logprobs": True, "provider": {"require_parameters": False}}, []),
        (T.VLLM, "m", {"max_completion_tokens": 5, "store": True, "top_k": 3, "reasoning_effort": "max"}
         , {"max_tokens": 5, "top_k": 3, "reasoning_effort": "max"}, ["store"]),
        (T.LOCALAI, "m", {"max_completion_tokens": 5, "metadata": {"enable_thinking": "true"}, "verbosity": "low"}
         , {"max_tokens": 5, "metadata": {"enable_thinking": "true"}}, ["verbosity"]),
        (T.OPENAI_COMPATIBLE, "m", {"max_completion_tokens": 5, "store": True, "grammar": "x"}
         , {"max_tokens": 5, "store": True, "grammar": "x"}, []),
    ],
)  # fmt: skip
def test_a_provider_gets_only_what_it_takes(
    type_: T, model: str, given: dict[str, Any], expected: dict[str, Any], warned: list[str]
) -> None:
    assert parameters_for(type_, model=model, **given) == expected
    assert warned_for(type_, model=model, **given) == warned


def test_more_stops_than_openrouter_takes_are_refused() -> None:
    assert refused_param(T.OPENROUTER, stop=list("abcde")) == "stop"


@pytest.mark.parametrize("type_", LIKES)
def test_the_allowed_tools_are_the_only_ones_offered(type_: T) -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}
    sent = parameters_for(type_, tools=TOOLS, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["g"]
    assert sent["tool_choice"] == ("any" if type_ is T.MISTRAL else "required")
    allowed["mode"] = "auto"
    sent = parameters_for(type_, tools=TOOLS, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert sent["tool_choice"] == "auto"
    nonsense = {"type": "allowed_tools", "allowed_tools": {"tools": [3, {"function": 4}]}}
    assert refused_param(type_, tools=TOOLS, tool_choice=nonsense) == "tool_choice"


@pytest.mark.parametrize("type_", LIKES)
@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}])
def test_a_tool_choice_is_passed_on(type_: T, choice: Any) -> None:
    expected = "any" if (type_, choice) == (T.MISTRAL, "required") else choice
    assert parameters_for(type_, tools=TOOLS, tool_choice=choice)["tool_choice"] == expected


@pytest.mark.parametrize("type_", [T.XAI, T.MISTRAL, T.DEEPSEEK, T.VLLM])
def test_strict_is_stripped_where_it_is_not_known(type_: T) -> None:
    assert all("strict" not in tool["function"] for tool in parameters_for(type_, tools=TOOLS)["tools"])
    assert all("strict" in tool["function"] for tool in parameters_for(T.GROQ, tools=TOOLS)["tools"])
    assert TOOLS[0]["function"]["strict"] is True  # type: ignore[index] # a JSON object


@pytest.mark.parametrize("type_", [T.XAI, T.MISTRAL, T.DEEPSEEK, T.VLLM, T.TOGETHER])
def test_retired_functions_are_refused_where_only_tools_are_known(type_: T) -> None:
    assert refused_param(type_, functions=[{"name": "f"}]) == "functions"


def test_vllm_is_told_to_look_at_the_tools() -> None:
    assert parameters_for(T.VLLM, tools=TOOLS)["tool_choice"] == "auto"
    assert "tool_choice" not in parameters_for(T.VLLM)
    assert "tool_choice" not in parameters_for(T.LOCALAI, tools=TOOLS)


def test_the_vllm_request_on_file_goes_through() -> None:
    messages, parameters = from_request("vllm/request_structured_outputs.json")
    expected = golden_json("vllm/request_structured_outputs.json")
    assert body_for(T.VLLM, messages, model=expected["model"], stream=True, **parameters) == expected


def test_a_prefilled_answer_goes_through() -> None:
    given = {"continue_final_message": True, "add_generation_prompt": False}
    assert parameters_for(T.VLLM, **given) == given
    prefilled = [USER, {"role": "assistant", "content": "It", "prefix": True}]
    assert body_for(T.DEEPSEEK, prefilled)["messages"] == prefilled


@pytest.mark.parametrize(
    ("type_", "reasoning"),
    [
        (T.DEEPSEEK, {"reasoning_content": "why"}),
        (T.GROQ, {"reasoning": "why"}),
        (T.XAI, {}),
        (T.MISTRAL, {}),
        (T.TOGETHER, {}),
        (T.OPENROUTER, {"reasoning": "why"}),
        (T.VLLM, {"reasoning": "why"}),
        (T.LOCALAI, {"reasoning": "why"}),
        (T.OPENAI_COMPATIBLE, {"reasoning_content": "why"}),
        (T.OPENAI, {}),
    ],
)
def test_reasoning_goes_back_where_it_is_wanted_in_its_own_name(type_: T, reasoning: dict[str, Any]) -> None:
    foreign: list[Any] = [{"type": "thinking", "thinking": "why", "signature": "s"}, "x", {"type": 3}]
    message = {"role": "assistant", "content": "x", "reasoning_content": "why", "reasoning_details": foreign}
    (sent,) = body_for(type_, [message, USER])["messages"][:1]
    assert sent == {"role": "assistant", "content": "x", **reasoning}


def test_openrouters_details_go_back_unchanged() -> None:
    response = PRESETS[T.OPENROUTER].codec.decode(golden_bytes("openrouter/chat_tool_call.json"))
    details = golden_json("openrouter/chat_tool_call.json")["choices"][0]["message"]["reasoning_details"]
    (sent,) = body_for(T.OPENROUTER, [response.message])["messages"]
    assert response.message["reasoning_details"] == details == sent["reasoning_details"]
    assert "reasoning" not in sent


def test_openrouters_details_of_a_stream_are_whole_again() -> None:
    def piece(**fields: Any) -> dict[str, Any]:
        return {"type": "reasoning.text", "index": 0, "format": "a", **fields}

    sealed = {"type": "reasoning.encrypted", "index": 1, "data": "zz", "id": None}
    pieces = [piece(text="Com"), piece(text="pute"), piece(text="", signature="s"), sealed, sealed]
    message = {"role": "assistant", "content": "x", "reasoning_details": pieces}
    (sent,) = body_for(T.OPENROUTER, [message])["messages"]
    assert sent["reasoning_details"] == [piece(text="Compute", signature="s"), sealed, sealed]
    assert pieces[0] == piece(text="Com")


def test_openrouters_streamed_details_reach_the_caller() -> None:
    codec = PRESETS[T.OPENROUTER].codec
    chunks, _ = chunks_of(codec, [golden_bytes("openrouter/stream_text_comments_usage.sse")])
    (detail,) = chunks[0].chunk["choices"][0]["delta"]["reasoning_details"]
    assert detail["signature"]
    assert told(chunks).usage == Usage(194, 20, 0, 0, 8, reported_cost=Decimal("0.001176"))


def test_what_a_provider_would_refuse_in_an_answer_of_another_is_left_out() -> None:
    foreign: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "refusal": "no",
        "annotations": [],
        "audio": None,
        "odd": 1,
    }
    for type_ in (T.XAI, T.TOGETHER, T.DEEPSEEK, T.GROQ, T.MISTRAL):
        (sent,) = body_for(type_, [foreign, {"role": "user", "content": "x"}])["messages"][:1]
        assert sent == {"role": "assistant", "content": "no"}


def test_togethers_log_probabilities_have_openais_form() -> None:
    body = golden_json("together/chat_response.json")
    body["choices"][0]["logprobs"] = {
        "tokens": ["He", "llo!"],
        "token_logprobs": [-0.5, -1],
        "token_ids": [1, 2],
        "top_logprobs": [{"He": -0.5, "Hi": -2.0}],
    }
    found = PRESETS[T.TOGETHER].codec.decode(orjson.dumps(body)).completion["choices"][0]["logprobs"]
    hi = {"token": "Hi", "logprob": -2.0, "bytes": [72, 105]}
    he = {"token": "He", "logprob": -0.5, "bytes": [72, 101]}
    assert found["content"][0] == {**he, "top_logprobs": [he, hi]}
    assert (found["content"][1]["token"], found["content"][1]["top_logprobs"]) == ("llo!", [])


def test_togethers_streamed_log_probabilities_have_openais_form() -> None:
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":-0.5,"finish_reason":"eos"}]}\n\n'
    ((first,), is_complete) = chunks_of(PRESETS[T.TOGETHER].codec, [chunk])
    (entry,) = first.chunk["choices"][0]["logprobs"]["content"]
    assert (entry["token"], entry["logprob"], is_complete) == ("Hi", -0.5, True)


@pytest.mark.parametrize(
    ("type_", "ids"),
    [
        (T.DEEPSEEK, {"deepseek-flash", "deepseek-v4-pro"}),
        (T.GROQ, {"openai/gpt-oss-120b"}),
        (T.XAI, {"grok-4.7"}),
        (T.TOGETHER, {"moonshotai/Kimi-K3"}),
        (T.OPENROUTER, {"anthropic/claude-opus-5.5"}),
        (T.VLLM, None),
        (T.LOCALAI, None),
        (T.MISTRAL, None),
    ],
)
def test_lists_of_models_are_read(type_: T, ids: set[str] | None) -> None:
    found = PRESETS[type_].codec.decode_models(golden_bytes(f"{type_.value}/models_list.json"))
    assert found
    assert ids is None or set(found) == ids


def test_a_model_that_is_switched_off_is_not_listed() -> None:
    body = b'{"data":[{"id":"a","active":true},{"id":"b","active":false},{"id":"c"}]}'
    assert PRESETS[T.GROQ].codec.decode_models(body) == ["a", "c"]
