"""The running process: uvicorn, its workers, and what opens and closes with them."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.supervisors import multiprocess as supervision

from app.api.gate import STATE, Gate
from app.api.routes import DIRECT
from app.main import create_app
from app.serving_protocol import BoundedProtocol
from app.settings import Settings, load_settings, read_environment
from app.wiring.build import build

DRAIN_SECONDS = 28
"""uvicorn's own patience with open connections: the streams' 25 s, and time to say so."""

COLLECT_AFTER = 10_000
"""Objects made and not freed until garbage is looked for: Python's 700 are there with every second request.

The more it takes, the rarer it is and the longer everybody waits for it: about half a millisecond for every thousand.
With twice as many the slowest hundredth of an overload took a fifth longer.
"""

ANSWER_SECONDS = 60
"""What a worker process may take to begin, or to say that it lives, before it is replaced.

Uvicorn's five are less than one needs to load on a busy machine, and whoever is replaced for that makes it busier.
"""

LEAVING_SECONDS = 2.0
"""What the loop may take to end once everything is recorded and closed."""

log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Worker(supervision.Process):
    """A worker process as uvicorn looks after it, whose death is noticed at once.

    uvicorn keeps the worker's end of their pipe open. It would wait ANSWER_SECONDS for the word of one that was killed
    after it had been asked, and replace no other in that time.
    """

    def start(self) -> None:
        """Start it, and leave its end of the pipe to it alone."""
        super().start()
        self.child_conn.close()


def serve(settings: Settings) -> None:
    """Serve until told to stop; returns when everything is recorded and closed."""
    if settings.workers > 1:
        supervision.Process = Worker  # type: ignore[misc]  # there is no other way to say which
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="outcry-metrics-"))
    uvicorn.run(
        "app.serving:application",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop",
        http=BoundedProtocol,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        # A proxy's word about the peer must never open the keyless door.
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_worker_healthcheck=ANSWER_SECONDS,
    )


class Application:
    """The ASGI application of one worker: built when its loop starts, closed when it stops."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: Callable[[Any, Receive, Send], Awaitable[None]] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif self._app is not None:
            await self._app(scope, receive, send)

    async def _live(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def send_all_but_the_end(message: MutableMapping[str, Any]) -> None:
            if message["type"] != "lifespan.shutdown.complete":
                await send(message)

        async with AsyncExitStack() as stack:
            draining = asyncio.Event()
            services = await build(self._settings, draining, stack)
            self._app = create_app(services)
            scope["state"][STATE] = Gate([route.path for route in DIRECT], services.metrics.request_finished)
            _announce_stop(draining)
            _stop_with_parent()
            spare_collections()
            await self._app(scope, receive, send_all_but_the_end)
        # Only now is everything recorded and closed.
        _leave_within(LEAVING_SECONDS)
        await send({"type": "lifespan.shutdown.complete"})


def application() -> Application:
    """What each worker of uvicorn runs."""
    return Application(load_settings(read_environment()))


def spare_collections() -> None:
    """Have the garbage collector leave alone what was loaded so far, and come less often.

    Modules, tables and routes are never garbage, and looking through them takes a tenth of a second each time, in which
    every request stands still. What requests leave behind is freed without it, but for the odd cycle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def _stop_with_parent() -> None:
    """Have a worker end in good order when the process that started it is gone, however that died.

    Left to itself it would go on answering at the port, unknown to anybody, and the next start could not have it.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(parent.sentinel)
        log.error("the process that started this worker is gone: it stops")
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(parent.sentinel, orphaned)


def _leave_within(seconds: float) -> None:
    """End the process even if its loop does not end: a task that waits for a locked file cannot be cancelled."""
    left = threading.Timer(seconds, _leave, [asyncio.all_tasks()])
    left.daemon = True
    left.start()


def _leave(tasks: set[asyncio.Task[Any]]) -> None:
    names = sorted(task.get_name() for task in tasks if not task.done())
    log.warning("left without the tasks that would not end", extra={"tasks": names})
    logging.shutdown()
    os._exit(0)


def _announce_stop(draining: asyncio.Event) -> None:
    """Tell open streams of a stop at once, before uvicorn waits for them.

    uvicorn raises the signals it caught once more at its end, which would make an orderly stop look like a death: its
    handler is replaced by one that only asks it to leave.
    """
    handle_exit = signal.getsignal(signal.SIGTERM)
    server = getattr(handle_exit, "__self__", None)
    if not isinstance(server, uvicorn.Server):
        return
    loop = asyncio.get_running_loop()

    def stop(number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(draining.set)
        server.force_exit = server.should_exit and number == signal.SIGINT
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
