"""One panel per key, however often and wherever a request comes again: the others get what it decided.

    nobody has the key      take it, ask the panel; the decision and its key are committed together
    its decision is stored  tell that again; one that an operator's stop made, only while that stop holds
    somebody is at it       wait for him: in this process by ear, in another by looking
    its holder is gone      say once that nobody knows what became of it; from then on the key is free
    its decision is spilled tell that again here; elsewhere it is still held, until the database has it

A holder renews its lease while it lives. Whoever was taken for dead too early cannot store: its row is somebody else's.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import anyio

from app.decisions.background import Background
from app.decisions.question import Question
from app.decisions.repeat import Run, Told, told_again, told_of
from app.decisions.service import DecisionEvent, VoteEvent
from app.domain.decision import DecisionStatus
from app.domain.errors import Code, Conflict, NotAdmitted, OutcryError, RequestRejected, StorageUnavailable
from app.domain.idempotency import Claim, RequestKey, Reservation, Standing, Term
from app.domain.kill import NO_STOPS, Stops
from app.domain.ports import IdempotencyRepository

log = logging.getLogger(__name__)

Panel = Callable[[Question], AsyncGenerator[VoteEvent | DecisionEvent]]

_RELEASE: Final = 0.5
_FORGET_EVERY: Final = 600.0
_FORGOTTEN_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class IdempotencyRules:
    """Seconds: how long a key is remembered, a lease holds without being renewed, and between two renewals.

    Another process is looked at every `poll` seconds, later every `slowest_poll`.
    """

    remembered: float = 86_400.0
    lease: float = 5.0
    renewal: float = 1.0
    poll: float = 0.05
    slowest_poll: float = 0.5


class Idempotency:
    """Panels behind keys. A panel that has a key goes on when its caller leaves: he may come back for it.

    Clocks of replicas should agree within seconds: a wrong one makes an unknown outcome of a slow panel. `stops` tells
    what is stopped: a decision that was killed ordered nothing, so its key asks anew once that is over. `spilled` gives
    the answers that wait on this process's disk, by the reservation that they settle.
    """

    def __init__(
        self,
        repository: IdempotencyRepository,
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        rules: IdempotencyRules = IdempotencyRules(),
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        stops: Stops = NO_STOPS,
        spilled: Callable[[], Mapping[Reservation, dict[str, Any]]] = dict,
    ) -> None:
        self._repository = repository
        self._now = now
        self._wall = wall
        self._rules = rules
        self._sleep = sleep
        self._stops = stops
        self._spilled = spilled
        self._runs: dict[RequestKey, Run] = {}
        self._held: set[str] = set()
        self._background = Background()
        self._forgot_at = -math.inf
        self._is_away = False

    async def ask(self, key: RequestKey, question: Question, panel: Panel) -> AsyncGenerator[Told]:
        """The votes and the decision of the one panel of this key, which is asked only if nobody has been yet.

        Raises Conflict when another is still at it at the deadline, or when its outcome is unknown; RequestRejected
        for a key of another question; StorageUnavailable before anybody is asked; whatever the panel raises.
        """
        run: Run | None = None
        while run is None or run.is_void:
            run = self._runs.get(key)
            is_first = run is None
            if run is None:
                run = self._runs[key] = Run()
                run.task = self._background.start(self._run(run, key, question, panel))
            async with aclosing(run.heard(question.deadline, self._now, is_first=is_first)) as events:
                async for told in events:
                    yield told

    async def run(self) -> None:
        """The job: never returns. Renews what is held here and deletes what has expired."""
        while True:
            await self._sleep(self._rules.renewal)
            await self.tend()

    async def tend(self) -> None:
        """Renew and delete once; a database that is away changes nothing but the log."""
        try:
            # What waits on disk is decided and not yet settled: its key must look held until it is.
            if held := (*self._held, *(one.owner for one in self._spilled())):
                await self._repository.renew(held, self._wall() + timedelta(seconds=self._rules.lease))
            await self._forget()
        except StorageUnavailable as error:
            if not self._is_away:
                log.warning("idempotency keys wait for the database", extra={"reason": error.message})
            self._is_away = True
        else:
            self._is_away = False

    async def close(self) -> None:
        """Ends the panels that nobody is answered from any more and gives their keys back; bounded."""
        await self._background.close()

    async def _run(self, run: Run, key: RequestKey, question: Question, panel: Panel) -> None:
        try:
            await self._resolved(run, Reservation(key, secrets.token_hex(16)), question, panel)
            run.end()
        except asyncio.CancelledError:
            run.end(NotAdmitted(Code.SHUTTING_DOWN, "the gateway is shutting down"))
            raise
        except Exception as error:
            # Whoever asked hears of it, and the edge logs what is a bug of ours.
            run.end(error)
        finally:
            self._runs.pop(key, None)

    async def _resolved(self, run: Run, reservation: Reservation, question: Question, panel: Panel) -> None:
        claim = self._on_disk(reservation.key) or await self._from_record(run, reservation, question)
        if claim is None:
            return
        match claim.standing:
            case Standing.TAKEN:
                await self._led(run, reservation, question, panel)
            case Standing.STORED:
                run.is_replay = True
                for told in told_again(claim.answer or {}):
                    run.tell(told)
            case _:
                raise _refusal(claim.standing)

    async def _from_record(self, run: Run, reservation: Reservation, question: Question) -> Claim | None:
        """How the key stands in the database, once that is known; None when it is free again, or nobody waits."""
        claim: Claim | None = await self._claimed(reservation, question)
        if claim is not None and claim.standing is Standing.IN_PROGRESS:
            claim = await self._followed(run, reservation, claim, question)
        if claim is not None and self._is_over(claim, question):
            return await self._reopened(reservation, claim)
        return claim

    def _on_disk(self, key: RequestKey) -> Claim | None:
        """The decision of this key that waits on this process's disk."""
        found = (answer for held, answer in self._spilled().items() if held.key == key)
        answer = next(found, None)
        return None if answer is None else Claim(Standing.STORED, answer)

    def _is_over(self, claim: Claim, question: Question) -> bool:
        """Whether the stored decision is that of a stop that has ended: it ordered nothing, and says nothing now."""
        is_killed = claim.answer is not None and claim.answer.get("status") == DecisionStatus.KILLED.value
        return is_killed and self._stops.of(question.agent_id) is None

    async def _reopened(self, reservation: Reservation, claim: Claim) -> Claim | None:
        """The key taken from a stop that is over; None where another was faster."""
        stopped = (claim.answer or {})["id"]
        taken = await self._repository.reopen(reservation, stopped, self._term())
        return Claim(Standing.TAKEN) if taken else None

    def _term(self) -> Term:
        now = self._wall()
        lease, remembered = (timedelta(seconds=s) for s in (self._rules.lease, self._rules.remembered))
        return Term(now, now + lease, now + remembered)

    async def _claimed(self, reservation: Reservation, question: Question) -> Claim:
        """How the key stands. Raises StorageUnavailable before the deadline; then it is not taken for long."""
        term = self._term()
        with anyio.move_on_after(max(question.deadline - self._now(), 0) * 0.9):
            return await self._repository.claim(reservation, term)
        raise StorageUnavailable("the idempotency key could not be looked up before the deadline")

    async def _led(self, run: Run, reservation: Reservation, question: Question, panel: Panel) -> None:
        self._held.add(reservation.owner)
        is_settled = False
        try:
            run.lead()
            async with aclosing(panel(replace(question, reservation=reservation))) as events:
                async for event in events:
                    is_settled = isinstance(event, DecisionEvent)
                    run.tell(told_of(event))
        finally:
            self._held.discard(reservation.owner)
            if not is_settled:
                await self._released(reservation)

    async def _released(self, reservation: Reservation) -> None:
        """Nothing was decided: the next one may ask. Where that cannot be written, the lease runs out."""
        with anyio.move_on_after(_RELEASE, shield=True):
            try:
                await self._repository.release(reservation)
            except OutcryError as error:
                log.warning("an idempotency key is not given back", extra={"reason": error.message})

    async def _followed(self, run: Run, reservation: Reservation, claim: Claim, question: Question) -> Claim | None:
        """How the key stands once its holder is done or gone; None when it is free again, or nobody waits."""
        pause = self._rules.poll
        while run.listeners:
            held = await self._repository.look(reservation.key)
            if held is None or (claim.owner is not None and held.owner != claim.owner):
                return None
            if held.is_decided:
                return await self._claimed(reservation, question)
            if held.leased_until <= self._wall():
                lost = Reservation(reservation.key, held.owner)
                return Claim(Standing.UNKNOWN) if await self._repository.give_up(lost, self._wall()) else None
            await self._sleep(pause)
            pause = min(pause * 1.5, self._rules.slowest_poll)
        return None

    async def _forget(self) -> None:
        """Every ten minutes, in slices: a decision waits for one of them at most."""
        now = self._now()
        if now - self._forgot_at < _FORGET_EVERY:
            return
        while await self._repository.forget(self._wall(), _FORGOTTEN_AT_ONCE) >= _FORGOTTEN_AT_ONCE:
            pass
        self._forgot_at = now


def _refusal(standing: Standing) -> OutcryError:
    if standing is Standing.MISMATCH:
        return RequestRejected(
            Code.IDEMPOTENCY_MISMATCH, "this idempotency key belongs to another question", param="idempotency-key"
        )
    return Conflict(
        "whoever worked on this idempotency key is gone, and no decision of it is stored: the next request with the "
        "key asks anew",
        code=Code.IDEMPOTENCY_UNKNOWN_OUTCOME,
        param="idempotency-key",
    )
