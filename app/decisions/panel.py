"""A panel: its members asked at once, their votes taken as they arrive, never longer than it may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

from app.decisions import arrivals
from app.decisions.arrivals import Arrivals, turn_of
from app.decisions.background import Background
from app.decisions.member import Heard
from app.decisions.samples import merged
from app.decisions.seat import Seat, absent
from app.domain.decision import Vote, VoteStatus
from app.domain.errors import Code, DeadlineExceeded, OutcryError
from app.domain.kill import Kill
from app.waiting import Waiting

T = TypeVar("T")

NOT_ASKED: Final = "not_asked"
LATE: Final = "no answer before the deadline"
"""Why a vote that did not come is a timeout."""


class Voter(Protocol):
    """Who sits on a panel. `vote` raises nothing but cancellation, and OutcryError where a run does not hold it."""

    @property
    def seat(self) -> Seat: ...
    @property
    def sample(self) -> int | None: ...
    async def vote(self) -> Heard: ...


class Panel:
    """Seats, those of them that were asked, and what they answered. Whoever asks must cancel in the end.

    Each answer is noted in `order`; where that is scripted, answers are given as it says, however they come. An
    operator's stop of `agent_id`, or of everything, is the last thing that it hears.
    """

    target: Final = None

    def __init__(
        self,
        seats: Sequence[Seat],
        background: Background,
        now: Callable[[], float],
        order: Arrivals | None = None,
        agent_id: int | None = None,
    ) -> None:
        self.agent_id = agent_id
        self.kill: Kill | None = None
        """The stop that ended it."""
        self._stopped = asyncio.Event()
        self._seats = seats
        self._background = background
        self._now = now
        self._order = order or Arrivals()
        self._early: dict[str, tuple[float, Heard]] = {}
        self._arrivals: asyncio.Queue[tuple[float, Heard | OutcryError] | None] = asyncio.Queue()
        self._held: tuple[float, Heard] | None = None
        # By the seats' numbers: of those that were asked, how many answers are still out, and what came.
        self._missing: dict[int, int] = {}
        self._heard: dict[int, list[Heard]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: Waiting | None = None

    @property
    def outstanding(self) -> list[Seat]:
        """The seats that were asked and have not been heard, or not to the end."""
        return [seat for seat in self._seats if self._missing.get(seat.number)]

    @property
    def unasked(self) -> list[Seat]:
        """The seats that nobody has asked."""
        # Each answer asks for this, and nearly always everybody was asked at once.
        if len(self._missing) == len(self._seats):
            return []
        return [seat for seat in self._seats if seat.number not in self._missing]

    @property
    def silent(self) -> list[Seat]:
        """The seats without a vote as yet, whether they were asked or not."""
        missing = self._missing
        return [seat for seat in self._seats if missing.get(seat.number) != 0]

    @property
    def has_arrived(self) -> bool:
        """Whether a vote is here that nobody has looked at."""
        if self.kill is not None:
            return False
        if self._order.is_scripted:
            return self._order.upcoming is not None
        return self._held is not None or not self._arrivals.empty()

    @property
    def warnings(self) -> list[str]:
        """What members' answers warned of, each once."""
        told: list[str] = []
        for seat in self._seats:
            for heard in self._heard.get(seat.number, ()):
                told += heard.warnings
        return list(dict.fromkeys(told))

    def ask(self, members: Sequence[Voter]) -> None:
        """Ask these, at once; several of one seat are its samples. Once it is stopped, nobody is."""
        if self.kill is not None:
            return
        for member in members:
            self._missing[member.seat.number] = self._missing.get(member.seat.number, 0) + 1
        self._tasks += [
            self._background.start(self._ask(member))
            for member in members
            if self._order.answers(turn_of(member.seat.number, member.sample))
        ]

    def voted(self) -> list[tuple[Seat, Vote]]:
        """The votes of the seats that have been heard."""
        # Each answer asks for this.
        missing = self._missing
        return [(seat, self._vote(seat)) for seat in self._seats if missing.get(seat.number) == 0]

    def at_the_end(self) -> list[tuple[Seat, Vote]]:
        """The votes if nothing more comes: a member of whose samples some are here votes with those."""
        return [(seat, self._vote(seat)) for seat in self._seats if self._has_answered(seat)]

    def votes(self, status: VoteStatus, reason: str | None) -> list[Vote]:
        """The votes in the order of seats, what is still out given as such abstentions.

        Some samples of a member are a vote only when nothing more is waited for.
        """
        is_here = self._has_answered if status is VoteStatus.TIMEOUT else self._has_voted
        return [self._vote(seat) if is_here(seat) else self._abstention(seat, status, reason) for seat in self._seats]

    async def next(self, until: float) -> Heard | None:
        """The next answer; None when all have been heard or none comes before `until` (monotonic seconds).

        Once it is stopped there is none, for whoever waits as for whoever comes.

        Raises OutcryError where a run does not hold an answer that came when it was recorded, or is not read in time.
        """
        if self.kill is not None or not any(self._missing.values()):
            return None
        arrival = await (self._scripted(until) if self._order.is_scripted else self._arrival(until))
        if arrival is None or arrival[0] > until:
            if self.unasked and self.kill is None:
                # What came too late for a first stage may be in time for the panel.
                self._held = arrival
                self._order.late()
            return None
        heard = arrival[1]
        self._heard.setdefault(heard.seat.number, []).append(heard)
        self._missing[heard.seat.number] -= 1
        self._order.heard(turn_of(heard.seat.number, heard.sample))
        return heard

    def cancel(self) -> None:
        """Ends the calls still out, without waiting for them."""
        for task in self._tasks:
            task.cancel()
        if self._waiting is not None:
            self._waiting.close()

    def stop(self, kill: Kill) -> None:
        """An operator stopped it: from here on nobody is heard, and whoever waits for an answer is woken."""
        if self.kill is None:
            self.kill = kill
            self._stopped.set()
            self._arrivals.put_nowait(None)

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work comes to; None when it is stopped first, and then the work is cancelled."""
        asking, stopped = self._background.start(work), self._background.start(self._stopped.wait())
        try:
            await asyncio.wait({asking, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else None
        finally:
            for task in (asking, stopped):
                task.cancel()

    async def leave(self, within: float) -> None:
        """Ends the calls still out and waits for their records, at most so many seconds."""
        self.cancel()
        if out := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(out, timeout=within)

    async def _ask(self, member: Voter) -> None:
        heard: Heard | OutcryError
        try:
            heard = await member.vote()
        except OutcryError as error:
            heard = error
        self._arrivals.put_nowait((self._now(), heard))

    async def _arrival(self, until: float) -> tuple[float, Heard] | None:
        if self._held is not None:
            held, self._held = self._held, None
            return held
        if not self._arrivals.empty():
            return _answer(self._arrivals.get_nowait())
        if self._waiting is None:
            self._waiting = Waiting()
        try:
            with self._waiting.until(asyncio.get_running_loop().time() + max(until - self._now(), 0)):
                arrival = await self._arrivals.get()
        except TimeoutError:
            return None
        return _answer(arrival)

    async def _scripted(self, until: float) -> tuple[float, Heard] | None:
        """The answer whose turn it is; None where the time was up when it was recorded."""
        turn = self._order.upcoming
        if turn is None or turn == arrivals.LATE:
            return None
        while turn not in self._early:
            arrival = await self._arrival(until)
            if arrival is None:
                if self.kill is not None:
                    return None
                raise DeadlineExceeded("the deadline passed before the run was read")
            self._early[turn_of(arrival[1].seat.number, arrival[1].sample)] = arrival
        return min(self._now(), until), self._early.pop(turn)[1]

    def _has_voted(self, seat: Seat) -> bool:
        return self._missing.get(seat.number) == 0

    def _has_answered(self, seat: Seat) -> bool:
        return seat.number in self._heard

    def _vote(self, seat: Seat, missing: Vote | None = None) -> Vote:
        came = self._heard.get(seat.number, ())
        late = self._missing.get(seat.number, 0)
        if late == 0 and len(came) == 1:
            return came[0].vote
        votes = [heard.vote for heard in sorted(came, key=lambda heard: heard.sample or 0)]
        lacking = missing or absent(seat, VoteStatus.TIMEOUT, LATE)
        return merged([*votes, *([lacking] * late)])

    def _abstention(self, seat: Seat, status: VoteStatus, reason: str | None) -> Vote:
        if seat.number not in self._missing and self.kill is None:
            return absent(seat, VoteStatus.CANCELLED, f"{NOT_ASKED}: it was decided without this stage")
        vote = absent(seat, status, reason)
        if not self._has_answered(seat):
            return vote
        # Samples that came are paid for, though the member's vote was not waited for.
        partial = self._vote(seat, vote)
        return Vote(
            provider=partial.provider,
            model=partial.model,
            status=status,
            reason=reason,
            stage=seat.stage,
            role=seat.role,
            cost_usd=partial.cost_usd,
            usage=partial.usage,
            samples=partial.samples,
            flip_rate=partial.flip_rate,
        )


def why_stopped(kill: Kill) -> str:
    """The reason of a vote that an operator's stop cut off."""
    return f"{Code.KILLED.value}: {kill.says()}"


def _answer(arrival: tuple[float, Heard | OutcryError] | None) -> tuple[float, Heard] | None:
    if arrival is None:
        return None
    at, heard = arrival
    if isinstance(heard, OutcryError):
        raise heard
    return at, heard
