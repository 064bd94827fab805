from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from app.adapters.build import build_adapter
from app.adapters.http import HTTPAdapter
from app.adapters.presets import PRESETS
from app.domain.chat import Call, ChatChunk, ChatRequest, Credential, NativeBody, Wire
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.needs import RESPONSES_TOOLS
from app.domain.provider import ProviderConfig, ProviderType
from tests.adapters.streams import a_call, told
from tests.golden import golden_bytes, golden_json

KEY = Credential("id", SecretStr("key!with-odd$letters-1234"))
TOOL = {"type": "function", "function": {"name": "get_weather"}}
PLATFORM = PRESETS[ProviderType.OPENAI].codec
HELLO = [{"role": "user", "content": "hi"}]
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}


class Provider:
    """Answers every request with the same, and remembers what was asked."""

    def __init__(self, body: bytes, headers: dict[str, str] = JSON, status: int = 200) -> None:
        self.asked: list[httpx.Request] = []
        self._answer = status, headers, body

    def adapter(self, base_url: str = "", type_: ProviderType = ProviderType.OPENAI) -> HTTPAdapter:
        def handler(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            status, headers, body = self._answer
            return httpx.Response(status, headers=headers, content=body)

        adapter = build_adapter(ProviderConfig("mine", type_, base_url), httpx.MockTransport(handler))
        assert isinstance(adapter, HTTPAdapter)
        return adapter

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.asked]


def native(model: str = "gpt-4o", **body: Any) -> Call:
    return Call(model, ChatRequest(HELLO, native=NativeBody(Wire.RESPONSES, body)), credential=KEY)


async def streamed(adapter: HTTPAdapter, call: Call) -> list[ChatChunk]:
    async with adapter.stream(call) as chunks:
        return [each async for each in chunks]


async def test_a_call_with_tools_goes_where_the_model_takes_them() -> None:
    provider = Provider(golden_bytes("openai/responses_tool_call.json"))
    call = Call("gpt-6-astra", ChatRequest(HELLO, {"tools": [TOOL], "seed": 1}), credential=KEY)

    answer = await provider.adapter().complete(call)

    assert provider.urls == ["https://api.openai.com/v1/responses"]
    assert provider.asked[0].headers["authorization"] == f"Bearer {KEY.secret.get_secret_value() if KEY.secret else ''}"
    assert answer.finish_reason == "tool_calls"
    assert [warning.partition(" ")[0] for warning in answer.warnings] == ["seed"]
    assert answer.native is None


async def test_a_streamed_call_with_tools_goes_there_too() -> None:
    provider = Provider(golden_bytes("openai/responses_stream_tool_call.sse"), SSE)
    chunks = await streamed(provider.adapter(), a_call("gpt-6-astra", tools=[TOOL], seed=1))
    result = told(chunks)
    assert result.calls == {0: {"id": "call_1A1b2C3d4", "name": "get_weather", "arguments": '{"city":"Paris"}'}}
    assert result.finish == "tool_calls"
    assert [bool(each.warnings) for each in chunks] == [True, *[False] * (len(chunks) - 1)]


async def test_a_whole_native_answer_passes_through() -> None:
    provider = Provider(golden_bytes("openai/responses_response.json"))
    answer = await provider.adapter().complete(native(input="Paris?", truncation="auto"))
    sent = orjson.loads(provider.asked[0].content)
    assert sent == {"input": "Paris?", "truncation": "auto", "model": "gpt-4o", "store": False}
    assert answer.native == golden_json("openai/responses_response.json")


async def test_a_native_stream_passes_through() -> None:
    body = golden_bytes("openai/responses_stream_text.sse")
    chunks = await streamed(Provider(body, SSE).adapter(), native(input="Paris?"))
    assert b"".join(each.native for each in chunks) == body.rstrip(b"\n") + b"\n\n"
    assert told(chunks).content == "Paris is 14 °C."


@pytest.mark.parametrize(
    ("base_url", "type_", "wire"),
    [
        ("", ProviderType.OPENAI, "responses"),
        ("https://eu.api.openai.com", ProviderType.OPENAI, "responses"),
        ("https://r.openai.azure.com", ProviderType.AZURE, "responses"),
        ("http://127.0.0.1:9000/openai/v1", ProviderType.AZURE, "responses"),
        ("http://127.0.0.1:9000", ProviderType.OPENAI, "responses"),
        ("https://api.openai.com", ProviderType.OPENAI_COMPATIBLE, "chat/completions"),
    ],
)
async def test_only_openai_and_azure_are_asked_over_the_responses_wire(
    base_url: str, type_: ProviderType, wire: str
) -> None:
    whole = "responses_response" if wire == "responses" else "chat_response"
    for call in (native(input="x"), a_call("gpt-6-astra", tools=[TOOL])):
        provider = Provider(golden_bytes(f"openai/{whole}.json"))
        await provider.adapter(base_url, type_).complete(call)
        assert provider.urls[0].endswith(f"/v1/{wire}")


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-6-astra"])
async def test_openai_counts_a_prompt_for_free(model: str) -> None:
    provider = Provider(b'{"object":"response.input_tokens","input_tokens":21}')
    call = a_call(model, tools=[TOOL], max_tokens=5, n=2, reasoning_effort="low", store=True)
    assert await provider.adapter().count_tokens(call) == 21
    assert provider.urls == ["https://api.openai.com/v1/responses/input_tokens"]
    assert orjson.loads(provider.asked[0].content).keys() == {"model", "input", "tools"}


async def test_a_native_body_is_counted_as_it_is() -> None:
    provider = Provider(b'{"object":"response.input_tokens","input_tokens":21}')
    assert await provider.adapter().count_tokens(native(input="hi", tools=[], stream=True, metadata={})) == 21
    assert orjson.loads(provider.asked[0].content) == {"model": "gpt-4o", "input": "hi", "tools": []}


@pytest.mark.parametrize(
    ("base_url", "type_"),
    [("http://127.0.0.1:9000", ProviderType.OPENAI), ("https://r.openai.azure.com", ProviderType.AZURE)],
)
@pytest.mark.parametrize("call", [a_call(), native(input="x")])
async def test_nobody_else_is_asked_to_count(call: Call, base_url: str, type_: ProviderType) -> None:
    provider = Provider(b"{}")
    assert await provider.adapter(base_url, type_).count_tokens(call) is None
    assert provider.asked == []


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"input_tokens":"7"}', b'{"input_tokens":true}', b'{"input_tokens":-1}']
)
async def test_a_count_that_is_none_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        await Provider(body).adapter().count_tokens(a_call())
    assert caught.value.kind is K.BAD_ANSWER


@pytest.mark.parametrize(
    ("model", "parameters", "param"),
    [
        ("gpt-5", {"n": 2}, "n"),
        ("gpt-5", {"logprobs": True}, "logprobs"),
        ("gpt-5.2", {"logprobs": True, "reasoning_effort": "high"}, "logprobs"),
        ("gpt-5.2", {"logprobs": True}, None),
        ("gpt-6-luna", {"n": 2, "reasoning_effort": "none"}, None),
        ("gpt-4o", {"n": 2, "logprobs": True, "top_logprobs": 2}, None),
        ("gpt-5", {"n": 1, "logprobs": False}, None),
    ],
)
def test_choices_and_logprobs_are_never_dropped(model: str, parameters: dict[str, Any], param: str | None) -> None:
    call = a_call(model, **parameters)
    if param is None:
        PLATFORM.encode(call, stream=False)
        return
    with pytest.raises(ProviderError) as caught:
        PLATFORM.encode(call, stream=False)
    assert (caught.value.kind, caught.value.param) == (K.UNSUPPORTED, param)


ROWS: list[tuple[int, dict[str, Any], K]] = [
    (400, {"type": "invalid_request_error", "code": "context_length_exceeded"}, K.CONTEXT_LENGTH),
    (400, {"type": "invalid_request_error", "code": "unsupported_value", "param": "temperature"}, K.BAD_REQUEST),
    (400, {"type": "invalid_request_error", "code": "unsupported_parameter", "param": "max_tokens"}, K.BAD_REQUEST),
    (400, {"type": "invalid_request_error", "code": "missing_required_parameter"}, K.BAD_REQUEST),
    (400, {"type": "invalid_request_error", "code": "invalid_type"}, K.BAD_REQUEST),
    (400, {"type": "invalid_request_error", "code": "invalid_prompt"}, K.CONTENT_POLICY),
    (400, {"type": "invalid_request_error", "code": "content_policy_violation"}, K.CONTENT_POLICY),
    (400, {"type": "invalid_request_error", "code": "bio_policy"}, K.CONTENT_POLICY),
    (400, {"code": "misalignment_policy_violation", "misalignment": {"a": 1}}, K.CONTENT_POLICY),
    (400, {"type": "invalid_request_error", "code": "string_above_max_length"}, K.BAD_REQUEST),
    (400, {"type": "invalid_request_error", "code": "invalid_encrypted_content"}, K.UNSUPPORTED),
    (401, {"type": "invalid_request_error", "code": "invalid_api_key"}, K.AUTH),
    (401, {"message": "You must be a member of an organization to use the API"}, K.AUTH),
    (401, {"message": "Your IP is not authorized", "code": "ip_not_authorized"}, K.AUTH),
    (403, {"type": "request_forbidden", "code": "unsupported_country_region_territory"}, K.PERMISSION),
    (403, {"message": "Project does not have access to model"}, K.PERMISSION),
    (404, {"code": "model_not_found"}, K.MODEL_NOT_FOUND),
    (409, {}, K.CONFLICT),
    (413, {}, K.PAYLOAD_TOO_LARGE),
    (422, {}, K.BAD_REQUEST),
    (429, {"type": "requests", "code": "rate_limit_exceeded"}, K.RATE_LIMITED),
    (429, {"type": "tokens", "code": "rate_limit_exceeded"}, K.RATE_LIMITED),
    (429, {"type": "rate_limit_error"}, K.RATE_LIMITED),
    (429, {"code": "slow_down"}, K.OVERLOADED),
    (429, {"type": "insufficient_quota", "code": "credit_balance_exhausted"}, K.QUOTA_EXHAUSTED),
    (429, {"type": "insufficient_quota", "code": "organization_spend_limit_exceeded"}, K.QUOTA_EXHAUSTED),
    (429, {"type": "insufficient_quota", "code": "project_spend_limit_exceeded"}, K.QUOTA_EXHAUSTED),
    (429, {"type": "insufficient_quota", "code": "organization_usage_limit_exceeded"}, K.QUOTA_EXHAUSTED),
    (429, {"code": "insufficient_quota"}, K.QUOTA_EXHAUSTED),
    (429, {"code": "billing_hard_limit_reached"}, K.QUOTA_EXHAUSTED),
    (500, {"type": "server_error"}, K.SERVER_ERROR),
    (503, {"type": "overloaded"}, K.OVERLOADED),
    (503, {"code": "slow_down"}, K.OVERLOADED),
]


@pytest.mark.parametrize(("status", "error", "kind"), ROWS)
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5-pro"])
def test_every_refusal_of_openais_has_its_meaning(model: str, status: int, error: dict[str, Any], kind: K) -> None:
    codec = PLATFORM.for_call(a_call(model))
    refused = codec.failure(status, {}, orjson.dumps({"error": {"message": "x", **error}}))
    assert (refused.kind, refused.upstream_status, refused.param) == (kind, status, error.get("param"))


async def test_a_model_that_wants_the_other_wire_leaves_the_call_to_another_target() -> None:
    envelope = golden_json("openai/error_400_tools_need_responses.json")
    provider = Provider(orjson.dumps(envelope["body"]), envelope["headers"], envelope["status"])
    with pytest.raises(ProviderError) as caught:
        await provider.adapter("http://127.0.0.1:9000").complete(a_call("gpt-5.6-luna", tools=[TOOL]))
    assert (caught.value.kind, caught.value.param, caught.value.status) == (K.UNSUPPORTED, "reasoning_effort", 400)
    assert caught.value.message.startswith("mine 400: Function tools")


def test_hosted_tools_can_be_asked_for_where_the_callers_own_words_go_out() -> None:
    for model in ("gpt-4o", "gpt-5-pro"):
        assert RESPONSES_TOOLS in Provider(b"").adapter().supports(model)
        assert RESPONSES_TOOLS not in Provider(b"").adapter(
            "http://127.0.0.1:9000", ProviderType.OPENAI_COMPATIBLE
        ).supports(model)
