from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import anyio
import httpx
import orjson
import pytest
from pydantic import SecretStr

from app.adapters.anthropic import AnthropicCodec
from app.adapters.http import HTTPAdapter
from app.adapters.openai import OpenAICodec
from app.adapters.openai_request import RequestOptions
from app.domain.chat import Call, ChatChunk, ChatRequest, Credential, Timeouts
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.transport.client import TransportRules, open_transport
from tests.adapters.misbehaving import SSE_HEAD, Exchange, Script, event, finish, misbehaving, response
from tests.golden import golden_bytes, golden_json

SECRET = "key!with-odd$letters-1234"
QUICK = Timeouts(connect=0.5, first_token=0.3, idle=0.3, total=0.4)
DONE = b"data: [DONE]\n\n"


@pytest.fixture
async def transport() -> AsyncIterator[httpx.AsyncBaseTransport]:
    async with open_transport(TransportRules(max_body=1024 * 1024)) as opened:
        yield opened


def call(timeouts: Timeouts = QUICK) -> Call:
    request = ChatRequest([{"role": "user", "content": "hi"}], {"temperature": 0.5})
    return Call("m", request, timeouts, Credential("id", SecretStr(SECRET)))


def adapter(url: str, transport: httpx.AsyncBaseTransport, codec: OpenAICodec | None = None) -> HTTPAdapter:
    return HTTPAdapter(codec or OpenAICodec(), url, transport, provider="groq_free", headers={"x-extra": "1"})


async def streamed(target: HTTPAdapter, asked: Call) -> tuple[str, ProviderError | None]:
    """The text that came, and the error that ended it."""
    text = ""
    try:
        async with target.stream(asked) as chunks:
            async for each in chunks:
                text += text_of(each)
    except ProviderError as error:
        return text, error
    return text, None


def text_of(chunk: ChatChunk) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in chunk.chunk["choices"])


async def fault_of(script: Script, transport: httpx.AsyncBaseTransport) -> tuple[str, ProviderError]:
    """What a streamed and misbehaved answer ends with, in bounded time."""
    async with misbehaving(script) as server:
        with anyio.fail_after(5):
            text, error = await streamed(adapter(server.url, transport), call())
    assert error is not None
    assert SECRET not in error.message
    assert error.message.startswith("groq_free")
    return text, error


async def plain_fault_of(script: Script, transport: httpx.AsyncBaseTransport) -> ProviderError:
    async with misbehaving(script) as server:
        with anyio.fail_after(5), pytest.raises(ProviderError) as caught:
            await adapter(server.url, transport).complete(call())
    return caught.value


async def test_a_request_carries_the_key_in_a_header_and_the_hop() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=golden_bytes("openai/chat_response.json"))

    result = await adapter("http://p.test/v1/", httpx.MockTransport(handler)).complete(call())

    (request,) = seen
    assert result.completion == golden_json("openai/chat_response.json")
    assert str(request.url) == "http://p.test/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert (request.headers["x-outcry-hop"], request.headers["x-extra"]) == ("1", "1")
    assert SECRET.encode() not in request.content
    assert orjson.loads(request.content)["model"] == "m"


async def test_what_was_dropped_is_said_once() -> None:
    codec = OpenAICodec("x", RequestOptions(dropped=frozenset({"temperature"})))
    whole = httpx.MockTransport(lambda _: httpx.Response(200, content=golden_bytes("openai/chat_response.json")))
    stream = httpx.MockTransport(
        lambda _: httpx.Response(
            200,
            content=golden_bytes("openai/stream_text_usage.sse"),
            headers={"content-type": "text/event-stream; charset=utf-8"},
        )
    )

    response = await adapter("http://p.test", whole, codec).complete(call())
    async with adapter("http://p.test", stream, codec).stream(call()) as chunks:
        warned = [each.warnings async for each in chunks]

    assert response.warnings == ("temperature was dropped: x does not take it",)
    assert warned[0] == response.warnings
    assert not any(warned[1:])


async def test_an_error_answer_names_the_provider_and_hides_the_key() -> None:
    body = {"error": {"message": f"limit of {SECRET} reached", "code": "rate_limit_exceeded"}}
    mock = httpx.MockTransport(lambda _: httpx.Response(429, json=body, headers={"retry-after": "2"}))
    with pytest.raises(ProviderError) as caught:
        await adapter("http://p.test", mock).complete(call())
    _, streams_error = await streamed(adapter("http://p.test", mock), call())

    assert streams_error is not None
    for each in (caught.value, streams_error):
        assert (each.kind, each.retry_after, each.upstream_status) == (K.RATE_LIMITED, 2.0, 429)
        assert each.message == str(each) == "groq_free 429: limit of [redacted] reached"


async def test_the_callers_own_mistake_keeps_the_providers_words() -> None:
    fixture = golden_json("openai/error_400_unsupported_temperature.json")
    mock = httpx.MockTransport(lambda _: httpx.Response(400, json=fixture["body"]))
    with pytest.raises(ProviderError) as caught:
        await adapter("http://p.test", mock).complete(call())
    assert caught.value.message == fixture["body"]["error"]["message"]
    assert (caught.value.param, caught.value.status) == ("temperature", 400)


async def test_models_and_the_sign_of_life_are_free() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.url.path) == ("GET", "/v1/models")
        return httpx.Response(200, content=golden_bytes("openai/models_list.json"))

    target = adapter("http://p.test/v1", httpx.MockTransport(handler))
    assert await target.models(Credential())
    await target.probe(Credential())


@pytest.mark.parametrize(("status", "kind"), [(401, K.AUTH), (503, K.OVERLOADED), (302, K.BAD_ANSWER)])
async def test_a_server_that_refuses_gives_no_sign_of_life(status: int, kind: K) -> None:
    target = adapter("http://p.test/v1", httpx.MockTransport(lambda _: httpx.Response(status)))
    with pytest.raises(ProviderError) as caught:
        await target.probe(Credential())
    assert caught.value.kind is kind


async def test_a_server_without_a_list_of_models_is_alive() -> None:
    await adapter("http://p.test/v1", httpx.MockTransport(lambda _: httpx.Response(404))).probe(Credential())


async def test_a_refused_connection_is_known_at_once(transport: httpx.AsyncBaseTransport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    started = monotonic()
    _, error = await streamed(adapter(url, transport), call())
    assert error is not None
    assert error.kind is K.UNREACHABLE
    assert monotonic() - started < 0.25


async def test_a_name_that_does_not_resolve_is_unreachable(transport: httpx.AsyncBaseTransport) -> None:
    slow = Timeouts(connect=5, first_token=5, total=5)
    _, error = await streamed(adapter("http://no-such-host.invalid", transport), call(slow))
    assert error is not None
    assert error.kind in (K.UNREACHABLE, K.TIMEOUT)


async def test_a_stream_arrives_and_the_connection_is_used_again(transport: httpx.AsyncBaseTransport) -> None:
    ports: set[int] = set()

    async def script(exchange: Exchange) -> None:
        ports.add(exchange.writer.get_extra_info("peername")[1])
        for _ in range(2):
            body = b"".join(f"{len(p):x}\r\n".encode() + p + b"\r\n" for p in (event(content="a"), finish(), DONE))
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            await exchange.send(head + body)
            with anyio.move_on_after(0.01):  # the end of the body is a packet of its own
                await asyncio.Event().wait()
            await exchange.send(b"0\r\n\r\n")
            with anyio.fail_after(2):
                head = await exchange.reader.readuntil(b"\r\n\r\n")
                await exchange.reader.read(1000)

    async with misbehaving(script) as server:
        with anyio.fail_after(5):
            for _ in range(2):
                assert await streamed(adapter(server.url, transport), call()) == ("a", None)
    assert len(ports) == 1


async def test_a_silent_server_meets_the_first_token_timer(transport: httpx.AsyncBaseTransport) -> None:
    started = monotonic()
    _, error = await fault_of(Exchange.hang, transport)
    assert error.kind is K.TIMEOUT
    assert "first token" in error.message
    assert 0.25 < monotonic() - started < 0.8


async def test_comments_forever_do_not_stop_the_first_token_timer(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD)
        ticks = asyncio.Event()
        while not exchange.reader.at_eof():
            await exchange.send(b": keep-alive\n\n")
            with anyio.move_on_after(0.02):
                await ticks.wait()

    _, error = await fault_of(script, transport)
    assert error.kind is K.TIMEOUT


async def test_a_role_chunk_is_no_first_token(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + event(role="assistant", content=""))
        await exchange.hang()

    text, error = await fault_of(script, transport)
    assert (text, error.kind) == ("", K.TIMEOUT)


async def test_a_stall_after_content_meets_the_idle_timer(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + event(content="half"))
        await exchange.hang()

    text, error = await fault_of(script, transport)
    assert (text, error.kind) == ("half", K.TIMEOUT)
    assert "idle" in error.message


async def test_after_the_first_content_only_gaps_count(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD)
        never = asyncio.Event()
        for _ in range(6):
            await exchange.send(event(content="x"))
            with anyio.move_on_after(0.15):
                await never.wait()
        await exchange.send(finish() + DONE)

    async with misbehaving(script) as server:
        assert await streamed(adapter(server.url, transport), call()) == ("xxxxxx", None)


async def test_a_slow_reader_is_not_the_providers_fault(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + event(content="a"))
        await exchange.send(event(content="b") + finish() + DONE)

    never = asyncio.Event()
    async with misbehaving(script) as server:
        text = ""
        async with adapter(server.url, transport).stream(call()) as chunks:
            async for each in chunks:
                text += text_of(each)
                with anyio.move_on_after(0.35):
                    await never.wait()
    assert text == "ab"


async def test_a_reset_before_anything_is_unreachable(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        exchange.reset()

    _, error = await fault_of(script, transport)
    assert error.kind is K.UNREACHABLE
    assert (await plain_fault_of(script, transport)).kind is K.UNREACHABLE


async def test_a_close_before_anything_is_unreachable(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        exchange.writer.close()

    _, error = await fault_of(script, transport)
    assert error.kind is K.UNREACHABLE


async def test_a_reset_after_content_is_a_truncated_stream(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        piece = event(content="half")
        await exchange.send(head + f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        with anyio.move_on_after(0.05):
            await asyncio.Event().wait()
        exchange.reset()

    text, error = await fault_of(script, transport)
    assert (text, error.kind) == ("half", K.STREAM_TRUNCATED)


@pytest.mark.parametrize("rest", [b"", DONE, b'data: {"choices":[{"del'])
async def test_an_end_without_a_finish_reason_is_a_truncated_stream(
    rest: bytes, transport: httpx.AsyncBaseTransport
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + event(content="half") + rest)

    text, error = await fault_of(script, transport)
    assert (text, error.kind) == ("half", K.STREAM_TRUNCATED)


@pytest.mark.parametrize("ending", ["close", "stall", "reset"])
async def test_after_the_finish_reason_nothing_can_spoil_a_stream(
    ending: str, transport: httpx.AsyncBaseTransport
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + event(content="whole") + finish())
        if ending == "stall":
            await exchange.hang()
        if ending == "reset":
            # A reset throws away what the other side has not read yet.
            with anyio.move_on_after(0.5):
                await asyncio.Event().wait()
            exchange.reset()

    async with misbehaving(script) as server:
        assert await streamed(adapter(server.url, transport), call()) == ("whole", None)


ERROR = b'{"error":{"message":"Overloaded","type":"server_error","code":503}}'


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response(ERROR), K.OVERLOADED),
        (SSE_HEAD + b"data: " + ERROR + b"\n\n", K.OVERLOADED),
        (SSE_HEAD + b"event: error\ndata: " + ERROR + b"\n\n", K.OVERLOADED),
        (SSE_HEAD + b"data: " + ERROR, K.OVERLOADED),
        (response(golden_bytes("openai/chat_response.json")), K.BAD_ANSWER),
        (response(b"<html>login</html>", kind="text/html"), K.BAD_ANSWER),
        (response(b""), K.BAD_ANSWER),
        (SSE_HEAD, K.BAD_ANSWER),
        (SSE_HEAD + b"data: nonsense\n\n", K.BAD_ANSWER),
        (response(b"moved", status="302 Found", extra="location: http://169.254.169.254/\r\n"), K.BAD_ANSWER),
        (response(b"", status="204 No Content"), K.BAD_ANSWER),
        (response(ERROR, status="503 Busy", kind="text/event-stream"), K.OVERLOADED),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", K.BAD_ANSWER),
        (b"HTTP/1.1 200 OK\r\nx-long: " + b"a" * 100_000 + b"\r\n\r\n", K.BAD_ANSWER),
        (SSE_HEAD + b"data: " + b"x" * (300 * 1024), K.BAD_ANSWER),
        (SSE_HEAD + event(role="assistant") * 65, K.BAD_ANSWER),
        (SSE_HEAD + (b": " + b"x" * 1000 + b"\n") * 300, K.BAD_ANSWER),
    ],
)
async def test_what_is_no_stream_is_the_error_that_it_is(
    answer: bytes, kind: K, transport: httpx.AsyncBaseTransport
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(answer)

    text, error = await fault_of(script, transport)
    assert (text, error.kind) == ("", kind)


async def test_sixty_four_frames_without_content_are_still_fine(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + event(role="assistant") * 63 + event(content="x") + finish() + DONE)

    async with misbehaving(script) as server:
        assert await streamed(adapter(server.url, transport), call()) == ("x", None)


async def test_an_endless_line_after_content_is_cut(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + event(content="a") + b"data: ")
        for _ in range(800):
            await exchange.send(b"x" * 65536)

    text, error = await fault_of(script, transport)
    assert (text, error.kind) == ("a", K.BAD_ANSWER)


async def test_an_encoded_answer_is_not_unpacked(transport: httpx.AsyncBaseTransport) -> None:
    bomb = gzip.compress(b"0" * 8_000_000)

    async def script(exchange: Exchange) -> None:
        assert b"accept-encoding: identity" in exchange.head.lower()
        await exchange.send(response(bomb, extra="content-encoding: gzip\r\n"))

    _, error = await fault_of(script, transport)
    assert error.kind is K.BAD_ANSWER
    assert (await plain_fault_of(script, transport)).kind is K.BAD_ANSWER


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (response(ERROR), K.OVERLOADED),
        (response(b"<html>", kind="text/html"), K.BAD_ANSWER),
        (response(b"<!doctype html><p>login</p>"), K.BAD_ANSWER),
        (response(b": keep-alive\n\n" * 9), K.BAD_ANSWER),
        (response(b"\n \n" * 9), K.BAD_ANSWER),
        (response(golden_bytes("openai/stream_text_usage.sse"), kind="text/event-stream"), K.BAD_ANSWER),
        (response(b""), K.BAD_ANSWER),
        (response(b"x", status="301 Moved", extra="location: /y\r\n"), K.BAD_ANSWER),
        (response(golden_bytes("openai/chat_response.json")[:100]), K.BAD_ANSWER),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n" + b'{"id"', K.BAD_ANSWER),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 500\r\n\r\n" + b'{"err', K.SERVER_ERROR),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n", K.UNREACHABLE),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n" + b" " * 2_000_000, K.BAD_ANSWER),
    ],
)
async def test_a_plain_answer_that_is_none_is_the_error_that_it_is(
    answer: bytes, kind: K, transport: httpx.AsyncBaseTransport
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(answer)

    assert (await plain_fault_of(script, transport)).kind is kind


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
async def test_a_plain_answer_has_the_total_timer(head: bytes, transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(head)
        await exchange.hang()

    started = monotonic()
    error = await plain_fault_of(script, transport)
    assert error.kind is K.TIMEOUT
    assert monotonic() - started < 0.8


async def test_an_error_that_never_ends_is_known_by_its_status(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 429 Slow\r\nretry-after: 3\r\ncontent-length: 900\r\n\r\n{")
        await exchange.hang()

    _, error = await fault_of(script, transport)
    assert (error.kind, error.retry_after) == (K.RATE_LIMITED, 3.0)


@pytest.mark.parametrize("answer", [b"", SSE_HEAD, SSE_HEAD + event(content="a")])
async def test_a_caller_who_leaves_closes_the_connection(answer: bytes, transport: httpx.AsyncBaseTransport) -> None:
    patient = Timeouts(first_token=30, idle=30, total=30)
    arrived = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.send(answer)
        arrived.set()
        await exchange.hang()

    async def ask(url: str) -> None:
        await streamed(adapter(url, transport), call(patient))

    async with misbehaving(script) as server:
        task = asyncio.create_task(ask(server.url))
        with anyio.fail_after(3):
            await arrived.wait()
        task.cancel()
        with anyio.fail_after(0.5):
            await server.left.wait()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_leaving_the_context_early_closes_the_connection(transport: httpx.AsyncBaseTransport) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(SSE_HEAD + event(content="a"))
        await exchange.hang()

    async with misbehaving(script) as server:
        async with adapter(server.url, transport).stream(call()) as chunks:
            assert text_of(await anext(aiter(chunks))) == "a"
        with anyio.fail_after(0.5):
            await server.left.wait()


async def test_many_cancelled_calls_leave_the_pool_whole() -> None:
    async def script(exchange: Exchange) -> None:
        if b"again" in exchange.body:
            await exchange.send(SSE_HEAD + event(content="a") + finish() + DONE)
        else:
            await exchange.hang()

    rules = TransportRules(max_connections=2, max_connections_per_host=2)
    async with open_transport(rules) as small, misbehaving(script) as server:
        target = adapter(server.url, small)
        for _ in range(10):
            tasks = [asyncio.create_task(streamed(target, call())) for _ in range(4)]
            with anyio.move_on_after(0.01):
                await asyncio.Event().wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        again: dict[str, Any] = {"again": True}
        for _ in range(4):
            asked = Call("m", ChatRequest([{"role": "user", "content": "hi"}], again), QUICK)
            assert await streamed(target, asked) == ("a", None)


@pytest.mark.parametrize(
    ("parameters", "unheeded"),
    [
        ({"temperature": 0.5, "max_tokens": 5}, ()),
        ({"temperature": 1.5, "seed": 7, "logit_bias": {"1": 1}}, ("temperature", "seed", "logit_bias")),
    ],
)
def test_what_a_dialect_would_leave_out_is_known_before_anybody_is_asked(
    parameters: dict[str, Any], unheeded: tuple[str, ...]
) -> None:
    adapter = HTTPAdapter(
        AnthropicCodec(), "https://anthropic.test/v1", httpx.MockTransport(lambda _: httpx.Response(500)), provider="a"
    )
    call = Call("claude-3-5-haiku-latest", ChatRequest([{"role": "user", "content": "hi"}], parameters))

    assert set(adapter.unheeded(call)) == set(unheeded)
