"""Gemini through the adapter that is built for it: paths, headers and bodies as they leave and come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import orjson
import pytest
from pydantic import SecretStr

from app.adapters.build import build_adapter
from app.domain.chat import Call, ChatRequest, Credential, Timeouts
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind, ProviderError
from app.domain.ports import Adapter
from app.domain.provider import ProviderConfig, ProviderType
from tests.adapters.streams import a_call, told
from tests.golden import golden_bytes, golden_json

SECRET = "AQ.key-with-odd$letters-1234"
CREDENTIAL = Credential("id", SecretStr(SECRET))
QUICK = Timeouts(connect=1, first_token=2, idle=2, total=2)
MODEL = "gemini-3.8-flash"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta"


class Google:
    """Answers every request with one golden payload and keeps the requests."""

    def __init__(self, content: bytes, *, status: int = 200, kind: str = "application/json; charset=UTF-8") -> None:
        self._content, self._status, self._kind = content, status, kind
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self._status, content=self._content, headers={"content-type": self._kind})

    @property
    def asked(self) -> str:
        (request,) = self.requests
        return f"{request.method} {request.url}"


class Album:
    """A source of one picture."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    async def fetch(self, url: str, *, until: float, taken: Callable[[int], None]) -> tuple[str, bytes]:
        self.fetched.append(url)
        return "image/png", b"picture"


def adapter(google: Callable[[httpx.Request], httpx.Response], album: Album | None = None) -> Adapter:
    config = ProviderConfig("gem", ProviderType.GEMINI, "")
    return build_adapter(config, httpx.MockTransport(google), album)


def call(**parameters: object) -> Call:
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]
    return Call(MODEL, ChatRequest(messages, parameters), QUICK, CREDENTIAL)


async def test_a_chat_is_asked_and_answered() -> None:
    google = Google(golden_bytes("gemini/chat_response.json"))

    response = await adapter(google).complete(call(max_tokens=5, user="u"))

    assert google.asked == f"POST {GOOGLE}/models/{MODEL}:generateContent"
    (request,) = google.requests
    assert request.headers["x-goog-api-key"] == SECRET
    assert "authorization" not in request.headers
    assert SECRET not in str(request.url)
    assert orjson.loads(request.content) == {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"maxOutputTokens": 5},
    }
    assert response.text == "Hello! How can I help you today?"
    assert [warning.partition(" ")[0] for warning in response.warnings] == ["user"]


async def test_a_stream_is_asked_for_as_events() -> None:
    google = Google(golden_bytes("gemini/stream_text.sse"), kind="text/event-stream")

    async with adapter(google).stream(call()) as stream:
        result = told([chunk async for chunk in stream])

    assert google.asked == f"POST {GOOGLE}/models/{MODEL}:streamGenerateContent?alt=sse"
    assert (result.content, result.finish) == ("Hello! How can I help you today?", "stop")
    assert result.usage is not None
    assert result.usage.output_tokens == 52


async def test_tools_go_there_and_back_with_their_signature() -> None:
    tools = golden_json("openai/request_canonical_tools.json")["tools"]
    google = Google(golden_bytes("gemini/chat_tool_call.json"))
    said = (await adapter(google).complete(call(tools=tools))).message
    results = [{"role": "tool", "tool_call_id": each["id"], "content": "{}"} for each in said["tool_calls"]]
    asked = [{"role": "user", "content": "weather?"}, said, *results]

    later = Google(golden_bytes("gemini/chat_response.json"))
    await adapter(later).complete(Call(MODEL, ChatRequest(asked, {"tools": tools}), QUICK, CREDENTIAL))

    contents = orjson.loads(later.requests[0].content)["contents"]
    assert contents[1]["parts"] == golden_json("gemini/chat_tool_call.json")["candidates"][0]["content"]["parts"]
    assert [part["functionResponse"]["id"] for part in contents[2]["parts"]] == ["k3p9x1", "k3p9x2"]


async def test_streamed_calls_arrive_whole() -> None:
    google = Google(golden_bytes("gemini/stream_tool_call.sse"), kind="text/event-stream")
    async with adapter(google).stream(call()) as stream:
        result = told([chunk async for chunk in stream])
    assert [each["arguments"] for each in result.calls.values()] == ['{"city":"Paris"}', '{"city":"Rome"}']
    assert result.finish == "tool_calls"


async def test_texts_are_embedded() -> None:
    google = Google(golden_bytes("gemini/batch_embed_contents.json"))
    request = EmbedCall("gemini-embedding-001", EmbedRequest(["a", "b"]), QUICK, CREDENTIAL)
    embeddings = await adapter(google).embed(request)
    assert google.asked == f"POST {GOOGLE}/models/gemini-embedding-001:batchEmbedContents"
    assert len(embeddings.vectors) == 2


async def test_a_prompt_is_counted() -> None:
    google = Google(golden_bytes("gemini/count_tokens.json"))
    assert await adapter(google).count_tokens(call()) == 31
    assert google.asked == f"POST {GOOGLE}/models/{MODEL}:countTokens"


async def test_models_that_talk_are_listed() -> None:
    google = Google(golden_bytes("gemini/models_list.json"))
    assert await adapter(google).models(CREDENTIAL) == [MODEL]
    assert google.asked == f"GET {GOOGLE}/models?pageSize=1000"


@pytest.mark.parametrize("body", [b"[]", b"x", b'{"models":7}'])
async def test_a_list_of_models_that_is_none_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        await adapter(Google(body)).models(CREDENTIAL)
    assert caught.value.kind is FailureKind.BAD_ANSWER


async def test_pictures_are_fetched_unless_only_google_can_read_them() -> None:
    google, album = Google(golden_bytes("gemini/chat_response.json")), Album()
    urls = ["https://x.example/a.png", "gs://bucket/b.png", "https://youtu.be/c", f"{GOOGLE}/files/d"]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    asked = a_call(MODEL, [{"role": "user", "content": parts}])

    await adapter(google, album).complete(asked)

    assert album.fetched == ["https://x.example/a.png"]
    sent = orjson.loads(google.requests[0].content)["contents"][0]["parts"]
    assert sent[0] == {"inlineData": {"mimeType": "image/png", "data": "cGljdHVyZQ=="}}
    assert [part["fileData"]["fileUri"] for part in sent[1:]] == urls[1:]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_names_its_provider_and_no_key(stream: bool) -> None:
    golden = golden_json("gemini/error_400_api_key.json")
    golden["body"]["error"]["message"] += f" It was {SECRET}."
    google = Google(orjson.dumps(golden["body"]), status=400)
    with pytest.raises(ProviderError) as caught:
        if stream:
            async with adapter(google).stream(call()):
                pass
        else:
            await adapter(google).complete(call())
    assert caught.value.kind is FailureKind.AUTH
    assert caught.value.message.startswith("gem 400: API key not valid")
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (golden_bytes("gemini/stream_error_midway.sse"), "text/event-stream", FailureKind.OVERLOADED),
        (golden_bytes("gemini/stream_text.sse")[:500], "text/event-stream", FailureKind.STREAM_TRUNCATED),
        (golden_bytes("gemini/stream_without_alt_sse.json"), "application/json", FailureKind.BAD_ANSWER),
        (golden_bytes("gemini/chat_prompt_blocked.json"), "application/json", FailureKind.CONTENT_POLICY),
        (b'[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}]', "application/json", FailureKind.RATE_LIMITED),
        (b'{\n "error": {\n  "code": 500, "status": "INTERNAL"\n }\n}', "text/event-stream", FailureKind.SERVER_ERROR),
    ],
)
async def test_a_stream_that_fails_says_why(content: bytes, kind: str, expected: FailureKind) -> None:
    with pytest.raises(ProviderError) as caught:
        async with adapter(Google(content, kind=kind)).stream(call()) as stream:
            async for _ in stream:
                pass
    assert caught.value.kind is expected


async def test_the_compatible_endpoint_is_still_there() -> None:
    config = ProviderConfig("compat", ProviderType.OPENAI_COMPATIBLE, f"{GOOGLE}/openai/")
    google = Google(golden_bytes("gemini/compat_tool_call.json"))
    compatible = build_adapter(config, httpx.MockTransport(google))

    response = await compatible.complete(call())

    assert google.asked == f"POST {GOOGLE}/openai/chat/completions"
    assert google.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    (asked,) = response.message["tool_calls"]
    assert asked["function"] == {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    assert asked["extra_content"]["google"]["thought_signature"]


async def test_the_compatible_endpoint_streams_and_fails_as_ever() -> None:
    config = ProviderConfig("compat", ProviderType.OPENAI_COMPATIBLE, f"{GOOGLE}/openai")
    google = Google(golden_bytes("gemini/compat_stream_tool_call.sse"), kind="text/event-stream")
    async with build_adapter(config, httpx.MockTransport(google)).stream(call()) as stream:
        result = told([chunk async for chunk in stream])
    assert [each["arguments"] for each in result.calls.values()] == ['{"city":"Paris"}']

    golden = golden_json("gemini/compat_error_list.json")
    refusing = Google(orjson.dumps(golden["body"]), status=golden["status"])
    with pytest.raises(ProviderError) as caught:
        await build_adapter(config, httpx.MockTransport(refusing)).complete(call())
    assert caught.value.kind is FailureKind.AUTH


async def test_a_name_that_makes_no_address_is_no_model() -> None:
    silent = adapter(lambda _: httpx.Response(500))

    with pytest.raises(ProviderError) as caught:
        await silent.complete(replace(call(), model="m" * 70_000))

    assert caught.value.kind is FailureKind.MODEL_NOT_FOUND
