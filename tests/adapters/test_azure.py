from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from app.adapters.base_urls import base_url_of
from app.adapters.build import build_adapter, placed
from app.adapters.codec import Codec, WireRequest
from app.adapters.openai_address import OpenAIAddress
from app.adapters.openai_platform import AddressedEmbedding
from app.adapters.presets import PRESETS
from app.domain.chat import Call, ChatRequest, Credential, NativeBody, Wire
from app.domain.embedding import EmbedCall, Embeddings, EmbedRequest
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.needs import JSON_SCHEMA, TOOLS
from app.domain.provider import ProviderConfig, ProviderType
from tests.adapters.streams import a_call
from tests.golden import golden_bytes

R = "https://r.openai.azure.com"
TOOL = {"type": "function", "function": {"name": "f"}}
OLD, GA, NEW = "2024-06-01", "2024-10-21", "2025-04-01-preview"


def at(base_url: str) -> tuple[Codec, str]:
    return placed(PRESETS[ProviderType.AZURE].codec, ProviderType.AZURE, base_url_of(ProviderType.AZURE, base_url))


def url_of(base_url: str, call: Call) -> str:
    codec, root = at(base_url)
    return root + codec.for_call(call).encode(call, stream=False).path


@pytest.mark.parametrize(
    ("written", "complete"),
    [
        (R, f"{R}/openai/v1"),
        (f"{R}/openai/", f"{R}/openai/v1"),
        (f"{R}/openai/v1/", f"{R}/openai/v1"),
        (f"{R}/openai/v1/chat/completions", f"{R}/openai/v1"),
        ("https://r.services.ai.azure.com", "https://r.services.ai.azure.com/openai/v1"),
        ("https://gateway.example/llm", "https://gateway.example/llm/openai/v1"),
        (f"{R}?api-version=preview", f"{R}/openai/v1?api-version=preview"),
        (f"{R}/openai/v1?api-version={NEW}", f"{R}/openai/v1?api-version={NEW}"),
        (f"{R}?api-version={GA}", f"{R}/openai?api-version={GA}"),
        (f"{R}/?api-version={GA}", f"{R}/openai?api-version={GA}"),
        (f"{R}/openai?api-version={GA}", f"{R}/openai?api-version={GA}"),
        (f"{R}/openai/responses?api-version={NEW}", f"{R}/openai?api-version={NEW}"),
        (f"{R}/openai/deployments/d?api-version={GA}", f"{R}/openai/deployments/d?api-version={GA}"),
        (f"{R}/openai/deployments/d/chat/completions?api-version={GA}"
         , f"{R}/openai/deployments/d?api-version={GA}"),
        (f"{R}/openai/deployments/d/embeddings?api-version={GA}", f"{R}/openai/deployments/d?api-version={GA}"),
    ],
)  # fmt: skip
def test_an_address_is_completed_in_the_form_it_is_written_in(written: str, complete: str) -> None:
    assert base_url_of(ProviderType.AZURE, written) == complete
    assert base_url_of(ProviderType.AZURE, complete) == complete


@pytest.mark.parametrize(
    "written",
    [f"{R}/openai/deployments/d", f"{R}?api-version=", f"{R}?key=secret", f"{R}?api-version={GA}&key=secret"],
)
def test_an_address_that_cannot_be_asked_is_refused_without_its_query(written: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        base_url_of(ProviderType.AZURE, written)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "chat", "responses"),
    [
        (R, "/openai/v1/chat/completions", "/openai/v1/responses"),
        (f"{R}?api-version=preview", "/openai/v1/chat/completions?api-version=preview"
         , "/openai/v1/responses?api-version=preview"),
        (f"{R}?api-version={NEW}", f"/openai/deployments/gpt-6-luna/chat/completions?api-version={NEW}"
         , f"/openai/responses?api-version={NEW}"),
        (f"{R}/openai/deployments/mine?api-version={NEW}"
         , f"/openai/deployments/mine/chat/completions?api-version={NEW}", f"/openai/responses?api-version={NEW}"),
        # Without the Responses API every call stays where it can be asked at all.
        (f"{R}?api-version={GA}", f"/openai/deployments/gpt-6-luna/chat/completions?api-version={GA}"
         , f"/openai/deployments/gpt-6-luna/chat/completions?api-version={GA}"),
    ],
)  # fmt: skip
def test_each_form_has_its_endpoints(base_url: str, chat: str, responses: str) -> None:
    assert url_of(base_url, a_call("gpt-6-luna")) == R + chat
    assert url_of(base_url, a_call("gpt-6-luna", tools=[TOOL])) == R + responses


def test_a_deployment_that_tells_nothing_of_its_model_is_chatted_with() -> None:
    assert url_of(R, a_call("prod-1", tools=[TOOL])).endswith("/openai/v1/chat/completions")


def test_the_deployment_of_the_address_is_the_model_of_its_responses() -> None:
    codec, _ = at(f"{R}/openai/deployments/mine?api-version={NEW}")
    call = a_call("gpt-6-luna", tools=[TOOL])
    assert orjson.loads(codec.for_call(call).encode(call, stream=False).body)["model"] == "mine"
    native = Call("gpt-6-luna", ChatRequest([], native=NativeBody(Wire.RESPONSES, {"input": "x"})))
    assert orjson.loads(codec.for_call(native).encode(native, stream=False).body)["model"] == "mine"


@pytest.mark.parametrize(
    ("model", "segment"),
    [("a b", "a%20b"), ("a/../b", "a%2F..%2Fb"), ("x?api-version=1#", "x%3Fapi-version%3D1%23"), ("é", "%C3%A9")],
)
async def test_a_models_name_stays_one_segment_of_the_path(model: str, segment: str) -> None:
    asked: list[bytes] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.raw_path)
        return httpx.Response(200, content=golden_bytes("azure/chat_response.json"), headers=JSON)

    config = ProviderConfig("mine", ProviderType.AZURE, f"{R}?api-version={GA}")
    answer = await build_adapter(config, httpx.MockTransport(handler)).complete(a_call(model))

    assert asked == [f"/openai/deployments/{segment}/chat/completions?api-version={GA}".encode()]
    assert answer.finish_reason == "stop"


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("model", ["", ".", ".."])
def test_a_model_that_would_be_another_path_is_not_found(model: str) -> None:
    with pytest.raises(ProviderError) as caught:
        url_of(f"{R}?api-version={GA}", a_call(model))
    assert (caught.value.kind, caught.value.param) == (K.MODEL_NOT_FOUND, "model")


async def test_the_sign_of_life_carries_the_version_too() -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=golden_bytes("azure/models_list_v1.json"))

    config = ProviderConfig("mine", ProviderType.AZURE, f"{R}/openai/deployments/d?api-version={GA}")
    adapter = build_adapter(config, httpx.MockTransport(handler))
    await adapter.probe(Credential())
    assert await adapter.models(Credential()) == []
    assert asked == [f"{R}/openai/models?api-version={GA}"] * 2


WANTED: dict[str, Any] = {"max_completion_tokens": 9, "reasoning_effort": "low"}


@pytest.mark.parametrize(
    ("base_url", "expected", "warned"),
    [
        (R, {**WANTED, "stream_options": {"include_usage": True}}, []),
        (f"{R}?api-version=2025-01-01-preview", {**WANTED, "stream_options": {"include_usage": True}}, []),
        (f"{R}?api-version=2024-12-01-preview", {**WANTED, "stream_options": {"include_usage": True}}, []),
        (f"{R}?api-version={GA}", {"max_tokens": 9, "stream_options": {"include_usage": True}}, ["reasoning_effort"]),
        (f"{R}?api-version=2024-09-01-preview", {"max_tokens": 9, "stream_options": {"include_usage": True}}
         , ["reasoning_effort"]),
        (f"{R}?api-version={OLD}", {"max_tokens": 9}, ["reasoning_effort"]),
    ],
)  # fmt: skip
def test_a_version_gets_the_fields_that_it_knows(base_url: str, expected: dict[str, Any], warned: list[str]) -> None:
    wire = at(base_url)[0].encode(a_call("prod-1", **WANTED), stream=True)
    body = orjson.loads(wire.body)
    assert {name: value for name, value in body.items() if name not in ("model", "messages", "stream")} == expected
    assert [warning.partition(" ")[0] for warning in wire.warnings] == warned


@pytest.mark.parametrize(("version", "knows"), [(OLD, False), ("2024-08-01-preview", True), (GA, True), (NEW, True)])
def test_a_version_without_json_schema_says_so_before_it_is_asked(version: str, *, knows: bool) -> None:
    codec, _ = at(f"{R}?api-version={version}")
    assert (JSON_SCHEMA in codec.supports("prod-1")) is knows
    assert TOOLS in codec.supports("prod-1")
    call = a_call("prod-1", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}})
    if knows:
        assert b"json_schema" in codec.encode(call, stream=False).body
        return
    with pytest.raises(ProviderError) as caught:
        codec.encode(call, stream=False)
    assert (caught.value.kind, caught.value.param) == (K.UNSUPPORTED, "response_format")


class PlainEmbedding:
    """An embedding dialect that knows OpenAI's path only."""

    def encode(self, call: EmbedCall) -> WireRequest:
        return WireRequest("POST", "/embeddings")

    def decode(self, body: bytes, call: EmbedCall) -> Embeddings:
        return Embeddings([], call.model)


def test_embeddings_are_at_their_deployment() -> None:
    embedding = AddressedEmbedding(PlainEmbedding(), OpenAIAddress(GA, is_scoped=True))
    call = EmbedCall("small", EmbedRequest(["x"]))
    assert embedding.encode(call).path == f"/deployments/small/embeddings?api-version={GA}"
    assert embedding.decode(b"", call).model == "small"


@pytest.mark.parametrize(
    ("secret", "headers"),
    [
        ("0123456789abcdef", {"api-key": "0123456789abcdef"}),
        ("eyJhbGciOi.eyJhdWQi.c2ln", {"authorization": "Bearer eyJhbGciOi.eyJhdWQi.c2ln"}),
    ],
)
def test_a_key_goes_into_azures_header_and_a_token_into_the_usual_one(secret: str, headers: dict[str, str]) -> None:
    codec = PRESETS[ProviderType.AZURE].codec
    native = Call("m", ChatRequest([], native=NativeBody(Wire.RESPONSES, {})))
    for each in (codec, codec.for_call(a_call("gpt-5-pro")), codec.for_call(native)):
        assert each.authorization(Credential("x", SecretStr(secret))) == headers


ROWS: list[tuple[int, dict[str, Any], K, float | None]] = [
    (400, {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}, K.CONTENT_POLICY, None),
    (400, {"code": "context_length_exceeded"}, K.CONTEXT_LENGTH, None),
    (400, {"code": "OperationNotSupported"}, K.UNSUPPORTED, None),
    (400, {"message": "Unrecognized request argument supplied: x"}, K.BAD_REQUEST, None),
    (401, {"code": "401"}, K.AUTH, None),
    (401, {"code": "PermissionDenied"}, K.AUTH, None),
    (403, {"message": "Access denied due to Virtual Network/Firewall rules."}, K.PERMISSION, None),
    (404, {"code": "DeploymentNotFound"}, K.MODEL_NOT_FOUND, None),
    (404, {"code": "404", "message": "Resource not found"}, K.MODEL_NOT_FOUND, None),
    (408, {"code": "Timeout"}, K.TIMEOUT, None),
    (409, {"code": "Conflict"}, K.CONFLICT, None),
    (429, {"code": "429", "message": "Please retry after 6 seconds."}, K.RATE_LIMITED, 6.0),
    (429, {"code": "RateLimitReached"}, K.RATE_LIMITED, None),
    (429, {"code": "too_many_requests"}, K.RATE_LIMITED, None),
    (429, {"code": "insufficient_quota"}, K.QUOTA_EXHAUSTED, None),
    (499, {}, K.SERVER_ERROR, None),
    (500, {"code": "InternalServerError"}, K.SERVER_ERROR, None),
    (503, {"code": "InternalServerError"}, K.OVERLOADED, None),
]


@pytest.mark.parametrize(("status", "error", "kind", "wait"), ROWS)
@pytest.mark.parametrize("model", ["prod-1", "gpt-5-pro"])
def test_every_refusal_of_azures_has_its_meaning(
    model: str, status: int, error: dict[str, Any], kind: K, wait: float | None
) -> None:
    codec = PRESETS[ProviderType.AZURE].codec.for_call(a_call(model))
    body = orjson.dumps({"error": {"message": "x", **error}})
    if error.get("message") == "Resource not found" and model == "gpt-5-pro":
        kind = K.UNSUPPORTED  # the endpoint is not there: it is asked over the other wire
    refused = codec.failure(status, {}, body)
    assert (refused.kind, refused.upstream_status, refused.retry_after) == (kind, status, wait)


def test_the_wait_in_the_headers_goes_before_the_one_in_words() -> None:
    body = b'{"error":{"code":"429","message":"Please retry after 6 seconds."}}'
    codec = PRESETS[ProviderType.AZURE].codec
    assert codec.failure(429, {"retry-after": "6", "retry-after-ms": "5612"}, body).retry_after == 5.612
