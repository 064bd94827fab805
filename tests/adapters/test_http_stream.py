from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from app.adapters.http_stream import ChatStream
from app.adapters.openai import OpenAICodec
from tests.adapters.misbehaving import event, finish

WORDS = 20_000


async def test_a_stream_that_is_all_there_leaves_the_loop_to_others() -> None:
    async def flood() -> AsyncIterator[bytes]:
        for _ in range(WORDS // 100):
            yield event(content="word ") * 100
        yield finish()

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    loop = asyncio.get_running_loop()
    started = loop.time()
    waiting = asyncio.create_task(others())
    chunks = ChatStream(
        flood(),
        OpenAICodec().stream_decoder(),
        first_token_at=started + 60,
        idle=60,
        named=lambda error: error,
    )
    count = len([chunk async for chunk in chunks if chunk.carries])
    took = loop.time() - started
    waiting.cancel()

    assert count == WORDS
    assert turns >= min(3, took // 0.05)
    assert turns > 0
