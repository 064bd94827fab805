"""On a real socket: callers who leave, bodies that drip, heads that smuggle, and OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from app.api import body as body_module
from app.domain.errors import FailureKind, ProviderError
from app.services import Services
from tests.api.conftest import serving
from tests.api.speaking import V1, native_body, openai_body
from tests.fakes_edge import FakeDecisions, FakeGateway, FakeMetrics, last_chunk, text_chunk

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


@pytest.fixture
async def server(services: Services) -> AsyncIterator[str]:
    async with serving(services) as url:
        yield url


class Wire:
    """A connection that says exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, url: str) -> Wire:
        host, _, port = url.removeprefix("http://").partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def say(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def post(self, path: str, content: object) -> None:
        raw = json.dumps(content).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(raw)}\r\n\r\n".encode()
        await self.say(head + raw)

    async def until(self, mark: bytes) -> bytes:
        with anyio.fail_after(10):
            return await self.reader.readuntil(mark)

    async def rest(self) -> bytes:
        with anyio.fail_after(10):
            return await self.reader.read()

    def leave(self) -> None:
        self.writer.transport.abort()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (V1, openai_body()),
        (V1, openai_body(stream=True)),
        ("/chat", native_body()),
        ("/chat", native_body(stream=True)),
    ],
)
async def test_a_caller_who_leaves_before_the_first_byte_cancels_the_upstream(
    server: str, gateway: FakeGateway, metrics: FakeMetrics, path: str, content: object
) -> None:
    gateway.before = asyncio.Event()
    wire = await Wire.to(server)
    await wire.post(path, content)
    with anyio.fail_after(5):
        await gateway.waiting.wait()

    wire.leave()

    with anyio.fail_after(0.5):
        await gateway.cancelled.wait()
    with anyio.fail_after(5):
        await metrics.counted.wait()
    assert metrics.requests == [(path, 499, "caller_cancelled")]


@pytest.mark.parametrize(("path", "content"), [(V1, openai_body(stream=True)), ("/chat", native_body(stream=True))])
async def test_a_caller_who_leaves_mid_stream_cancels_and_closes_the_upstream(
    server: str, gateway: FakeGateway, path: str, content: object
) -> None:
    gateway.script = [text_chunk("u"), asyncio.Event(), last_chunk()]
    wire = await Wire.to(server)
    await wire.post(path, content)
    await wire.until(b'"u"')

    wire.leave()

    with anyio.fail_after(0.5):
        await gateway.cancelled.wait()
        await gateway.closed.wait()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_who_leaves_cancels_the_panel(server: str, decisions: FakeDecisions, *, stream: bool) -> None:
    decisions.script = [decisions.script[0], asyncio.Event(), decisions.script[1]]
    wire = await Wire.to(server)
    await wire.post("/decisions", {"symbol": "BTC", "prompt": "up?", "stream": stream})
    with anyio.fail_after(5):
        await decisions.waiting.wait()

    wire.leave()

    with anyio.fail_after(0.5):
        await decisions.cancelled.wait()


async def test_a_caller_who_leaves_mid_body_is_no_error_of_ours(server: str, metrics: FakeMetrics) -> None:
    wire = await Wire.to(server)
    await wire.say(b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
    wire.leave()

    with anyio.fail_after(5):
        await metrics.counted.wait()
    assert metrics.requests == [("/chat", 499, "caller_cancelled")]


async def test_a_reader_who_stands_still_holds_the_upstream_back(server: str, gateway: FakeGateway) -> None:
    gateway.script = [*(text_chunk("x" * 60_000) for _ in range(2_000)), last_chunk()]
    wire = await Wire.to(server)
    wire.reader._limit = 1_000  # type: ignore[attr-defined]  # the reader's own buffer must not swallow the stream
    await wire.post(V1, openai_body(stream=True))
    await wire.until(b"x" * 500)

    # What is on its way is bounded by the sockets' buffers: once they are full, the upstream is asked for no more.
    with anyio.fail_after(20):
        before = -1
        while before != gateway.given:
            before = gateway.given
            with anyio.move_on_after(0.3):
                await gateway.closed.wait()
    assert gateway.given < 400
    wire.leave()
    with anyio.fail_after(1):
        await gateway.closed.wait()


async def test_a_quiet_stream_is_kept_alive_by_comments(services: Services, gateway: FakeGateway) -> None:
    go_on = asyncio.Event()
    gateway.script = [text_chunk("u"), go_on, last_chunk()]
    async with serving(replace(services, keep_alive=0.06)) as url:
        wire = await Wire.to(url)
        await wire.post(V1, openai_body(stream=True))
        await wire.until(b'"u"')
        await wire.until(b": keep-alive\n\n")
        await wire.until(b": keep-alive\n\n")
        go_on.set()
        await wire.until(b"[DONE]")
        wire.leave()


async def test_nothing_is_said_before_the_commit_however_long_it_takes(
    services: Services, gateway: FakeGateway
) -> None:
    gateway.before = asyncio.Event()
    async with serving(replace(services, keep_alive=0.01)) as url:
        wire = await Wire.to(url)
        await wire.post(V1, openai_body(stream=True))
        with anyio.move_on_after(0.1):
            await wire.reader.read(1)
            pytest.fail("something was said before the commit")
        wire.leave()


async def test_a_stop_lets_streams_finish_and_then_ends_them_in_band(
    services: Services, gateway: FakeGateway, metrics: FakeMetrics
) -> None:
    draining = asyncio.Event()
    gateway.script = [text_chunk("u"), asyncio.Event(), last_chunk()]
    async with serving(replace(services, draining=draining, drain_grace=0.1)) as url:
        wire = await Wire.to(url)
        await wire.post(V1, openai_body(stream=True))
        await wire.until(b'"u"')

        draining.set()

        told = (await wire.until(b"0\r\n\r\n")).decode()
        assert '"code":"gateway_shutting_down"' in told
        assert "[DONE]" not in told
        with anyio.fail_after(1):
            await gateway.closed.wait()
        wire.leave()


async def test_a_stop_ends_what_waits_with_a_true_status(services: Services, gateway: FakeGateway) -> None:
    draining = asyncio.Event()
    gateway.before = asyncio.Event()
    async with serving(replace(services, draining=draining, drain_grace=0)) as url:
        wire = await Wire.to(url)
        await wire.post("/chat", native_body())
        with anyio.fail_after(5):
            await gateway.waiting.wait()
        draining.set()
        head = await wire.until(b"\r\n\r\n")
        wire.leave()

    assert head.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in head


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health/live HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        b"GET /health/live HTTP/1.0\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: +5\r\n\r\nhello",
        b"GET /health/live HTTP/1.1\nhost: localhost\n\n",
        b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-a: b\r\n c\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost : localhost\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-filler: " + b"x" * 40_000 + b"\r\n\r\n",
    ],
    ids=["no-host", "two-hosts", "1.0-no-host", "cl+te", "two-cl", "odd-cl", "bare-lf", "folded", "space", "flood"],
)
async def test_a_head_that_smuggles_is_a_400(server: str, head: bytes) -> None:
    wire = await Wire.to(server)
    await wire.say(head)

    line = await wire.until(b"\r\n")
    wire.leave()

    assert line.startswith(b"HTTP/1.1 400")


async def test_a_body_that_drips_is_cut(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "READ_TIMEOUT", 0.05)
    wire = await Wire.to(server)
    await wire.say(b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")

    told = await wire.until(b"}")
    wire.leave()

    assert told.startswith(b"HTTP/1.1 400")
    assert b"did not arrive" in told


async def test_a_large_body_is_refused_before_it_is_sent(server: str) -> None:
    wire = await Wire.to(server)
    await wire.say(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 11000000\r\n"
        b"expect: 100-continue\r\n\r\n"
    )

    line = await wire.until(b"\r\n")
    wire.leave()

    assert line.startswith(b"HTTP/1.1 413")


async def test_a_client_that_sends_a_large_body_all_the_same_reads_the_413(server: str) -> None:
    async with httpx.AsyncClient(base_url=server, timeout=20) as client:
        response = await client.post(V1, content=b"x" * 11_000_000)
        after = await client.get("/health/live")

    assert response.status_code == 413
    assert response.json()["error"]["code"] == "caller_too_large"
    assert after.status_code == 200


async def test_a_large_body_does_not_hold_the_loop(server: str) -> None:
    loop = asyncio.get_running_loop()
    worst = 0.0

    async def heartbeat() -> None:
        nonlocal worst
        while True:
            due = loop.time() + 0.005
            await anyio.sleep_until(due)
            worst = max(worst, loop.time() - due)

    text = 'he said \\"up: 1, down: 2\\" ' * 350_000
    raw = b'{"model": "auto", "messages": [{"role": "user", "content": "' + text.encode() + b'"}]}'
    async with httpx.AsyncClient(base_url=server, timeout=30) as client, anyio.create_task_group() as beats:
        beats.start_soon(heartbeat)
        response = await client.post(V1, content=raw)
        beats.cancel_scope.cancel()

    assert response.status_code == 200
    assert worst < 0.25


async def test_openais_own_client_works_by_its_base_url_alone(server: str, gateway: FakeGateway) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="any", max_retries=0) as client:
        whole = await client.chat.completions.create(model="auto", messages=MESSAGES, temperature=0.2)
        stream = await client.chat.completions.create(
            model="auto", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        models = [model.id async for model in client.models.list()]
        one = await client.models.retrieve("alpha/alpha-1")

    assert whole.choices[0].message.content == "up"
    assert whole.usage is not None
    assert whole.usage.total_tokens == 14
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "up"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 14
    assert models == ["alpha/alpha-1", "alpha-1", "auto"]
    assert one.owned_by == "alpha"


async def test_openais_own_client_understands_our_errors(server: str, gateway: FakeGateway) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server}/v1", api_key="any", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as wrong:
            await client.chat.completions.create(model="auto", messages=[])
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.models.retrieve("gpt-77")
        gateway.script = [text_chunk("u"), ProviderError(FailureKind.STREAM_TRUNCATED, "alpha stopped")]
        stream = await client.chat.completions.create(model="auto", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError, match="alpha stopped"):
            async for _ in stream:
                pass

    assert (wrong.value.param, wrong.value.code) == ("messages", "caller_invalid_request")
    assert unknown.value.code == "model_not_found"
    assert wrong.value.request_id


async def test_a_websocket_is_turned_away(server: str) -> None:
    wire = await Wire.to(server)
    await wire.say(
        b"GET /chat HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    line = await wire.until(b"\r\n")
    wire.leave()

    assert line.split()[1] in (b"403", b"405")


async def test_a_connection_is_used_again_after_a_stream(server: str) -> None:
    wire = await Wire.to(server)
    for _ in range(3):
        await wire.post("/chat", native_body(stream=True))
        told = await wire.until(b"0\r\n\r\n")
        assert b"event: done" in told
    wire.leave()


@pytest.mark.parametrize(("path", "status"), [("/health/live", 200), ("/v1/models", 200), ("/v1/models/none", 404)])
async def test_head_is_answered_like_get_without_the_body(server: str, path: str, status: int) -> None:
    async with httpx.AsyncClient(base_url=server, trust_env=False) as client:
        head, get = await client.head(path), await client.get(path)

    assert (head.status_code, get.status_code, head.content) == (status, status, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]
