"""What is odd about a streamed answer is said where it arises."""

from __future__ import annotations

import httpx
import orjson
import pytest

from app.adapters.codec import Codec
from app.adapters.http import HTTPAdapter
from app.adapters.presets import PRESETS
from app.adapters.responses import ResponsesCodec
from app.domain.provider import ProviderType as T
from tests.adapters.streams import a_call, chunks_of
from tests.golden import golden_bytes

ODD = [
    (PRESETS[T.OPENAI].codec, "openai/stream_text_usage.sse", b'"finish_reason":"stop"', b'"finish_reason":"bored"'),
    (PRESETS[T.ANTHROPIC].codec, "anthropic/stream_text.sse", b'"stop_reason":"end_turn"', b'"stop_reason":"bored"'),
    (PRESETS[T.GEMINI].codec, "gemini/stream_text.sse", b'"finishReason":"STOP"', b'"finishReason":"bored"'),
    (PRESETS[T.OLLAMA].codec, "ollama/stream_text.ndjson", b'"done_reason":"stop"', b'"done_reason":"bored"'),
    (
        ResponsesCodec(),
        "openai/responses_stream_text.sse",
        b'"status":"completed","error":null,"incomplete_details":null',
        b'"status":"incomplete","error":null,"incomplete_details":{"reason":"bored"}',
    ),
]


@pytest.mark.parametrize(("codec", "name", "usual", "odd"), ODD)
def test_an_unknown_end_is_warned_of_at_the_end(codec: Codec, name: str, usual: bytes, odd: bytes) -> None:
    golden = golden_bytes(name)
    assert usual in golden
    assert [each.warnings for each in chunks_of(codec, [golden])[0] if each.warnings] == []

    chunks, _ = chunks_of(codec, [golden.replace(usual, odd)])

    [(finish, warnings)] = [(each.finish_reason, each.warnings) for each in chunks if each.warnings]
    assert finish == "stop"
    assert len(warnings) == 1
    assert "'bored' is taken as stop" in warnings[0]


def test_what_a_chat_has_no_words_for_is_warned_of_in_streams_too() -> None:
    part = {"executableCode": {"language": "PYTHON", "code": "1"}}
    candidate = {"content": {"parts": [{"text": "a"}, part]}, "finishReason": "STOP", "index": 0}
    event = b"data: " + orjson.dumps({"candidates": [candidate]}) + b"\r\n\r\n"

    chunks, _ = chunks_of(PRESETS[T.GEMINI].codec, [event])

    assert [warning for each in chunks for warning in each.warnings] == [
        "executableCode was dropped: a chat completion has no place for it"
    ]


async def test_warnings_about_the_request_and_the_answer_are_both_told() -> None:
    line = b'{"model":"m","message":{"role":"assistant","content":"a"},"done":true,"done_reason":"bored"}\n'
    head = {"content-type": "application/x-ndjson"}
    transport = httpx.MockTransport(lambda request: httpx.Response(200, headers=head, content=line))
    adapter = HTTPAdapter(PRESETS[T.OLLAMA].codec, "http://ollama.test/api", transport, provider="ollama")

    async with adapter.stream(a_call(user="me")) as chunks:
        first = await anext(aiter(chunks))

    assert [warning.partition(" ")[0] for warning in first.warnings] == ["user", "unknown"]
