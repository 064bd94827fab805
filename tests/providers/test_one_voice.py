"""What several processes see is told once: its beginning by the first, its end by the last."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import pytest

from app.domain.alerts import Alert, AlertKind, AlertRule, AlertState
from app.domain.errors import StorageUnavailable
from app.providers.one_voice import OneVoice

NOW = datetime(2026, 11, 21, tzinfo=UTC)
FIRED = Alert(AlertRule.of(AlertKind.PROVIDER_DOWN), "alpha", AlertState.FIRED, NOW, NOW, None, "alpha is down")
RESOLVED = replace(FIRED, state=AlertState.RESOLVED, message="alpha answers again")


class Board:
    """A repository in memory that may be away."""

    def __init__(self) -> None:
        self.rows: set[tuple[str, str]] = set()
        self.is_away = False

    async def fired(self, key: str, holder: str) -> bool:
        self._answer()
        is_first = not self._others(key, holder)
        self.rows.add((key, holder))
        return is_first

    async def resolved(self, key: str, holder: str) -> bool:
        self._answer()
        self.rows.discard((key, holder))
        return not self._others(key, holder)

    async def renew(self, keys: Collection[str], holder: str) -> None:
        self._answer()
        self.rows |= {(key, holder) for key in keys}

    def _others(self, key: str, holder: str) -> list[str]:
        return [other for one, other in self.rows if one == key and other != holder]

    def _answer(self) -> None:
        if self.is_away:
            raise StorageUnavailable("the database is away")


class Process:
    """One gateway's voice, and what it told."""

    def __init__(self, name: str, board: Board | None) -> None:
        self.told: list[Alert] = []
        self.voice = OneVoice(board, self.told.append, holder=name)

    async def sees(self, alert: Alert) -> list[Alert]:
        self.voice.tell(alert)
        await self.voice.pass_on()
        return self.told


@pytest.fixture
def board() -> Board:
    return Board()


async def test_the_first_tells_the_beginning_and_the_last_tells_the_end(board: Board) -> None:
    first, second = Process("a", board), Process("b", board)

    assert await first.sees(FIRED) == [FIRED]
    assert await second.sees(FIRED) == []
    assert await first.sees(RESOLVED) == [FIRED]
    assert await second.sees(RESOLVED) == [RESOLVED]
    assert await first.sees(FIRED) == [FIRED, FIRED]


async def test_who_cannot_ask_tells_and_says_later_that_it_fires(board: Board) -> None:
    first, second = Process("a", board), Process("b", board)
    board.is_away = True
    assert await first.sees(FIRED) == [FIRED]
    await first.voice.renew()
    board.is_away = False

    await first.voice.renew()

    assert await second.sees(FIRED) == []


async def test_who_is_alone_asks_nobody() -> None:
    process = Process("a", None)

    assert await process.sees(FIRED) == [FIRED]
    assert await process.sees(RESOLVED) == [FIRED, RESOLVED]


async def test_the_job_passes_on_what_comes_while_it_runs(board: Board) -> None:
    heard = anyio.Event()
    voice = OneVoice(board, lambda _: heard.set(), holder="a")

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(voice.run)
        await anyio.lowlevel.checkpoint()
        voice.tell(FIRED)
        with anyio.fail_after(5):
            await heard.wait()
        jobs.cancel_scope.cancel()


async def test_more_than_can_wait_is_told_unasked(board: Board) -> None:
    process = Process("a", board)
    for _ in range(1001):
        process.voice.tell(FIRED)

    assert process.told == [FIRED]
