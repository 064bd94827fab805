"""A panel: its members asked at once, their votes taken as they arrive, never longer than it may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import anyio

from app.decisions.background import Background
from app.decisions.member import Heard, Seat, absent
from app.domain.decision import Vote, VoteStatus


class Voter(Protocol):
    """Who sits on a panel. `vote` raises nothing but cancellation."""

    @property
    def seat(self) -> Seat: ...
    async def vote(self) -> Heard: ...


class Panel:
    """Members that have been asked and those that have answered. Whoever starts it must cancel it in the end."""

    def __init__(self, members: Sequence[Voter], background: Background, now: Callable[[], float]) -> None:
        self._seats = [member.seat for member in members]
        self._now = now
        self._arrivals: asyncio.Queue[tuple[float, Heard]] = asyncio.Queue()
        self._heard: dict[int, Heard] = {}
        self._tasks = [background.start(self._ask(member)) for member in members]

    @property
    def outstanding(self) -> list[Seat]:
        """The seats that have not been heard."""
        return [seat for seat in self._seats if seat.number not in self._heard]

    @property
    def has_arrived(self) -> bool:
        """Whether a vote is here that nobody has looked at."""
        return not self._arrivals.empty()

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
        """The next vote, or None when all have been heard or none comes before `until` (monotonic seconds)."""
        if not self.outstanding:
            return None
        arrival = await self._arrival(until)
        if arrival is None or arrival[0] > until:
            return None
        heard = arrival[1]
        self._heard[heard.seat.number] = heard
        return heard

    def cancel(self) -> None:
        """Ends the calls still out, without waiting for them."""
        for task in self._tasks:
            task.cancel()

    async def _ask(self, member: Voter) -> None:
        heard = await member.vote()
        self._arrivals.put_nowait((self._now(), heard))

    async def _arrival(self, until: float) -> tuple[float, Heard] | None:
        if not self._arrivals.empty():
            return self._arrivals.get_nowait()
        with anyio.move_on_after(max(until - self._now(), 0)):
            return await self._arrivals.get()
        return None

    def _in_order(self) -> list[Heard]:
        return [self._heard[number] for number in sorted(self._heard)]
