"""How many tokens a request may take, for the limits that count them before anybody knows."""

from __future__ import annotations

from typing import Any, Final

from app.catalog.tokens import estimate_tokens
from app.domain.chat import ChatRequest
from app.domain.embedding import EmbedRequest

USUAL_ANSWER: Final = 512
"""Tokens reserved for an answer whose length nobody bounded."""

_LENGTHS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")


def expected_tokens(request: ChatRequest | EmbedRequest) -> int:
    """The prompt as we estimate it, and the longest answer that the request allows; an embedding has none."""
    if isinstance(request, EmbedRequest):
        return estimate_tokens(request.messages)
    tools = request.parameters.get("tools")
    prompt = estimate_tokens(request.messages, tools if isinstance(tools, list) else ())
    lengths = (_count(request.parameters.get(name)) for name in _LENGTHS)
    longest = next((length for length in lengths if length), USUAL_ANSWER)
    return prompt + longest * (_count(request.parameters.get("n")) or 1)


def _count(value: Any) -> int:  # noqa: ANN401  # a field of the wire, whatever the caller put there
    return value if type(value) is int and value > 0 else 0
