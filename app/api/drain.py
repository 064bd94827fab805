"""The requests under way, and their end once the process was told to stop."""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

import anyio

from app.services import Signal


class Ending(Enum):
    """Why a request was ended from outside."""

    LEFT = auto()
    SHUTDOWN = auto()


class Endable(Protocol):
    """A request that can be ended."""

    def end(self, ending: Ending) -> None: ...


class Drain:
    """Gives requests `grace` seconds after the signal, then ends those that are still there."""

    def __init__(self, signal: Signal, grace: float) -> None:
        self._signal = signal
        self._grace = grace
        self._under_way: set[Endable] = set()

    def add(self, request: Endable) -> None:
        """This request is under way."""
        self._under_way.add(request)

    def discard(self, request: Endable) -> None:
        """This request is over."""
        self._under_way.discard(request)

    async def run(self) -> None:
        """Runs as long as the process serves."""
        await self._signal.wait()
        await anyio.sleep(self._grace)
        for request in list(self._under_way):
            request.end(Ending.SHUTDOWN)
