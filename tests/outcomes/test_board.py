"""Leaderboards on request: bounded reads, nothing lost between pages, fresh when small."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decisions.counting import UNGRADED
from app.domain.errors import StorageUnavailable
from app.domain.outcome import ScoredVote, ScoreWindow
from app.outcomes.board import Boards
from app.outcomes.book import ScoreBook, ScoreRules
from app.outcomes.leaderboard import By
from app.outcomes.pages import WANTED, pages
from tests.fakes import FakeClock
from tests.fakes_scores import NOON, FakeScores, scored, streak

SINCE = NOON - timedelta(days=3)


def boards(scores: FakeScores, clock: FakeClock | None = None) -> Boards:
    return Boards(
        scores,
        ScoreBook(ScoreRules(), UNGRADED),
        wall=lambda: NOON + timedelta(days=1),
        now=(clock or FakeClock()).now,
    )


@given(st.lists(st.integers(0, 4 * 86_400), max_size=60))
def test_pages_hold_every_decision_once_in_order(offsets: list[int]) -> None:
    votes = [
        scored(decision_id=str(n), number=number, decided_at=SINCE + timedelta(seconds=offset))
        for n, offset in enumerate(offsets)
        for number in (1, 2)
    ]

    async def read() -> list[ScoredVote]:
        window = ScoreWindow(SINCE, SINCE + timedelta(days=4))
        return [vote async for page in pages(FakeScores(votes), window, NOON) for vote in page]

    found = anyio.run(read)
    inside = [vote for vote in votes if vote.decided_at < SINCE + timedelta(days=4)]
    assert sorted(map(repr, found)) == sorted(map(repr, inside))
    assert [vote.decided_at for vote in found] == sorted(vote.decided_at for vote in found)
    assert [vote.vote.number for vote in found] == [1, 2] * (len(found) // 2)


async def test_a_hundred_thousand_votes_are_read_in_bounded_pages() -> None:
    vote = scored("BUY", 0.01)
    scores = Indexed(
        [
            replace(vote, vote=replace(vote.vote, decision_id=str(n)), decided_at=SINCE + timedelta(seconds=2.5 * n))
            for n in range(100_000)
        ]
    )
    board = await boards(scores).board(By.MODEL, ScoreWindow(SINCE))

    assert board.rows[0].tally.decisions == 100_000
    assert scores.largest <= 2 * WANTED


class Indexed(FakeScores):
    """A record that finds a window without looking at all of it."""

    async def scored(self, window: ScoreWindow) -> Sequence[ScoredVote]:
        assert window.since is not None
        assert window.until is not None
        start, end = (
            bisect_left(self.votes, at, key=lambda vote: vote.decided_at) for at in (window.since, window.until)
        )
        self.largest = max(self.largest, end - start)
        return self.votes[start:end]


async def test_the_window_says_since_when_and_until_when() -> None:
    votes = [*streak("a", 3, 0), *streak("b", 2, 0, start=NOON - timedelta(days=100))]
    usual = await boards(FakeScores(votes)).board(By.MODEL, ScoreWindow())
    longer = await boards(FakeScores(votes)).board(By.MODEL, ScoreWindow(since=NOON - timedelta(days=200)))

    assert [row.subject for row in usual.rows] == [("a", "m")]
    assert usual.window == ScoreWindow(NOON - timedelta(days=89), NOON + timedelta(days=1))
    assert len(longer.rows) == 2


async def test_a_filter_is_the_records_to_keep() -> None:
    votes = [*streak("a", 3, 0, agent_id=7), *streak("b", 2, 0, symbol="ETH/USDT")]
    by_agent = await boards(FakeScores(votes)).board(By.MODEL, ScoreWindow(agent_id=7))
    by_symbol = await boards(FakeScores(votes)).board(By.MODEL, ScoreWindow(symbol="ETH/USDT"))

    assert [row.subject for row in by_agent.rows] == [("a", "m")]
    assert [row.subject for row in by_symbol.rows] == [("b", "m")]


@pytest.mark.parametrize(("seconds", "is_kept"), [(0.01, False), (0.5, True)])
async def test_a_board_that_took_long_is_kept_ten_times_as_long(seconds: float, is_kept: bool) -> None:
    clock = FakeClock()

    class Slow(FakeScores):
        async def scored(self, window: ScoreWindow) -> Sequence[ScoredVote]:
            clock.advance(seconds)
            return await super().scored(window)

    scores = Slow(streak("a", 3, 0))
    made = boards(scores, clock)
    await made.board(By.MODEL, ScoreWindow(SINCE))
    reads = len(scores.windows)

    await made.board(By.MODEL, ScoreWindow(SINCE))
    assert (len(scores.windows) == reads) is is_kept
    clock.advance(min(10 * seconds * reads, 60.0))
    seen = len(scores.windows)
    await made.board(By.MODEL, ScoreWindow(SINCE))
    assert len(scores.windows) == seen + reads


async def test_an_absent_database_is_said() -> None:
    scores = FakeScores()
    scores.away = True

    with pytest.raises(StorageUnavailable):
        await boards(scores).board(By.MODEL, ScoreWindow())
