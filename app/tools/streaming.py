"""The rounds of one request as one stream: what the model says in each, without its calls of registered tools."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from decimal import Decimal
from typing import Protocol

from app.domain.attempt import Ask, AttemptRecord
from app.domain.chat import ChatChunk
from app.domain.errors import FailureKind, NotFound, OutcryError, ProviderError, Trail
from app.domain.routing import Plan
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.usage import Usage
from app.gateway.cached import AnyStream
from app.tools.course import Answered, Course
from app.tools.turns import StreamedTurn

_NOTHING = ChatChunk({"choices": []})
"""Gives whoever reads the stream a turn, to tell of the calls that were made."""


class Streams(Protocol):
    """What opens one round."""

    def stream(self, ask: Ask) -> AbstractAsyncContextManager[AnyStream]: ...


class ToolStream:
    """A stream over all rounds: iterate it, then read the sums. Figures are final after the end.

    Iterating raises OutcryError once, when a round fails or cannot begin. Closing it early closes the round under way.
    """

    def __init__(self, gateway: Streams, course: Course, now: Callable[[], float]) -> None:
        self._gateway = gateway
        self._course = course
        self._now = now
        self._began = now()
        self._first_token: float | None = None
        self._stack = AsyncExitStack()
        self._round: AnyStream
        self._is_counted = False
        self._chunks = self._all()

    async def open(self) -> None:
        """The first round, committed. Raises OutcryError."""
        self._round = await self._stack.enter_async_context(self._gateway.stream(self._course.ask))

    async def aclose(self) -> None:
        """Close whatever is under way."""
        await self._stack.aclose()
        await self._chunks.aclose()

    @property
    def target(self) -> Target:
        """Who answers the present round."""
        return self._round.target

    @property
    def plan(self) -> Plan:
        """The first round's plan."""
        return self._course.tally.plan or self._round.plan

    @property
    def attempts(self) -> Sequence[AttemptRecord]:
        """Every finished attempt of all rounds."""
        over = self._course.tally.attempts
        return over if self._is_counted else (*over, *self._round.attempts)

    @property
    def trail(self) -> Trail:
        """What was done until the present round was committed."""
        return self._round.trail

    @property
    def warnings(self) -> Sequence[str]:
        """Of all rounds, each once."""
        present = () if self._is_counted else self._round.warnings
        return tuple(dict.fromkeys((*self._course.tally.warnings, *present)))

    @property
    def usage(self) -> Usage | None:
        """The sum over the rounds that are over; None when one is unknown."""
        return self._course.tally.usage

    @property
    def cost_usd(self) -> Decimal | None:
        """The sum over the rounds that are over; None when one is unknown."""
        return self._course.tally.cost_usd

    @property
    def time_to_first_token(self) -> float | None:
        """Seconds from the start to the first chunk that reached the caller with something in it."""
        return self._first_token

    @property
    def finish_reason(self) -> str | None:
        """That of the last round."""
        return self._round.finish_reason

    @property
    def rung(self) -> Rung | None:
        """That of the last round."""
        return self._round.rung

    @property
    def cache(self) -> None:
        """Rounds with tools are not cached."""

    @property
    def replayed(self) -> bool:
        """Rounds with tools are not recorded."""
        return False

    @property
    def latency(self) -> float:
        """Seconds since the start."""
        return self._now() - self._began

    @property
    def overhead(self) -> float:
        """What the gateway itself took in all rounds, in seconds."""
        return self._course.tally.overhead + (0.0 if self._is_counted else self._round.overhead)

    def __aiter__(self) -> AsyncGenerator[ChatChunk]:
        return self._chunks

    async def _all(self) -> AsyncGenerator[ChatChunk]:
        try:
            while True:
                turn = StreamedTurn(self._course.own)
                async for chunk in self._round:
                    shown = turn.seen(chunk)
                    if shown is not None:
                        self._note_first(shown)
                        yield shown
                self._count()
                calls = turn.calls
                if not self._course.goes_on(calls, self._round.finish_reason):
                    kept = turn.held()
                    if kept is not None:
                        yield kept
                    return
                if turn.is_too_long:
                    raise ProviderError(FailureKind.BAD_ANSWER, "what the model said before its calls is too long")
                await self._stack.aclose()
                await self._course.call(turn.message, calls)
                yield _NOTHING
                await self._next_round()
        except OutcryError as error:
            raise self._course.tally.followed(error) from None

    async def _next_round(self) -> None:
        try:
            self._round = await self._stack.enter_async_context(self._gateway.stream(self._course.ask))
        except NotFound:
            self._round = await self._stack.enter_async_context(self._gateway.stream(self._course.anywhere))
        self._is_counted = False

    def _count(self) -> None:
        over, tally = self._round, self._course.tally
        tally.add(over.attempts, over.warnings, over.usage, over.cost_usd, over.overhead)
        self._course.answered(Answered(over.target, over.plan, over.attempts))
        self._is_counted = True

    def _note_first(self, chunk: ChatChunk) -> None:
        if self._first_token is None and chunk.carries:
            self._first_token = self._now() - self._began
