"""Many callers at once: half of the calls failing, everybody down and back, storms of callers who leave."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import anyio
import httpx
import pytest

from tests.behaviours import Answer, Behaviour, Refuse, Silent, Status, Stream
from tests.e2e.service import plain_client
from tests.e2e.speaking import HELLO
from tests.faults.aftermath import Reply, assert_typed
from tests.faults.house import CHAT, DEADLINE, DIALECTS, HEALTHY, Dialect, House
from tests.upstream import Received

CALLERS: Final = 8
POOLED: Final = 60
LEAVING: Final = 0.5
"""Seconds within which the call upstream ends when its caller has left."""


def many(house: House, dialect: Dialect, times: int, *, stream: bool) -> list[Reply]:
    """So many chats, from a few callers at once, who have left when it returns."""
    with (
        plain_client(house.gateway.base_url) as client,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        return list(callers.map(lambda _: house.ask(dialect, alone=False, stream=stream, client=client), range(times)))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_half_of_the_calls_failing_is_nobodys_loss(shared_house: House, dialect: Dialect, stream: bool) -> None:
    turns = itertools.count()

    def half(request: Received) -> Behaviour:
        return Status(500) if next(turns) % 2 else Answer("by the first")

    upstream = shared_house.script(dialect, half)

    replies = many(shared_house, dialect, 60, stream=stream)

    assert {(reply.status, reply.code) for reply in replies} == {(200, "")}
    assert (upstream.calls, shared_house.beta.calls) == (60, 30)
    shared_house.aftermath.assert_given_back()


@pytest.mark.parametrize("down", [Refuse(), Status(503), Silent()], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("stream", [False, True])
def test_all_down_is_a_typed_error_each_and_back_is_back_at_once(
    shared_house: House, down: Behaviour, stream: bool
) -> None:
    upstream = shared_house.script("openai", down)
    shared_house.beta.behave(Refuse())

    for reply in many(shared_house, "openai", 8, stream=stream):
        assert_typed(reply, within=DEADLINE)
        assert reply.status in (502, 503, 504)
    upstream.behave(Answer("by the first"))
    shared_house.beta.behave(Answer(HEALTHY))

    replies = many(shared_house, "openai", 8, stream=stream)

    assert [reply.status for reply in replies] == [200] * 8
    shared_house.aftermath.assert_given_back()
    shared_house.assert_recovers("openai")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("upstream_does", "stream"),
    [(Silent(), False), (Silent(), True), (Stream(words=("tick",) * 500, gap=0.02), True), (Answer(), False)],
    ids=["silent whole", "silent stream", "streaming", "answering"],
)
async def test_a_storm_of_callers_who_leave_leaves_nothing_behind(
    shared_house: House, dialect: Dialect, upstream_does: Behaviour, stream: bool
) -> None:
    upstream, rng = shared_house.script(dialect, upstream_does), random.Random(7)
    name, model, _ = shared_house.faulty[dialect]
    body = {"model": f"{name}/{model}", "messages": HELLO, "stream": stream}

    async def leave(client: httpx.AsyncClient) -> None:
        with anyio.move_on_after(rng.uniform(0.0, 0.2)):
            async with client.stream("POST", CHAT, json=body) as response:
                await response.aread()

    async with (
        httpx.AsyncClient(base_url=shared_house.gateway.base_url, trust_env=False) as client,
        anyio.create_task_group() as storm,
    ):
        for _ in range(POOLED):
            storm.start_soon(leave, client)
    kept = POOLED if isinstance(upstream_does, Answer) else 1
    is_left = await anyio.to_thread.run_sync(upstream.wait_until, lambda each: each.connections_open <= kept, LEAVING)

    assert is_left, f"{upstream.connections_open} calls still go on"
    shared_house.assert_recovers(dialect)
