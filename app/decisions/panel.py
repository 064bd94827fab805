"""A panel: its members asked at once, their votes taken as they arrive, never longer than it may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import anyio

from app.decisions.arrivals import Arrivals
from app.decisions.background import Background
from app.decisions.member import Heard, Member, Seat, absent
from app.domain.decision import Vote, VoteStatus
from app.domain.errors import DeadlineExceeded, OutcryError


class Panel:
    """Members that have been asked and those that have answered. Whoever starts it must cancel it in the end.

    Each vote is noted in `arrivals`; where they are scripted, votes are given in their order, however they come.
    """

    def __init__(
        self,
        members: Sequence[Member],
        background: Background,
        now: Callable[[], float],
        arrivals: Arrivals | None = None,
    ) -> None:
        self._seats = [member.seat for member in members]
        self._now = now
        self._order = arrivals or Arrivals()
        self._early: dict[int, tuple[float, Heard]] = {}
        self._arrivals: asyncio.Queue[tuple[float, Heard | OutcryError]] = asyncio.Queue()
        self._heard: dict[int, Heard] = {}
        self._tasks = [
            background.start(self._ask(member)) for member in members if self._order.answers(member.seat.number)
        ]

    @property
    def outstanding(self) -> list[Seat]:
        """The seats that have not been heard."""
        return [seat for seat in self._seats if seat.number not in self._heard]

    @property
    def has_arrived(self) -> bool:
        """Whether a vote is here that nobody has looked at."""
        return self._order.upcoming is not None if self._order.is_scripted else not self._arrivals.empty()

    @property
    def warnings(self) -> list[str]:
        """What members' answers warned of, each once."""
        return list(dict.fromkeys(warning for heard in self._in_order() for warning in heard.warnings))

    def votes(self, status: VoteStatus | None = None, reason: str | None = None) -> list[Vote]:
        """The votes in the order of seats; with a status, those outstanding are given as such abstentions."""
        if status is None:
            return [heard.vote for heard in self._in_order()]
        return [
            self._heard[seat.number].vote if seat.number in self._heard else absent(seat, status, reason)
            for seat in self._seats
        ]

    async def next(self, until: float) -> Heard | None:
        """The next vote, or None when all have been heard or none comes before `until` (monotonic seconds).

        Raises OutcryError where a run does not hold a vote that came when it was recorded, or is not read in time.
        """
        if not self.outstanding:
            return None
        arrival = await (self._scripted(until) if self._order.is_scripted else self._arrival(until))
        if arrival is None or arrival[0] > until:
            return None
        heard = arrival[1]
        self._heard[heard.seat.number] = heard
        self._order.heard(heard.seat.number)
        return heard

    def cancel(self) -> None:
        """Ends the calls still out, without waiting for them."""
        for task in self._tasks:
            task.cancel()

    async def _ask(self, member: Member) -> None:
        heard: Heard | OutcryError
        try:
            heard = await member.vote()
        except OutcryError as error:
            heard = error
        self._arrivals.put_nowait((self._now(), heard))

    async def _arrival(self, until: float) -> tuple[float, Heard] | None:
        if not self._arrivals.empty():
            return _vote(self._arrivals.get_nowait())
        with anyio.move_on_after(max(until - self._now(), 0)):
            return _vote(await self._arrivals.get())
        return None

    async def _scripted(self, until: float) -> tuple[float, Heard] | None:
        """The vote whose turn it is; None where the time was up when it was recorded."""
        turn = self._order.upcoming
        if turn is None:
            return None
        while turn not in self._early:
            arrival = await self._arrival(until)
            if arrival is None:
                raise DeadlineExceeded("the deadline passed before the run was read")
            self._early[arrival[1].seat.number] = arrival
        return min(self._now(), until), self._early.pop(turn)[1]

    def _in_order(self) -> list[Heard]:
        return [self._heard[number] for number in sorted(self._heard)]


def _vote(arrival: tuple[float, Heard | OutcryError]) -> tuple[float, Heard]:
    at, heard = arrival
    if isinstance(heard, OutcryError):
        raise heard
    return at, heard
