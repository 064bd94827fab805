"""Healthy answers as bytes, from which the unhealthy ones are made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.behaviours import Answer, Stream
from tests.dialects import Dialect


@dataclass(frozen=True, slots=True)
class Good:
    """A healthy answer's content type and bytes: whole, or all frames of a stream."""

    kind: str
    body: bytes


def good(dialect: Dialect, request: dict[str, Any], words: tuple[str, ...] = Stream().words) -> Good:
    model, spoken = str(request.get("model", "unnamed")), Stream(words=words)
    if request.get("stream") is not True:
        return Good("application/json", whole(dialect, joined(spoken), model))
    frames = dialect.frames(spoken, model, with_usage=True)
    said = (*frames.opening, *frames.content, *frames.finish, *frames.done)
    return Good(dialect.stream_type, b"".join(said))


def whole(dialect: Dialect, answer: Answer, model: str) -> bytes:
    return json.dumps(dialect.completion(answer, model)).encode()


def spoken(answer: Answer) -> Stream:
    words = tuple(word if index == 0 else f" {word}" for index, word in enumerate(answer.text.split(" ")))
    return Stream(
        words=words if answer.text else (),
        usage=answer.usage,
        finish_reason=answer.finish_reason,
        tool_calls=answer.tool_calls,
    )


def joined(stream: Stream) -> Answer:
    return Answer("".join(stream.words), stream.usage, stream.finish_reason, stream.tool_calls)
