"""A server under OpenAI's name that has Chat Completions only is spoken to over these, whatever its models are."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.adapters.build import build_adapter
from app.domain.chat import Call, ChatRequest, NativeBody, Wire
from app.domain.errors import FailureKind, ProviderError
from app.domain.provider import ProviderConfig, ProviderType

HELLO = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
CHAT = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-6-astra",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "over chat"}, "finish_reason": "stop"}],
}
NATIVE = Call("gpt-4o", ChatRequest(HELLO, native=NativeBody(Wire.RESPONSES, {"input": "hi"})))
WITH_TOOLS = Call("gpt-6-astra", ChatRequest(HELLO, {"tools": TOOLS}))
CHUNKS = b'data: {"choices":[{"index":0,"delta":{"content":"over chat"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Server:
    """Has Chat Completions, and answers `refusal` to everything else."""

    def __init__(self, refusal: httpx.Response) -> None:
        self.paths: list[str] = []
        self._refusal = refusal

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        if request.url.path != "/v1/chat/completions":
            return self._refusal
        if b'"stream":true' in request.content:
            return httpx.Response(200, content=CHUNKS, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=CHAT)


def adapter(server: Server) -> Any:
    config = ProviderConfig("like", ProviderType.OPENAI, "http://like.invalid/v1")
    return build_adapter(config, httpx.MockTransport(server))


def nowhere() -> httpx.Response:
    return httpx.Response(404, json={"detail": "Not Found"})


@pytest.mark.parametrize("call", [NATIVE, WITH_TOOLS])
async def test_a_server_without_the_responses_api_is_asked_over_chat(call: Call) -> None:
    server = Server(nowhere())
    speaking = adapter(server)

    answers = [await speaking.complete(call), await speaking.complete(call)]

    assert [answer.text for answer in answers] == ["over chat", "over chat"]
    assert [answer.native for answer in answers] == [None, None]
    assert server.paths == ["/v1/responses", "/v1/chat/completions", "/v1/chat/completions"]


async def test_a_stream_is_asked_for_over_chat_alike() -> None:
    server = Server(nowhere())

    async with adapter(server).stream(NATIVE) as chunks:
        said = "".join([chunk.chunk["choices"][0]["delta"].get("content") or "" async for chunk in chunks])

    assert said == "over chat"
    assert server.paths == ["/v1/responses", "/v1/chat/completions"]


async def test_a_model_that_is_not_there_is_no_missing_wire() -> None:
    error = {"error": {"message": "The model `gpt-6-astra` does not exist", "code": "model_not_found"}}
    server = Server(httpx.Response(404, json=error))

    with pytest.raises(ProviderError) as caught:
        await adapter(server).complete(WITH_TOOLS)

    assert caught.value.kind is FailureKind.MODEL_NOT_FOUND
    assert server.paths == ["/v1/responses"]
