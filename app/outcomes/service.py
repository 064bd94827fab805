"""Outcomes as callers report them, and those that prices make for decisions whose horizon is over."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import anyio

from app.domain.audit import THE_GATEWAY, Author
from app.domain.errors import NotFound, StorageUnavailable
from app.domain.outcome import GradedOutcome, Horizon, Outcome, OutcomeKind, PriceBar, StoredBars
from app.domain.ports import OutcomeRepository, PriceRepository
from app.outcomes.grading import measured
from app.outcomes.pricing import outcome_at

log = logging.getLogger(__name__)

_AT_ONCE: Final = 200
"""Decisions graded in one transaction: what another writer may have to wait for."""
_IN_REQUEST: Final = 0.5
"""Seconds that a post of prices may go on grading; the job does the rest."""
_PAUSE: Final = 15.0
"""Seconds until somebody looks for decisions that came after their price."""


@dataclass(frozen=True, slots=True)
class PricesTaken:
    """What became of posted bars; `graded` decisions so far. Unless `is_complete` the rest follow in the background."""

    bars: StoredBars
    graded: int
    is_complete: bool


class OutcomeService:
    """Records and grades. `answer_of` knows decisions that wait on this machine's disk, too.

    `recorded` hears of what was put on record: a kind, and how many.
    """

    def __init__(
        self,
        outcomes: OutcomeRepository,
        prices: PriceRepository,
        answer_of: Callable[[str], Awaitable[dict[str, Any] | None]],
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        recorded: Callable[[OutcomeKind, int], None] = lambda _kind, _count: None,
    ) -> None:
        self._outcomes = outcomes
        self._prices = prices
        self._answer_of = answer_of
        self._now = now
        self._wall = wall
        self._recorded = recorded
        self._posted = anyio.Event()

    async def record(self, outcome: Outcome, *, agent_id: int | None, by: Author = THE_GATEWAY) -> GradedOutcome:
        """Put an outcome on record and grade every vote by it.

        Raises NotFound, RequestRejected for one that cannot be measured, StorageUnavailable also for a decision that
        the database does not have yet: it will, and then takes the outcome.
        """
        try:
            graded = await self._outcomes.record(outcome, measured, agent_id=agent_id, by=by)
        except NotFound:
            waiting = await self._answer_of(outcome.decision_id)
            if waiting is None or agent_id not in (None, waiting.get("agent_id")):
                raise
            raise StorageUnavailable("the decision waits on disk for the database: post its outcome again") from None
        if graded.is_changed:
            self._recorded(graded.outcome.kind, 1)
        return graded

    async def of(self, decision_id: str, agent_id: int | None) -> tuple[Sequence[GradedOutcome], Horizon] | None:
        """What is known of a decision, the last observed first, and its horizon; None where the database has none."""
        return await self._outcomes.of(decision_id, agent_id)

    async def post_prices(self, bars: Sequence[PriceBar], *, by: Author = THE_GATEWAY) -> PricesTaken:
        """Store bars and grade whom they are for: half a second here, the rest in the background."""
        stored = await self._prices.put(bars)
        until, graded = self._now() + _IN_REQUEST, 0
        while True:
            settled = await self._settle(by)
            graded += settled
            if settled < _AT_ONCE:
                return PricesTaken(stored, graded, is_complete=True)
            if self._now() >= until:
                self.posted()
                return PricesTaken(stored, graded, is_complete=False)

    def posted(self) -> None:
        """Have the job look now."""
        self._posted.set()

    async def run(self) -> None:
        """The job: never returns. Grades who came after their price, and lets go of those whose price never came."""
        while True:
            # Before the look: a post that comes during it is looked after again.
            self._posted = anyio.Event()
            try:
                await self.look()
            except StorageUnavailable as error:
                log.warning("grades wait for the database", extra={"reason": error.message})
            with anyio.move_on_after(_PAUSE):
                await self._posted.wait()

    async def look(self) -> None:
        """Grade everybody whose bar is there, then let go of those who wait in vain. Raises StorageUnavailable."""
        while await self._prices.is_due() and await self._settle(THE_GATEWAY):
            pass
        expired = await self._prices.expire(self._wall())
        if expired:
            log.info("decisions got no price in time", extra={"count": expired})

    async def _settle(self, by: Author) -> int:
        settled, made = await self._prices.settle(outcome_at, measured, limit=_AT_ONCE, by=by)
        if made:
            self._recorded(OutcomeKind.FORWARD_RETURN, made)
        return settled
