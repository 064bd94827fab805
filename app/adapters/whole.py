"""A whole answer told as a stream, for what a provider cannot stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from app.domain.chat import ChatChunk, ChatResponse
from app.domain.telling import chunks_of


async def told(response: ChatResponse) -> AsyncGenerator[ChatChunk, None]:
    """The chunks of an answer."""
    for chunk in chunks_of(response):
        yield chunk
