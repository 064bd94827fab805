"""The service of outcomes: nothing is lost, and a post of prices ends in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from app.domain.audit import THE_GATEWAY, Author
from app.domain.errors import NotFound, StorageUnavailable
from app.domain.outcome import (
    DuePrice,
    GradedOutcome,
    Horizon,
    HorizonState,
    Outcome,
    OutcomeKind,
    PriceBar,
    StoredBars,
)
from app.domain.ports import Measure
from app.outcomes.service import OutcomeService

THEN = datetime(2026, 11, 20, 14, 15, tzinfo=UTC)
FILL = Outcome("fill-1", "dec-1", OutcomeKind.REALIZED, THEN, exit_price=110.0)


class NoOutcomes:
    """A database that has no decision at all."""

    async def record(
        self, outcome: Outcome, measure: Measure, *, agent_id: int | None, by: Author = THE_GATEWAY
    ) -> GradedOutcome:
        raise NotFound("no decision")

    async def of(self, decision_id: str, agent_id: int | None) -> tuple[Sequence[GradedOutcome], Horizon]:
        return (), Horizon(HorizonState.NONE)


class Crowd:
    """So many decisions wait for the next bar; grading a batch takes `seconds`."""

    def __init__(self, waiting: int, seconds: float = 0.1) -> None:
        self.waiting = waiting
        self.clock = 0.0
        self.seconds = seconds
        self.done = anyio.Event()
        self.failures = 0

    async def put(self, bars: Sequence[PriceBar]) -> StoredBars:
        return StoredBars(len(bars), 0, 0)

    async def is_due(self) -> bool:
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable("away")
        return self.waiting > 0

    async def settle(
        self,
        outcome_at: Callable[[DuePrice], Outcome],
        measure: Measure,
        *,
        limit: int,
        by: Author = THE_GATEWAY,
    ) -> tuple[int, int]:
        self.clock += self.seconds
        settled = min(limit, self.waiting)
        self.waiting -= settled
        return settled, settled

    async def expire(self, now: datetime) -> int:
        self.done.set()
        return 0


def service(crowd: Crowd, answer: dict[str, Any] | None = None, **options: Any) -> OutcomeService:
    async def answer_of(decision_id: str) -> dict[str, Any] | None:
        return answer

    return OutcomeService(NoOutcomes(), crowd, answer_of, now=lambda: crowd.clock, wall=lambda: THEN, **options)


async def test_a_decision_that_waits_on_disk_is_not_unknown() -> None:
    waiting = service(Crowd(0), {"id": "dec-1", "agent_id": 7})

    for agent_id in (None, 7):
        with pytest.raises(StorageUnavailable, match="waits on disk"):
            await waiting.record(FILL, agent_id=agent_id)
    with pytest.raises(NotFound):
        await waiting.record(FILL, agent_id=8)
    with pytest.raises(NotFound):
        await service(Crowd(0)).record(FILL, agent_id=None)


async def test_a_post_of_prices_ends_in_time_and_the_job_does_the_rest() -> None:
    crowd, counted = Crowd(10_000), list[int]()
    outcomes = service(crowd, recorded=lambda _kind, count: counted.append(count))

    taken = await outcomes.post_prices([])

    assert not taken.is_complete
    assert taken.graded == 1_000
    assert crowd.clock <= 0.7
    await outcomes.look()
    assert crowd.waiting == 0
    assert sum(counted) == 10_000


async def test_a_post_that_grades_everybody_says_so() -> None:
    taken = await service(Crowd(350)).post_prices([])

    assert (taken.graded, taken.is_complete) == (350, True)


async def test_a_database_that_is_away_does_not_end_the_job() -> None:
    crowd = Crowd(3)
    crowd.failures = 1
    outcomes = service(crowd)

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(outcomes.run)
        while crowd.failures:
            await anyio.lowlevel.checkpoint()
        outcomes.posted()
        with anyio.fail_after(5):
            await crowd.done.wait()
        jobs.cancel_scope.cancel()

    assert crowd.waiting == 0
