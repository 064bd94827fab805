"""Reading a stream's bytes through a codec, and putting its chunks together again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.adapters.codec import Codec, Framing
from app.adapters.ndjson import NDJSONParser
from app.adapters.sse import SSEParser
from app.domain.chat import Call, ChatChunk, ChatRequest
from app.domain.usage import Usage


def a_call(model: str = "m", messages: list[dict[str, Any]] | None = None, **parameters: Any) -> Call:
    return Call(model, ChatRequest(messages or [{"role": "user", "content": "hi"}], parameters))


@dataclass
class Told:
    """What a stream said, all together."""

    content: str = ""
    reasoning: str = ""
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finish: str | None = None
    usage: Usage | None = None
    ids: set[str] = field(default_factory=set)
    usage_chunks: int = 0


def chunks_of(codec: Codec, pieces: Iterable[bytes]) -> tuple[list[ChatChunk], bool]:
    """Every chunk, and whether the stream was complete."""
    parser = SSEParser() if codec.framing is Framing.SSE else NDJSONParser()
    decoder = codec.stream_decoder()
    chunks = [chunk for piece in pieces for event in parser.feed(piece) for chunk in decoder.feed(event)]
    chunks += [chunk for event in parser.close() for chunk in decoder.feed(event)]
    return chunks + decoder.close(), decoder.complete


def told(chunks: list[ChatChunk]) -> Told:
    """Concatenate the deltas as a client does."""
    result = Told()
    for each in chunks:
        result.usage = each.usage or result.usage
        result.finish = each.finish_reason or result.finish
        result.ids.add(each.chunk["id"])
        assert {"id", "object", "created", "model", "choices"} <= each.chunk.keys()
        result.usage_chunks += not each.chunk["choices"]
        for choice in each.chunk["choices"]:
            delta = choice["delta"]
            result.content += delta.get("content") or ""
            result.reasoning += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls", ()):
                whole = result.calls.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
                whole["id"] += call.get("id", "")
                whole["name"] += call["function"].get("name") or ""
                whole["arguments"] += call["function"]["arguments"]
    return result
