"""What one panel says, to everybody who listens: live, late, or again from the record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio

from app.decisions.service import DecisionEvent, VoteEvent
from app.decisions.wire import vote_event_rendered
from app.domain.decision import VoteStatus
from app.domain.errors import Code, Conflict

_RETRY_AFTER: Final = 1.0
_UNHEARD: Final = frozenset((VoteStatus.PENDING.value, VoteStatus.CANCELLED.value))


@dataclass(frozen=True, slots=True)
class Told:
    """One event in the wire's words: `name` is vote or decision. `is_replayed`: no panel was asked for this caller."""

    name: str
    body: dict[str, Any]
    is_replayed: bool = False


class Run:
    """One panel, or the wait for another process's, as those see it who asked for it.

    One that ended without a word found the key free again: whoever still wants to asks anew.
    """

    def __init__(self) -> None:
        self.listeners = 0
        self.is_replay = False
        self.task: asyncio.Task[None] | None = None
        self._told: list[Told] = []
        self._error: Exception | None = None
        self._is_leading = False
        self._is_over = False
        self._changed = asyncio.Event()

    @property
    def is_void(self) -> bool:
        """Whether it ended without a word."""
        return self._is_over and not self._told and self._error is None

    def lead(self) -> None:
        """The key is ours: from here on the panel keeps the deadline by itself."""
        self._is_leading = True
        self._change()

    def tell(self, told: Told) -> None:
        """To all who listen now, and to those who come later."""
        self._told.append(told)
        self._change()

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes."""
        self._is_over, self._error = True, error
        self._change()

    async def heard(self, deadline: float, now: Callable[[], float], *, is_first: bool) -> AsyncGenerator[Told]:
        """Everything from the beginning. Raises what ended it, and Conflict when that is not before the deadline."""
        self.listeners += 1
        place = 0
        try:
            while True:
                while place < len(self._told):
                    yield replace(self._told[place], is_replayed=self.is_replay or not is_first)
                    place += 1
                if self._is_over:
                    break
                await self._change_before(None if is_first and self._is_leading else deadline - now())
        finally:
            self.listeners -= 1
        if self._error is not None:
            raise self._error

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change_before(self, patience: float | None) -> None:
        with anyio.move_on_after(None if patience is None else max(patience, 0)):
            await self._changed.wait()
            return
        raise Conflict(
            "another request with this idempotency key is under way",
            code=Code.IDEMPOTENCY_IN_PROGRESS,
            param="idempotency-key",
            retry_after=_RETRY_AFTER,
        )


def told_of(event: VoteEvent | DecisionEvent) -> Told:
    """A panel's own event."""
    if isinstance(event, DecisionEvent):
        return Told("decision", event.answer)
    return Told("vote", vote_event_rendered(event.vote, event.sample))


def told_again(answer: dict[str, Any]) -> Iterator[Told]:
    """A stored decision as its stream told it: the votes that were heard, then the decision."""
    for vote in answer.get("votes", ()):
        if vote["status"] not in _UNHEARD:
            yield Told("vote", vote | {"sample": None})
    yield Told("decision", answer)
