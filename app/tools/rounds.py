"""Rounds with the gateway's own tools: the model calls, the gateway asks the tools, the model goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from app.domain.attempt import Ask, Completion
from app.domain.errors import NotFound, OutcryError
from app.domain.ports import ToolCaller, ToolCallObserver
from app.domain.tools import ToolCallRecord
from app.gateway.attempt import Clock
from app.gateway.cached import AnyStream
from app.tools.calling import Calls, RoundRules
from app.tools.course import Answered, CheckRunning, Course
from app.tools.registry import Registered
from app.tools.streaming import ToolStream
from app.tools.turns import calls_of, names_of


class Chats(Protocol):
    """What answers one round."""

    async def complete(self, ask: Ask) -> Completion: ...
    def stream(self, ask: Ask) -> AbstractAsyncContextManager[AnyStream]: ...


class Rounds:
    """Makes what a request with registered tools is answered by."""

    def __init__(
        self,
        gateway: Chats,
        tools: ToolCaller,
        observers: Sequence[ToolCallObserver],
        *,
        rules: RoundRules,
        clock: Clock,
        check_running: CheckRunning,
    ) -> None:
        self._gateway = gateway
        self._tools = tools
        self._observers = tuple(observers)
        self._rules = rules
        self._clock = clock
        self._check_running = check_running

    def answering(self, entries: Mapping[str, Registered]) -> Answering:
        """A gateway for one request whose model may call these tools."""
        calls = Calls(entries, self._tools, self._observers, self._rules, self._clock)
        return Answering(
            self._gateway, frozenset(entries), calls, self._rules, clock=self._clock, check_running=self._check_running
        )


class Answering:
    """One request in rounds, answered like any chat."""

    def __init__(
        self,
        gateway: Chats,
        registered: frozenset[str],
        calls: Calls,
        rules: RoundRules,
        *,
        clock: Clock,
        check_running: CheckRunning,
    ) -> None:
        self._gateway = gateway
        self._registered = registered
        self._calls = calls
        self._rules = rules
        self._now = clock.now
        self._check_running = check_running

    @property
    def calls(self) -> Sequence[ToolCallRecord]:
        """The calls that were made so far, in the order of rounds and turns."""
        return self._calls.made

    async def complete(self, ask: Ask) -> Completion:
        """The answer after the last round. Raises OutcryError; what a tool does is never one."""
        began, course = self._now(), self._course(ask)
        try:
            while True:
                last = await self._round(course)
                course.tally.add(last.attempts, last.warnings, last.usage, last.cost_usd, last.overhead)
                course.answered(Answered(last.target, last.plan, last.attempts))
                message = last.response.message
                calls = calls_of(message)
                if not course.goes_on(calls, last.response.finish_reason):
                    break
                await course.call(message, calls)
        except OutcryError as error:
            raise course.tally.followed(error) from None
        tally = course.tally
        return replace(
            last,
            plan=tally.plan or last.plan,
            attempts=tally.attempts,
            latency=self._now() - began,
            overhead=tally.overhead,
            usage=tally.usage or last.usage,
            cost_usd=tally.cost_usd,
            warnings=tally.warnings,
        )

    @asynccontextmanager
    async def stream(self, ask: Ask) -> AsyncGenerator[ToolStream]:
        """The same as one stream, which is committed with its first round."""
        stream = ToolStream(self._gateway, self._course(ask), self._now)
        await stream.open()
        try:
            yield stream
        finally:
            await stream.aclose()

    def _course(self, ask: Ask) -> Course:
        own = names_of(ask.chat.parameters.get("tools")) - self._registered
        return Course(ask, own, self._calls, self._rules, now=self._now, check_running=self._check_running)

    async def _round(self, course: Course) -> Completion:
        try:
            return await self._gateway.complete(course.ask)
        except NotFound:
            if not course.tally.rounds:
                raise
            return await self._gateway.complete(course.anywhere)
