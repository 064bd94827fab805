"""Several callers' writes in one transaction: who comes while another commits goes with the next one.

A commit costs as much for ten rows as for one. Nobody waits for company: who finds nothing under way begins at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import anyio

from app.domain.errors import StorageUnavailable

W = TypeVar("W")

_MOST: Final = 50


class JoinedWriter(Generic[W]):
    """Does pieces of work that know nothing of each other, together where they come together.

    `do` does several in one transaction, all or none.
    """

    def __init__(self, do: Callable[[Sequence[W]], Awaitable[None]]) -> None:
        self._do_together = do
        self._turn = anyio.Lock(fast_acquire=True)
        self._waiting: list[tuple[W, asyncio.Future[None]]] = []

    async def write(self, work: W) -> None:
        """Return when it is committed; raises what the work raises, as it would alone.

        When one who does it for all is cancelled, the others hear StorageUnavailable: it may be committed all the same.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine = (work, done)
        self._waiting.append(mine)
        try:
            async with self._turn:
                # The first who get a turn take the others along, but not more than fit.
                while not done.done():
                    await self._do(self._taken())
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)
            if not done.done():
                done.cancel()
        await done

    def _taken(self) -> Sequence[tuple[W, asyncio.Future[None]]]:
        taken, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        return taken

    async def _do(self, taken: Sequence[tuple[W, asyncio.Future[None]]]) -> None:
        try:
            await self._together(taken)
        finally:
            for _, done in taken:
                if not done.done():
                    _fail(done, StorageUnavailable("the commit did not return in time"))

    async def _together(self, taken: Sequence[tuple[W, asyncio.Future[None]]]) -> None:
        try:
            await self._do_together([work for work, _ in taken])
        except Exception as error:
            if len(taken) == 1 or isinstance(error, StorageUnavailable):
                for _, done in taken:
                    _fail(done, error)
                return
        else:
            for _, done in taken:
                if not done.done():
                    done.set_result(None)
            return
        # One of them must not spoil it for the others.
        for one in taken:
            await self._together([one])


def _fail(done: asyncio.Future[None], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
        # Who has left does not look at it any more.
        done.exception()
