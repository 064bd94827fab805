"""An estimate of tokens that needs no vocabulary: for admission and for usage that nobody reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app.domain.attempt import CountSource

# Bytes, not characters: a CJK character is three bytes and about one token, an English word five and one.
_BYTES_PER_TOKEN = 3.6
PER_MESSAGE = 3
REPLY_PRIMER = 3
PER_TOOL = 8
# A picture is billed by its area, not its bytes; this is a full-HD one in OpenAI's high detail.
PER_IMAGE = 1105


def estimate_text(text: str) -> int:
    """Tokens of a text, 0 for an empty one; never off by more than a factor of two on ordinary text."""
    return tokens_of_bytes(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))


def tokens_of_bytes(size: int) -> int:
    """Tokens of a text of which only the size was kept."""
    return -int(-size // _BYTES_PER_TOKEN)


def estimate_tokens(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> int:
    """Tokens of a prompt in OpenAI's message shape, tool definitions included."""
    total = REPLY_PRIMER + PER_MESSAGE * len(messages)
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            total += estimate_text(content)
        elif isinstance(content, list):
            total += sum(_part(part) for part in content if isinstance(part, dict))
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            total += estimate_text(orjson.dumps(calls).decode())
    for tool in tools:
        total += PER_TOOL + estimate_text(orjson.dumps(tool).decode())
    return total


def _part(part: Mapping[str, Any]) -> int:
    if part.get("type") == "image_url":
        return PER_IMAGE
    text = part.get("text")
    return estimate_text(text) if isinstance(text, str) else 0


class Estimator:
    """A TokenCounter without any vocabulary."""

    def count(
        self,
        model: str,  # noqa: ARG002 - every model's tokens are guessed alike
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[int, CountSource]:
        """The estimate, said to be one."""
        return estimate_tokens(messages, tools), CountSource.ESTIMATE
