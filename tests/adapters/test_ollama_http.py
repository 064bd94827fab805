"""Ollama's wire over real sockets: line streams under the timers and bounds that event streams have."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import orjson
import pytest

from app.adapters.build import build_adapter
from app.adapters.http import HTTPAdapter
from app.domain.chat import Call, ChatRequest, Credential, Timeouts
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.provider import ProviderConfig, ProviderType
from app.domain.usage import Usage
from app.transport.client import TransportRules, open_transport
from tests.adapters.streams import Told, a_call, told
from tests.behaviours import (
    Answer,
    Behaviour,
    JsonError200,
    Silent,
    Status,
    Stream,
    Tokens,
    ToolCall,
    WrongMode,
)
from tests.golden import golden_bytes
from tests.upstream import Upstream

QUICK = Timeouts(first_token=0.4, idle=0.4)
PATIENT = Timeouts(first_token=5, idle=5)


@pytest.fixture
async def transport() -> AsyncIterator[httpx.AsyncBaseTransport]:
    async with open_transport(TransportRules(max_body=64 * 1024)) as opened:
        yield opened


def adapter(url: str, transport: httpx.AsyncBaseTransport) -> HTTPAdapter:
    built = build_adapter(ProviderConfig("local", ProviderType.OLLAMA, url), transport)
    assert isinstance(built, HTTPAdapter)
    return built


async def streamed(
    behaviour: Behaviour, transport: httpx.AsyncBaseTransport, timeouts: Timeouts = PATIENT
) -> tuple[Told, ProviderError | None]:
    """What a scripted Ollama's stream said, and the error that ended it."""
    chunks = []
    failure: ProviderError | None = None
    with Upstream(behaviour, dialect="ollama") as upstream:
        call = Call("m", ChatRequest([{"role": "user", "content": "hi"}]), timeouts)
        try:
            async with adapter(upstream.url, transport).stream(call) as arriving:
                async for chunk in arriving:
                    chunks.append(chunk)  # noqa: PERF401 - what came before an error counts
        except ProviderError as error:
            failure = error
        assert upstream.requests[0].path == "/api/chat"
        assert (upstream.requests[0].body or {})["stream"] is True
    return told(chunks), failure


async def fault_of(
    behaviour: Behaviour, transport: httpx.AsyncBaseTransport, timeouts: Timeouts = PATIENT
) -> tuple[str, ProviderError]:
    result, error = await streamed(behaviour, transport, timeouts)
    assert error is not None
    assert error.message.startswith("local")
    return result.content, error


@pytest.mark.parametrize("piece", [None, 1, 7])
async def test_a_line_stream_arrives_however_it_is_cut(piece: int | None, transport: httpx.AsyncBaseTransport) -> None:
    call = ToolCall("get_weather", '{"city":"Paris"}')
    script = Stream(words=("a", "b ü"), tool_calls=(call,), usage=Tokens(5, 3), piece=piece, comments=3)

    result, error = await streamed(script, transport)

    assert error is None
    assert (result.content, result.finish, result.usage) == ("ab ü", "tool_calls", Usage(5, 3))
    assert [c["arguments"] for c in result.calls.values()] == ['{"city":"Paris"}']


async def test_an_error_line_ends_the_stream_with_that_error(transport: httpx.AsyncBaseTransport) -> None:
    text, error = await fault_of(Stream(error_after=2), transport)
    assert (text, error.kind) == ("hello from", K.SERVER_ERROR)
    assert "the upstream gave up" in error.message


@pytest.mark.parametrize("script", [Stream(cut_after=1), Stream(words=("hello",), no_finish=True)])
async def test_an_end_without_the_last_line_is_a_truncated_stream(
    script: Stream, transport: httpx.AsyncBaseTransport
) -> None:
    text, error = await fault_of(script, transport)
    assert (text, error.kind) == ("hello", K.STREAM_TRUNCATED)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (golden_bytes("ollama/stream_text.ndjson")[:300], K.STREAM_TRUNCATED),
        (golden_bytes("ollama/stream_text.ndjson")[:300] + b"x" * 2**21, K.BAD_ANSWER),
        (b'{"done":' + b" " * 2**21, K.BAD_ANSWER),
        (b'{"message":{"content":""},"done":false}\n' * 65, K.BAD_ANSWER),
        (b"", K.BAD_ANSWER),
    ],
)
async def test_half_a_line_is_a_cut_and_an_endless_one_nonsense(body: bytes, kind: K) -> None:
    content_type = {"content-type": "application/x-ndjson"}
    mock = httpx.MockTransport(lambda _: httpx.Response(200, content=body, headers=content_type))
    with pytest.raises(ProviderError) as caught:
        async with adapter("http://p.test", mock).stream(a_call()) as chunks:
            async for _ in chunks:
                pass
    assert caught.value.kind is kind


async def test_a_reset_after_content_is_a_truncated_stream(transport: httpx.AsyncBaseTransport) -> None:
    text, error = await fault_of(Stream(reset_after=1), transport)
    assert (text, error.kind) == ("hello", K.STREAM_TRUNCATED)


async def test_a_stall_after_content_meets_the_idle_timer(transport: httpx.AsyncBaseTransport) -> None:
    text, error = await fault_of(Stream(stall_after=1), transport, QUICK)
    assert (text, error.kind) == ("hello", K.TIMEOUT)
    assert "idle" in error.message


async def test_a_model_that_is_still_loading_meets_the_first_token_timer(transport: httpx.AsyncBaseTransport) -> None:
    text, error = await fault_of(Silent(), transport, QUICK)
    assert (text, error.kind) == ("", K.TIMEOUT)
    assert "first token" in error.message


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (Status(400, message="m does not support tools"), K.UNSUPPORTED),
        (Status(503, message="server busy, please try again."), K.OVERLOADED),
        (JsonError200(), K.SERVER_ERROR),
        (WrongMode(), K.BAD_ANSWER),
    ],
)
async def test_what_is_no_line_stream_is_the_error_that_it_is(
    script: Behaviour, kind: K, transport: httpx.AsyncBaseTransport
) -> None:
    text, error = await fault_of(script, transport)
    assert (text, error.kind) == ("", kind)


async def test_a_long_stream_has_no_bound_as_a_whole(transport: httpx.AsyncBaseTransport) -> None:
    words = ("x" * 1000,) * 200  # three times what this transport reads of a whole answer
    result, error = await streamed(Stream(words=words), transport)
    assert error is None
    assert len(result.content) == 200_000


async def test_a_whole_answer_its_models_and_its_vectors(transport: httpx.AsyncBaseTransport) -> None:
    with Upstream(Answer("hi", usage=Tokens(5, 3)), dialect="ollama", models=("llama3.2:latest",)) as upstream:
        target = adapter(f"{upstream.url}/v1", transport)
        response = await target.complete(a_call("llama3.2:latest", num_ctx=8192))
        assert (response.text, response.usage) == ("hi", Usage(5, 3))
        body = upstream.requests[0].body or {}
        assert (body["stream"], body["options"]) == (False, {"num_ctx": 8192})
        assert await target.models(Credential()) == ["llama3.2:latest"]
        await target.probe(Credential())

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/embed"
        assert orjson.loads(request.content)["input"] == ["a"]
        return httpx.Response(200, content=golden_bytes("ollama/embed.json"))

    embedded = await adapter("http://p.test", httpx.MockTransport(handler)).embed(
        EmbedCall("all-minilm", EmbedRequest(["a"]))
    )
    assert len(embedded.vectors) == 1
