"""A provider that says back the key it was sent gives it to nobody, whichever wire passes its words on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import orjson
import pytest
from pydantic import SecretStr

from app.adapters.anthropic import AnthropicCodec
from app.adapters.codec import Codec
from app.adapters.http import HTTPAdapter
from app.adapters.ollama import OllamaCodec
from app.adapters.openai import OpenAICodec
from app.domain.chat import Call, ChatRequest, Credential, NativeBody, Timeouts, Wire
from app.transport.client import TransportRules, open_transport
from tests.adapters.misbehaving import Exchange, misbehaving, response

SECRET = "key!with-odd$letters-1234"
SAID = f"you sent {SECRET}"
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def transport() -> AsyncIterator[httpx.AsyncBaseTransport]:
    async with open_transport(TransportRules()) as opened:
        yield opened


def native_call(secret: str = SECRET) -> Call:
    native = NativeBody(Wire.MESSAGES, {"max_tokens": 9, "messages": MESSAGES}, {})
    return Call("m", ChatRequest(MESSAGES, {}, native=native), Timeouts(), Credential("id", SecretStr(secret)))


def plain_call(secret: str = SECRET) -> Call:
    return Call("m", ChatRequest(MESSAGES, {}), Timeouts(), Credential("id", SecretStr(secret)))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(e["type"]).encode(), orjson.dumps(e)) for e in events)


MESSAGE = {"id": "m", "type": "message", "role": "assistant", "model": SAID, "usage": {SECRET: 1}, "content": []}
ANTHROPIC = {**MESSAGE, "content": [{"type": "text", "text": SAID}], "stop_reason": "end_turn"}
ANTHROPIC_STREAM = sse(
    {"type": "message_start", "message": MESSAGE},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": SAID}},
    {"type": SECRET, "odd": SECRET},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
    {"type": "message_stop"},
)
CHOICE = {"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}
DELTA = {"index": 0, "delta": {"content": SAID}, "finish_reason": "stop"}
OLLAMA = {"model": "m", "message": {"role": "assistant", "content": SAID}, "done": True, "done_reason": "stop"}

CASES = [
    (AnthropicCodec(), native_call(), orjson.dumps(ANTHROPIC), ANTHROPIC_STREAM, "text/event-stream"),
    (AnthropicCodec(), plain_call(), orjson.dumps(ANTHROPIC), ANTHROPIC_STREAM, "text/event-stream"),
    (
        OpenAICodec(),
        plain_call(),
        orjson.dumps({"id": "c", "choices": [CHOICE]}),
        b"data: " + orjson.dumps({"id": "c", "choices": [DELTA]}) + b"\n\ndata: [DONE]\n\n",
        "text/event-stream",
    ),
    (OllamaCodec(), plain_call(), orjson.dumps(OLLAMA), orjson.dumps(OLLAMA) + b"\n", "application/x-ndjson"),
]


@pytest.mark.parametrize(("codec", "call", "body", "stream", "kind"), CASES)
async def test_a_key_that_is_echoed_reaches_nobody(
    transport: httpx.AsyncBaseTransport, codec: Codec, call: Call, body: bytes, stream: bytes, kind: str
) -> None:
    async def whole(exchange: Exchange) -> None:
        await exchange.send(response(body))

    async def in_pieces(exchange: Exchange) -> None:
        await exchange.send(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n".encode())
        for at in range(0, len(stream), 7):
            await exchange.send(stream[at : at + 7])
            await asyncio.sleep(0)

    with anyio.fail_after(5):
        async with misbehaving(whole) as server:
            answer = await HTTPAdapter(codec, server.url, transport, provider="p").complete(call)
        async with (
            misbehaving(in_pieces) as server,
            HTTPAdapter(codec, server.url, transport, provider="p").stream(call) as chunks,
        ):
            said = [chunk async for chunk in chunks]

    assert "you sent [redacted]" in repr(answer)
    assert "you sent [redacted]" in repr(said)
    assert SECRET not in repr(answer) + repr(said)


async def test_the_word_that_a_local_server_takes_for_a_key_is_a_word_in_answers(
    transport: httpx.AsyncBaseTransport,
) -> None:
    async def script(exchange: Exchange) -> None:
        spoken = {**CHOICE, "message": {"role": "assistant", "content": "an ollama is no llama"}}
        await exchange.send(response(orjson.dumps({"id": "c", "choices": [spoken]})))

    async with misbehaving(script) as server:
        answer = await HTTPAdapter(OpenAICodec(), server.url, transport, provider="p").complete(plain_call("ollama"))

    assert answer.text == "an ollama is no llama"


async def test_a_key_with_slashes_is_known_when_they_are_escaped(transport: httpx.AsyncBaseTransport) -> None:
    secret = "abcdefgh/ijklmnop/qrst"

    async def script(exchange: Exchange) -> None:
        spoken = {**CHOICE, "message": {"role": "assistant", "content": f"you sent {secret}"}}
        await exchange.send(response(orjson.dumps({"id": "c", "choices": [spoken]}).replace(b"/", b"\\/")))

    async with misbehaving(script) as server:
        answer = await HTTPAdapter(OpenAICodec(), server.url, transport, provider="p").complete(plain_call(secret))

    assert answer.text == "you sent [redacted]"
