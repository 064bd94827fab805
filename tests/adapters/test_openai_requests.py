from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from app.adapters.base_urls import base_url_of
from app.adapters.build import build_adapter
from app.adapters.mistral import short_call_id
from app.adapters.presets import PRESETS, needs_key
from app.domain.chat import Call, ChatRequest, Credential
from app.domain.provider import ProviderConfig, ProviderType
from tests.adapters.streams import a_call
from tests.golden import golden_bytes, golden_json

T = ProviderType


def encoded(type_: ProviderType, call: Call, *, stream: bool = False) -> tuple[dict[str, Any], tuple[str, ...]]:
    wire = PRESETS[type_].codec.encode(call, stream=stream)
    return orjson.loads(wire.body), wire.warnings


def sent(type_: ProviderType, model: str = "m", **parameters: Any) -> tuple[dict[str, Any], list[str]]:
    """What is left of the parameters, and the names that a warning begins with."""
    body, warnings = encoded(type_, a_call(model, **parameters))
    rest = {name: value for name, value in body.items() if name not in ("model", "messages")}
    return rest, [warning.partition(" ")[0] for warning in warnings]


def test_openai_gets_what_the_caller_said() -> None:
    given = golden_json("openai/request_canonical_tools.json")
    parameters = {k: v for k, v in given.items() if k not in ("model", "messages")}
    body, warnings = encoded(T.OPENAI, Call(given["model"], ChatRequest(given["messages"], parameters)))
    del given["stream"]
    assert body == given
    assert warnings == ()


def test_an_unknown_parameter_goes_through_to_the_same_dialect() -> None:
    assert sent(T.OPENAI, brand_new=1) == ({"brand_new": 1}, [])
    assert sent(T.OPENAI_COMPATIBLE, top_k=5, grammar="x") == ({"top_k": 5, "grammar": "x"}, [])


@pytest.mark.parametrize(
    ("type_", "model", "given", "expected", "warned"),
    [
        (T.OPENAI, "gpt-4o", {"max_tokens": 5, "temperature": 0.2}
         , {"max_completion_tokens": 5, "temperature": 0.2}, []),
        (T.OPENAI, "gpt-6-luna", {"temperature": 1, "stop": "x"}, {}, ["stop", "temperature"]),
        (T.OPENAI, "gpt-6-luna", {"temperature": 0, "reasoning_effort": "none"}
         , {"temperature": 0, "reasoning_effort": "none"}, []),
        (T.OPENAI, "gpt-5.2", {"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2, "top_p": 0.9}, []),
        (T.OPENAI, "gpt-5", {"temperature": 1}, {"temperature": 1}, []),
        (T.OPENAI, "o3", {"temperature": 0.2, "logit_bias": {"1": 1}}, {}, ["logit_bias", "temperature"]),
        (T.AZURE, "my-deployment", {"max_tokens": 5, "temperature": 0.2}
         , {"max_completion_tokens": 5, "temperature": 0.2}, []),
        (T.GROQ, "m", {"n": 1, "logprobs": False, "top_logprobs": 2}, {}, ["top_logprobs"]),
        (T.DEEPSEEK, "m", {"user": "u", "reasoning_effort": "none", "temperature": 0.2}
         , {"user_id": "u", "thinking": {"type": "disabled"}, "temperature": 0.2}, []),
        (T.DEEPSEEK, "m", {"reasoning_effort": "medium", "temperature": 0.2, "max_completion_tokens": 3}
         , {"thinking": {"type": "enabled"}, "reasoning_effort": "high", "max_tokens": 3}, ["temperature"]),
        (T.XAI, "grok-4.7", {"stop": "x", "reasoning_effort": "low"}, {"reasoning_effort": "low"}, ["stop"]),
        (T.XAI, "grok-4.20-reasoning", {"reasoning_effort": "low"}, {}, ["reasoning_effort"]),
        (T.MISTRAL, "m", {"seed": 7, "tool_choice": "required", "user": "u", "max_completion_tokens": 5}
         , {"random_seed": 7, "tool_choice": "any", "max_tokens": 5}, ["user"]),
        (T.TOGETHER, "m", {"stop": "x", "logprobs": True, "top_logprobs": 3}, {"stop": ["x"], "logprobs": 3}, []),
        (T.OPENROUTER, "m", {"provider": {"order": ["x"]}, "n": 1}, {"provider": {"order": ["x"]}}, []),
    ],
)  # fmt: skip
def test_a_provider_gets_only_what_it_takes(
    type_: ProviderType, model: str, given: dict[str, Any], expected: dict[str, Any], warned: list[str]
) -> None:
    assert sent(type_, model, **given) == (expected, warned)


@pytest.mark.parametrize("type_", [t for t in PRESETS if t not in (T.ANTHROPIC, T.GEMINI, T.OLLAMA)])
def test_a_stream_asks_for_its_usage_where_that_is_known(type_: ProviderType) -> None:
    body, _ = encoded(type_, a_call(stream_options={"include_usage": False}), stream=True)
    assert body["stream"] is True
    asked = type_ not in (T.MISTRAL, T.TOGETHER)
    assert body.get("stream_options") == ({"include_usage": True} if asked else None)


def test_mistral_gets_ids_of_nine_letters_that_still_belong_together() -> None:
    given = golden_json("openai/request_canonical_tools.json")
    body, _ = encoded(T.MISTRAL, Call("m", ChatRequest(given["messages"], {})))
    asked = [call["id"] for call in body["messages"][2]["tool_calls"]]
    answered = [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]
    assert asked == answered
    assert len(set(asked)) == 2
    assert all(len(each) == 9 and each.isalnum() for each in asked)
    assert short_call_id("D681PevKs") == "D681PevKs"
    assert given["messages"][2]["tool_calls"][0]["id"] == "call_A1b2C3"


def test_a_role_that_a_provider_does_not_know_is_renamed() -> None:
    messages = [{"role": "developer", "content": "x"}, {"role": "user", "content": "y", "name": "bob"}]
    assert encoded(T.OPENAI, a_call("m", messages))[0]["messages"] == messages
    groq = encoded(T.GROQ, a_call("m", messages))[0]["messages"]
    assert groq == [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]


def test_reasoning_goes_back_only_where_it_is_wanted() -> None:
    call = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    messages = [{"role": "assistant", "content": None, "reasoning_content": "why", "tool_calls": call}]
    assert encoded(T.OPENAI, a_call("m", messages))[0]["messages"][0].keys() == {"role", "content", "tool_calls"}
    assert encoded(T.DEEPSEEK, a_call("m", messages))[0]["messages"][0]["reasoning_content"] == "why"
    assert encoded(T.GROQ, a_call("m", messages))[0]["messages"][0]["reasoning"] == "why"
    del messages[0]["reasoning_content"]
    assert encoded(T.DEEPSEEK, a_call("m", messages))[0]["messages"][0]["reasoning_content"] == " "


def test_the_callers_objects_are_left_alone() -> None:
    given = golden_json("openai/request_canonical_tools.json")
    for type_ in PRESETS:
        parameters = {k: v for k, v in given.items() if k not in ("model", "messages")}
        encoded(type_, Call("claude-opus-5-5", ChatRequest(given["messages"], parameters)), stream=True)
    assert given == golden_json("openai/request_canonical_tools.json")


def test_keys_go_into_headers() -> None:
    credential = Credential("x", SecretStr("secret-key"))
    assert PRESETS[T.OPENAI].codec.authorization(credential) == {"authorization": "Bearer secret-key"}
    assert PRESETS[T.AZURE].codec.authorization(credential) == {"api-key": "secret-key"}
    assert PRESETS[T.VLLM].codec.authorization(Credential()) == {}


@pytest.mark.parametrize(
    ("type_", "name", "model"),
    [
        (T.OPENAI, "openai", "gpt-6-luna"),
        (T.TOGETHER, "together", None),
        (T.LOCALAI, "localai", None),
        (T.MISTRAL, "mistral", None),
    ],
)
def test_lists_of_models_are_read(type_: ProviderType, name: str, model: str | None) -> None:
    ids = PRESETS[type_].codec.decode_models(golden_bytes(f"{name}/models_list.json"))
    assert ids
    assert model is None or model in ids


def test_azure_lists_models_that_are_no_deployments() -> None:
    assert PRESETS[T.AZURE].codec.decode_models(golden_bytes("azure/models_list_v1.json")) == []


@pytest.mark.parametrize(
    ("type_", "configured", "complete"),
    [
        (T.OPENAI, "", "https://api.openai.com/v1"),
        (T.OPENAI, "https://api.openai.com", "https://api.openai.com/v1"),
        (T.OPENAI, "https://api.openai.com/v1/", "https://api.openai.com/v1"),
        (T.OPENAI, "https://proxy.example/llm", "https://proxy.example/llm/v1"),
        (T.OPENAI_COMPATIBLE, "https://api.example/paas/v4", "https://api.example/paas/v4"),
        (T.ANTHROPIC, "https://api.anthropic.com/", "https://api.anthropic.com/v1"),
        (T.GROQ, "https://api.groq.com", "https://api.groq.com/openai/v1"),
        (T.GROQ, "https://api.groq.com/openai", "https://api.groq.com/openai/v1"),
        (T.GROQ, "http://127.0.0.1:9000", "http://127.0.0.1:9000/v1"),
        (T.GEMINI, "https://generativelanguage.googleapis.com/v1beta", PRESETS[T.GEMINI].default_url),
        (T.GEMINI, "https://generativelanguage.googleapis.com/v1beta/openai/", PRESETS[T.GEMINI].default_url),
        (T.GEMINI, "http://127.0.0.1:9000/", "http://127.0.0.1:9000/v1beta"),
        (T.GEMINI, "http://127.0.0.1:9000/v1beta/openai", "http://127.0.0.1:9000/v1beta"),
        (T.OPENAI_COMPATIBLE, "https://google.example/v1beta/openai/", "https://google.example/v1beta/openai"),
        (T.AZURE, "https://r.openai.azure.com/", "https://r.openai.azure.com/openai/v1"),
        (T.AZURE, "https://r.openai.azure.com/openai", "https://r.openai.azure.com/openai/v1"),
        (T.OLLAMA, "http://localhost:11434", "http://localhost:11434/api"),
        (T.OLLAMA, "http://localhost:11434/api/", "http://localhost:11434/api"),
        (T.OLLAMA, "http://localhost:11434/v1", "http://localhost:11434/api"),
        (T.OLLAMA, "https://ollama.com", "https://ollama.com/api"),
        (T.OLLAMA, "http://box:9000/proxy/ollama/v1/", "http://box:9000/proxy/ollama/api"),
        (T.OPENROUTER, "https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
    ],
)
def test_only_what_is_missing_is_added_to_a_base_url(type_: ProviderType, configured: str, complete: str) -> None:
    assert base_url_of(type_, configured) == complete
    assert base_url_of(type_, complete) == complete


@pytest.mark.parametrize(
    ("type_", "configured"),
    [
        (T.AZURE, ""),
        (T.OPENAI_COMPATIBLE, " "),
        (T.OPENAI, "ftp://x"),
        (T.OPENAI, "api.openai.com"),
        (T.OPENAI, "https://user:pw@x"),
        (T.OPENAI, "https://x/v1?a=b"),
    ],
)
def test_a_base_url_that_is_none_is_refused(type_: ProviderType, configured: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        base_url_of(type_, configured)


def test_every_type_but_the_sandbox_has_a_preset() -> None:
    assert set(PRESETS) == set(ProviderType) - {T.SANDBOX}
    assert not needs_key(T.SANDBOX)
    assert {t for t in PRESETS if not needs_key(t)} == {T.OLLAMA, T.VLLM, T.LOCALAI, T.OPENAI_COMPATIBLE}


async def test_a_configured_provider_becomes_an_adapter() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"data": [{"id": "a"}]})

    config = ProviderConfig("mine", T.GROQ, "http://127.0.0.1:1/openai")
    assert await build_adapter(config, httpx.MockTransport(handler)).models(Credential()) == ["a"]
    assert asked == ["http://127.0.0.1:1/openai/v1/models"]
