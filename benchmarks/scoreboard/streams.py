"""Streams: what a thousand idle ones hold, and what a reader holds who does not read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from benchmarks.scoreboard.board import Row, Stage
from benchmarks.scoreboard.callers import dial, posted
from benchmarks.scoreboard.process import allow_many_descriptors, resident
from benchmarks.scoreboard.raw import Pushing, RawUpstream, idle
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, within

MANY: Final = {
    **PATIENT,
    "OUTCRY_TRANSPORT__MAX_CONNECTIONS": "4000",
    "OUTCRY_TRANSPORT__MAX_CONNECTIONS_PER_HOST": "4000",
}
MB: Final = 1024 * 1024


def streams(stage: Stage) -> Iterator[Row]:
    """Memory of the gateway before and while many streams are open."""
    allow_many_descriptors()
    yield from _idle(stage, stage.pick(1_000, 100))
    yield from _slow(stage, stage.pick(100, 24))


def _idle(stage: Stage, many: int) -> Iterator[Row]:
    with RawUpstream(idle) as upstream, _gateway(stage, "idle", upstream) as gateway, ExitStack() as stack:
        warm = [_opened(gateway) for _ in range(20)]
        for caller in warm:
            caller.close()
        before = resident(gateway.pid)
        for _ in range(many):
            stack.callback(_opened(gateway).close)
        if not within(5, lambda: upstream.open >= many):
            raise AssertionError(f"only {upstream.open} of {many} streams are open")
        grown = (resident(gateway.pid) - before) / MB
    per = grown * 1024 / many
    promise = f"memory that {many:,} idle streams add"
    yield Row("§3", promise, "upstreams that fall silent", grown, 60 * many / 1_000, "MB", f"{per:.1f} KiB a stream")


def _slow(stage: Stage, many: int) -> Iterator[Row]:
    pushing = Pushing()
    with RawUpstream(pushing) as upstream, _gateway(stage, "slow", upstream) as gateway, ExitStack() as stack:
        # Those who come first make the process as large as passing such a flood on needs; they stay.
        for _ in range(8):
            stack.callback(_opened(gateway, receive_buffer=4_096).close)
        earlier = _still(pushing)
        before = resident(gateway.pid)
        for _ in range(many):
            stack.callback(_opened(gateway, receive_buffer=4_096).close)
        pushed = _still(pushing)
        grown = (resident(gateway.pid) - before) / many / 1024
        time.sleep(1)
        more = pushing.bytes - pushed
    share = (pushed - earlier) / many / 1024
    seen = f"{many} readers; {share:,.0f} KiB each had left the upstream, kernel buffers of both connections included"
    yield Row(
        "§3", "memory that a reader holds who does not read", "a flood to readers who stop", grown, 256, "KiB", seen
    )
    promise = "bytes an upstream can push on once its reader stands still"
    yield Row("§3", promise, "a flood to readers who stop", more, 0, "", "in a second")


def _gateway(stage: Stage, name: str, upstream: RawUpstream) -> Service:
    one = {
        "name": "one",
        "provider_type": "openai_compatible",
        "api_key": "sk-one-0123456789abcdef",
        "base_url": upstream.url,
        "models": ["m"],
        "timeouts": {"idle": 100, "total": 110},
    }
    return Service(stage.folder / name, providers=[one], env=MANY)


def _opened(gateway: Service, receive_buffer: int | None = None) -> socket.socket:
    """A stream whose first bytes have come, and are left where they are."""
    request = posted("/v1/chat/completions", {"model": "m", "messages": HELLO, "stream": True})
    caller = dial(
        gateway,
        request.replace(b"\r\n\r\n", b"\r\nx-outcry-deadline-ms: 110000\r\n\r\n", 1),
        receive_buffer=receive_buffer,
    )
    if not caller.recv(1, socket.MSG_PEEK):
        raise AssertionError("the stream was not opened")
    return caller


def _still(pushing: Pushing) -> int:
    """Bytes pushed once no more can be."""
    before, since = -1, time.monotonic()
    while pushing.bytes != before:
        if time.monotonic() - since > 30:
            raise AssertionError("the upstream was never slowed")
        before = pushing.bytes
        time.sleep(0.5)
    return before
