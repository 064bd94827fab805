"""A short wait at a limit, in line with whoever else waits there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import anyio

from app.domain.routing import Priority
from app.resilience.limits import Limits, Permit
from app.resilience.line import Place


async def permit_within(
    seconds: float,
    limits: Limits,
    *,
    tokens: int,
    priority: Priority,
    now: Callable[[], float],
    wall: Callable[[], datetime],
) -> Permit | None:
    """A permit as soon as there is room and nobody goes first; None as soon as none can be had in time.

    Whoever gets one holds it: it is for an attempt to settle, or to be refunded.
    """
    until = now() + seconds
    woken = asyncio.Event()
    place: Place | None = None
    try:
        while True:
            moment = now()
            answer = limits.reserve(moment, wall(), tokens=tokens, priority=priority, place=place)
            if isinstance(answer, Permit):
                return answer
            left = until - moment
            if left <= 0 or (answer.retry_after > left and not answer.may_end_early):
                return None
            if place is None:
                place = Place(priority, answer.limit, woken.set)
                limits.line.join(place)
            place.limit = answer.limit
            woken.clear()
            with anyio.move_on_after(min(left, answer.retry_after)):
                await woken.wait()
    finally:
        if place is not None:
            limits.line.leave(place)
