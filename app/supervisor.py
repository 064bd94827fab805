"""Background jobs: started, restarted, counted, stopped; none can sink the ship."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SupervisionRules:
    """Seconds: the first pause before a restart, the longest one, the run that forgives, and what a stop may take."""

    first_pause: float = 0.5
    longest_pause: float = 30.0
    forgiven_after: float = 60.0
    stop_within: float = 2.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row (1 is the first)."""
        return min(self.first_pause * 2.0 ** min(failures - 1, 32), self.longest_pause)


class Supervisor(AbstractAsyncContextManager["Supervisor"]):
    """Keeps jobs running between entering and leaving it.

    A job that raises is started again after a pause; one that returns is done. Leaving cancels all of them and waits
    `stop_within` seconds at most, after which a job that will not end is left behind and named in the log.
    """

    def __init__(
        self,
        on_restart: Callable[[str], None] = lambda _name: None,
        *,
        rules: SupervisionRules | None = None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.restarts: dict[str, int] = {}
        self._on_restart = on_restart
        self._rules = rules or SupervisionRules()
        self._now = now
        self._sleep = sleep
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._is_open = False

    def add(self, name: str, job: Job) -> None:
        """Watch over a job; it starts when the supervisor is entered, or at once after that."""
        if name in self._jobs:
            raise ValueError(f"a job named {name} is there already")
        self._jobs[name] = job
        self.restarts[name] = 0
        if self._is_open:
            self._start(name)

    @property
    def running(self) -> frozenset[str]:
        """Names of the jobs that are running or about to run again."""
        return frozenset(name for name, task in self._tasks.items() if not task.done())

    async def __aenter__(self) -> Self:
        self._is_open = True
        for name in self._jobs:
            self._start(name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        for scope in self._scopes.values():
            scope.cancel()
        waiting = {task for task in self._tasks.values() if not task.done()}
        # A task group would wait for a job that swallows its cancellation for ever; this does not.
        with anyio.CancelScope(shield=True):
            if waiting:
                await asyncio.wait(waiting, timeout=self._rules.stop_within)
        for name in sorted(self.running):
            log.error("job did not stop", extra={"job": name, "seconds": self._rules.stop_within})

    def _start(self, name: str) -> None:
        # A scope of its own, because asyncio's cancel would break into what a job shields.
        scope = self._scopes[name] = anyio.CancelScope()
        watched = self._watch(name, self._jobs[name], scope)
        self._tasks[name] = asyncio.get_running_loop().create_task(watched, name=name)

    async def _watch(self, name: str, job: Job, scope: anyio.CancelScope) -> None:
        with scope:
            await self._keep(name, job, scope)

    async def _keep(self, name: str, job: Job, scope: anyio.CancelScope) -> None:
        failures = 0
        while True:
            started = self._now()
            try:
                await job()
                log.debug("job is done", extra={"job": name})
                return
            except asyncio.CancelledError:
                if _is_cancelled(scope):
                    raise
                # Somebody else's cancellation leaked out of the job: that is a way to die, not a wish to stop it.
                log.warning("job died of a stray cancellation", extra={"job": name})
            except Exception:
                log.exception("job died", extra={"job": name})
            failures = 1 if self._now() - started >= self._rules.forgiven_after else failures + 1
            await self._sleep(self._rules.pause(failures))
            self._count(name)

    def _count(self, name: str) -> None:
        self.restarts[name] += 1
        try:
            self._on_restart(name)
        except Exception:
            log.exception("restart was not counted", extra={"job": name})


def _is_cancelled(scope: anyio.CancelScope) -> bool:
    task = asyncio.current_task()
    return scope.cancel_called or (task is not None and task.cancelling() > 0)
