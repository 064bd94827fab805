"""One process tells what several see: an alert is passed on by the first it fires in, and its end by the last."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import anyio

from app.domain.alerts import Alert, AlertState
from app.domain.errors import StorageUnavailable
from app.domain.ports import FiringRepository

log = logging.getLogger(__name__)

_RENEW_EVERY: Final = 10.0
_PATIENCE: Final = 1.5
_MOST_WAITING: Final = 1000


class OneVoice:
    """Passes alerts on to `told`, in their order, unless another process has or will.

    Where nobody can say whether it has, it is told here: rather twice than never. Beyond 1,000 that wait the oldest
    is told unasked. Without a repository this process is the only one.
    """

    def __init__(self, repository: FiringRepository | None, told: Callable[[Alert], None], *, holder: str) -> None:
        self._repository = repository
        self._told = told
        self._holder = holder
        self._waiting: deque[Alert] = deque()
        self._firing: set[str] = set()
        self._event = anyio.Event()

    def tell(self, alert: Alert) -> None:
        """Take it; never waits."""
        if self._repository is None:
            self._told(alert)
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._told(self._waiting.popleft())
        self._waiting.append(alert)
        self._event.set()

    async def run(self) -> None:
        """The job: never returns. A process that is gone without a word is believed for half a minute more."""
        while True:
            self._event = anyio.Event()
            await self.pass_on()
            with anyio.move_on_after(_RENEW_EVERY) as pause:
                await self._event.wait()
            if pause.cancelled_caught:
                await self.renew()

    async def pass_on(self) -> None:
        """Pass on or drop all that waits."""
        while self._waiting:
            alert = self._waiting[0]
            is_ours = await self._is_ours(alert)
            # Only now: a job that is started anew finds it again.
            if self._waiting and self._waiting[0] is alert:
                self._waiting.popleft()
                if is_ours:
                    self._told(alert)

    async def renew(self) -> None:
        """Say again what fires here, if anything does."""
        if self._firing and self._repository is not None:
            try:
                with anyio.fail_after(_PATIENCE, shield=True):
                    await self._repository.renew(frozenset(self._firing), self._holder)
            except (StorageUnavailable, TimeoutError) as error:
                log.debug("firing alerts were not renewed", extra={"reason": str(error)})

    async def _is_ours(self, alert: Alert) -> bool:
        if self._repository is None:
            return True
        try:
            with anyio.fail_after(_PATIENCE, shield=True):
                match alert.state:
                    case AlertState.FIRED:
                        self._firing.add(alert.key)
                        return await self._repository.fired(alert.key, self._holder)
                    case AlertState.RESOLVED:
                        self._firing.discard(alert.key)
                        return await self._repository.resolved(alert.key, self._holder)
        except (StorageUnavailable, TimeoutError) as error:
            log.warning("an alert is told unasked", extra={"alert": alert.key, "reason": str(error)})
        return True
