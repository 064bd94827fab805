"""What stands by a request is gone with it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import anyio
import anyio.lowlevel

from app.api.drain import Drain
from app.api.exchange import Exchange
from app.api.watch import Watch
from app.services import Services


class Scope(dict[str, Any]):
    """One that tells when it is gone."""


async def never() -> Any:
    await anyio.sleep_forever()


async def dropped(_: Any) -> None:
    """Nobody reads it."""


async def test_a_request_that_is_over_is_gone_without_the_garbage_collector(services: Services) -> None:
    async def work() -> str:
        await anyio.lowlevel.checkpoint()
        return "done"

    async def request(scope: Scope) -> str:
        exchange = Exchange(scope, never, dropped, services, Drain(services.draining, 1.0))
        return await Watch(exchange).run(work())

    scope = Scope(type="http", path="/chat", headers=[])
    left = weakref.ref(scope)
    gc.disable()
    try:
        assert await request(scope) == "done"
        del scope
        # The one who stood by hears that it is over.
        await anyio.wait_all_tasks_blocked()
        assert left() is None
    finally:
        gc.enable()
