"""Calls under way when an operator stops what they are for: ended at once, recorded, and passed on where that helps."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from app.domain.agent import AgentConfig
from app.domain.attempt import AttemptOutcome
from app.domain.audit import Author
from app.domain.errors import Code, OutcryError
from tests.fakes import Hang, ScriptedAdapter, Stalls
from tests.gateway.conftest import House, ask, house


async def under_way(way: House, name: str) -> None:
    await way.adapters[name].reached.wait()


@pytest.mark.parametrize("scope", ["all", "agent:7", "model:alpha/alpha-1"])
async def test_a_completion_ends_the_moment_it_is_stopped_and_its_attempt_is_on_record(scope: str) -> None:
    way = house(alpha=ScriptedAdapter(Hang()))
    way.employ(AgentConfig(1, 7, "alpha", "alpha-1"))
    asked = asyncio.ensure_future(way.gateway.complete(replace(ask(way), agent_id=7, model="alpha/alpha-1")))
    await under_way(way, "alpha")

    await way.kills.kill(scope, "flash crash", Author("key1"))
    with pytest.raises(OutcryError, match="flash crash") as stopped:
        await asked

    assert (stopped.value.code, stopped.value.status) == (Code.KILLED, 503)
    (record,) = way.recorder.records
    assert (record.outcome, record.code) == (AttemptOutcome.ERROR, Code.KILLED)
    assert record.usage is not None


async def test_a_model_that_is_stopped_under_way_gives_way_to_the_next() -> None:
    way = house(alpha=ScriptedAdapter(Hang()), beta=ScriptedAdapter("sell"))
    asked = asyncio.ensure_future(way.gateway.complete(ask(way)))
    await under_way(way, "alpha")

    await way.kills.kill("model:alpha/alpha-1", "nonsense", Author("key1"))

    assert (await asked).target.provider == "beta"
    assert way.outcomes() == [("alpha", "error"), ("beta", "ok")]


async def test_everything_that_is_stopped_goes_to_nobody_else() -> None:
    way = house(alpha=ScriptedAdapter(Hang()), beta=ScriptedAdapter("sell"))
    asked = asyncio.ensure_future(way.gateway.complete(ask(way)))
    await under_way(way, "alpha")

    await way.kills.kill("all", "flash crash", Author("key1"))
    with pytest.raises(OutcryError) as stopped:
        await asked

    assert stopped.value.code is Code.KILLED
    assert way.calls() == [1, 0]


async def test_a_committed_stream_fails_once_and_its_upstream_is_closed() -> None:
    way = house(alpha=ScriptedAdapter(Stalls(2)))
    async with way.gateway.stream(ask(way)) as stream:
        await anext(stream)
        await way.kills.kill("all", "flash crash", Author("key1"))
        with pytest.raises(OutcryError) as stopped:
            async for _ in stream:
                pass

    assert stopped.value.code is Code.KILLED
    assert way.adapters["alpha"].open_streams == 0
    assert [(record.outcome, record.code) for record in way.recorder.records] == [(AttemptOutcome.ERROR, Code.KILLED)]
