"""A strategy that is set at run time: where it holds, how long, and what takes it back."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from app.domain.errors import StorageUnavailable
from app.domain.routing import PolicyName, StrategyInForce
from app.domain.settings import Setting
from app.gateway.strategy import Strategy
from app.providers.pool import Pool
from tests.fakes import FakeSettings, ScriptedAdapter
from tests.gateway.conftest import house

SET_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def process(settings: FakeSettings) -> tuple[Pool, Strategy]:
    way = house(alpha=ScriptedAdapter("buy"), beta=ScriptedAdapter("sell"))
    return way.pool, Strategy(way.pool, settings, workers=2)


def file_says(pool: Pool, strategy: str) -> None:
    pool.replace(replace(pool.stated, failover_strategy=strategy))


async def test_what_one_process_sets_the_others_take_over_and_the_next_start_too() -> None:
    settings = FakeSettings()
    (_, here), (_, there) = process(settings), process(settings)

    said = await here.change(PolicyName.WEIGHTED)
    await there.refresh()
    _, started_later = process(settings)
    await started_later.refresh()

    assert said == StrategyInForce(PolicyName.WEIGHTED, SET_AT, 2)
    assert [said, said] == [there.in_force(), started_later.in_force()]


async def test_reading_an_unchanged_file_again_keeps_it_and_a_file_that_says_something_else_takes_it_back() -> None:
    pool, strategy = process(FakeSettings())
    await strategy.change(PolicyName.WEIGHTED)

    file_says(pool, "priority")
    assert (strategy.in_force().policy, pool.current.failover_strategy) == (PolicyName.WEIGHTED, "weighted")
    file_says(pool, "latency")
    assert strategy.in_force() == StrategyInForce(PolicyName.LATENCY_AWARE, None, 2)
    await strategy.refresh()
    assert strategy.in_force().since is None

    await strategy.change(PolicyName.ROUND_ROBIN)
    assert (strategy.in_force().policy, pool.stated.failover_strategy) == (PolicyName.ROUND_ROBIN, "latency")


async def test_none_gives_the_word_back_to_the_file() -> None:
    settings = FakeSettings()
    _, strategy = process(settings)
    await strategy.change(PolicyName.WEIGHTED)

    assert await strategy.change(None) == StrategyInForce(PolicyName.PRIORITY, None, 2)
    assert settings.rows == {}


async def test_while_the_database_is_away_nothing_changes() -> None:
    settings = FakeSettings()
    _, strategy = process(settings)
    await strategy.change(PolicyName.WEIGHTED)
    settings.is_away = True

    for policy in (PolicyName.PRIORITY, None):
        with pytest.raises(StorageUnavailable):
            await strategy.change(policy)

    assert strategy.in_force().policy is PolicyName.WEIGHTED


@pytest.mark.parametrize("value", [{}, {"strategy": "best", "over": "priority"}, {"strategy": ["x"], "over": 1}, []])
async def test_a_row_that_somebody_else_wrote_leaves_the_file_in_force(value: Any) -> None:
    settings = FakeSettings()
    settings.rows["failover_strategy"] = Setting(value, SET_AT)
    _, strategy = process(settings)

    await strategy.refresh()

    assert strategy.in_force() == StrategyInForce(PolicyName.PRIORITY, None, 2)


async def test_what_was_read_first_is_never_in_force_last() -> None:
    class Slow(FakeSettings):
        """The first answer comes last, if both are asked for at once."""

        turns = itertools.count()
        second = anyio.Event()

        async def get(self, name: str) -> Setting | None:
            found = await super().get(name)
            if next(self.turns) == 0:
                with anyio.move_on_after(0.02):
                    await self.second.wait()
            else:
                self.second.set()
            return found

    settings = Slow()
    pool, strategy = process(settings)
    await settings.put("failover_strategy", {"strategy": "weighted", "over": "priority"})

    async with anyio.create_task_group() as both:
        both.start_soon(strategy.refresh)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        both.start_soon(strategy.change, PolicyName.ROUND_ROBIN)

    assert pool.current.failover_strategy == "round_robin"
