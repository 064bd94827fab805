"""The book of scores: what the record says of everybody, and when it says it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import anyio
import pytest

from app.decisions.counting import UNGRADED
from app.domain.grades import Grade, Prior
from app.domain.outcome import ScoredVote, ScoreWindow
from app.domain.target import Target
from app.outcomes.book import ScoreBook, ScoreRules
from app.outcomes.refreshing import IN_TURN, ScoreReader
from tests.fakes_scores import NOON, FakeScores, panel, scored, streak

A, B = Target("a", "m"), Target("b", "m")


class Reading:
    """A record, its book and the reader between them."""

    def __init__(self, votes: list[ScoredVote] | None = None, **rules: object) -> None:
        self.now = NOON + timedelta(hours=6)
        self.scores = FakeScores(votes or [])
        self.rules = ScoreRules(**rules)  # type: ignore[arg-type]  # the caller's fields
        self.book = ScoreBook(self.rules, UNGRADED)
        self.reader = ScoreReader(self.scores, self.book, self.rules, self.wall)

    def wall(self) -> datetime:
        return self.now

    def rate(self, target: Target = A) -> float:
        grade = self.book.of(target)
        assert grade is not None
        return grade.hit_rate


async def test_until_twenty_are_graded_the_prior_stands_in() -> None:
    short, long = Reading(streak("a", 19, 0)), Reading(streak("a", 20, 0))
    await short.reader.look()
    await long.reader.look()

    assert short.book.of(A) == Grade(19, 19, 0.5, is_proven=False, valid=19, answers=19)
    assert long.book.of(A) == Grade(20, 20, 0.75, is_proven=True, valid=20, answers=20)
    assert long.book.of(B) == Grade()


async def test_the_prior_is_the_operators() -> None:
    reading = Reading(streak("a", 5, 0), prior=Prior(hit_rate=0.4, votes=5, enough=5))
    await reading.reader.look()

    assert reading.rate() == pytest.approx((0.4 * 5 + 5) / 10)
    assert reading.rate(B) == 0.4


async def test_a_claim_never_makes_a_grade() -> None:
    modest, boastful = streak("a", 12, 18, confidence=0.55), streak("b", 12, 18, confidence=1.0)
    reading = Reading([*modest, *boastful])
    await reading.reader.look()

    assert reading.rate(A) == reading.rate(B)


async def test_a_grade_counts_half_after_its_half_life() -> None:
    old = streak("a", 40, 0, start=NOON - timedelta(days=30))
    reading = Reading([*old, *streak("a", 0, 20)])
    await reading.reader.look()

    assert reading.rate() == pytest.approx((10 + 20) / (20 + 20 + 20))


async def test_days_that_pass_decay_grades_without_a_new_vote() -> None:
    reading = Reading(streak("a", 40, 0))
    await reading.reader.look()
    fresh = reading.rate()
    reading.now += timedelta(days=60)
    await reading.reader.look()

    assert reading.rate() == pytest.approx((10 + 10) / (20 + 10))
    assert reading.rate() < fresh


async def test_an_outcome_of_today_shows_at_the_next_look_and_an_old_one_when_its_day_comes_up() -> None:
    old = NOON - timedelta(days=9)
    reading = Reading([scored("BUY")], lookback_days=20)
    await reading.reader.look()
    reading.scores.votes = [*streak("a", 20, 0), *streak("b", 20, 0, start=old)]

    await reading.reader.look()
    assert reading.rate(A) == 0.75
    for _ in range(20 // IN_TURN + 1):
        await reading.reader.look()
    assert reading.rate(B) > 0.7


async def test_two_processes_and_one_that_was_restarted_read_the_same() -> None:
    votes = [*streak("a", 30, 9, confidence=0.8), *streak("b", 10, 30, start=NOON - timedelta(days=3))]
    one, other = Reading(votes[:10]), Reading(votes)
    await one.reader.look()
    one.scores.votes = votes
    for _ in range(2 + 180 // IN_TURN):
        await one.reader.look()
    await other.reader.look()

    assert one.book.page == other.book.page


async def test_after_the_first_look_only_a_few_days_are_read() -> None:
    reading = Reading(streak("a", 3, 0))
    await reading.reader.look()
    reading.scores.windows.clear()
    await reading.reader.look()

    days = {window.since.date() for window in reading.scores.windows if window.since is not None}
    assert len(days) == 2 + IN_TURN


async def test_a_database_that_is_away_leaves_what_was_known() -> None:
    reading = Reading(streak("a", 20, 0))
    await reading.reader.look()
    reading.scores.away = True
    await reading.reader.look()
    assert reading.rate() == 0.75

    reading.scores.away = False
    reading.scores.votes += streak("a", 20, 0, start=NOON + timedelta(hours=2))
    await reading.reader.look()
    assert reading.rate() == pytest.approx(50 / 60)


async def test_what_was_read_before_the_database_went_away_is_not_forgotten() -> None:
    class Fading(FakeScores):
        async def scored(self, window: ScoreWindow) -> Sequence[ScoredVote]:
            self.away = len(self.windows) == 1
            return await super().scored(window)

    reading = Reading()
    await reading.reader.look()
    fading = Fading(streak("a", 20, 0))
    reading.reader._scores = fading
    await reading.reader.look()
    fading.windows.append(ScoreWindow())
    await reading.reader.look()

    assert reading.rate() == 0.75


async def test_a_book_that_was_not_opened_yet_expects_the_prior_of_everybody() -> None:
    reading = Reading(streak("a", 20, 0))

    assert reading.book.of(A) == Grade()
    assert reading.book.of_vote(A, 0.9).note == "uncalibrated"


async def test_claims_are_calibrated_from_thirty_graded_votes() -> None:
    few, many = Reading(streak("a", 20, 9, confidence=0.9)), Reading(streak("a", 20, 10, confidence=0.9))
    await few.reader.look()
    await many.reader.look()

    assert few.book.of_vote(A, 0.9).value is None
    assert (few.book.of_vote(A, 0.9).n, few.book.of_vote(A, 0.9).note) == (29, "uncalibrated")
    worth = many.book.of_vote(A, 0.9)
    assert worth.value == pytest.approx(20 / 30, abs=0.02)
    assert (worth.method, worth.note) == ("platt", None)


async def test_agreement_is_calibrated_per_method_by_graded_decisions() -> None:
    votes = [
        vote
        for n in range(40)
        for vote in panel(
            f"d{n}",
            {"a": "BUY", "b": "BUY", "c": "BUY" if n % 2 else "SELL"},
            0.01 if n % 2 or n % 8 == 0 else -0.01,
            decided_at=NOON + timedelta(minutes=n),
        )
    ]
    reading = Reading(votes)
    await reading.reader.look()
    split, whole = reading.book.of_panel("majority", 2 / 3), reading.book.of_panel("majority", 1.0)

    assert (split.n, whole.method) == (40, "platt")
    assert split.value == pytest.approx(0.25, abs=0.06)
    assert whole.value == pytest.approx(0.95, abs=0.05)
    assert reading.book.of_panel("unanimous", 1.0).value is None


async def test_what_was_just_heard_goes_before_the_record_for_the_share_of_usable_answers() -> None:
    class Heard:
        def of(self, target: Target) -> Grade | None:
            return Grade(valid=1, answers=4) if target == A else None

    rules = ScoreRules()
    scores, book = FakeScores([*streak("a", 20, 0), *streak("b", 20, 0)]), ScoreBook(rules, Heard())
    await ScoreReader(scores, book, rules, lambda: NOON + timedelta(hours=6)).look()

    assert book.of(A) == Grade(20, 20, 0.75, is_proven=True, valid=1, answers=4)
    assert book.of(B) == Grade(20, 20, 0.75, is_proven=True, valid=20, answers=20)


async def test_the_job_looks_until_it_is_cancelled() -> None:
    reading = Reading(streak("a", 20, 0), refresh=0.001)
    async with anyio.create_task_group() as group:
        group.start_soon(reading.reader.run)
        with anyio.fail_after(10):
            while reading.rate() != 0.75:
                await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
