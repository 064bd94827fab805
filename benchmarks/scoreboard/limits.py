"""Limits: that N means N under a crowd, that low priority leaves room, and how long anybody waits."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.callers import Reply, chat, crowd
from benchmarks.scoreboard.faults import HEALTHY
from tests.behaviours import Answer
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, provider
from tests.upstream import Upstream


def limits(stage: Stage) -> Iterator[Row]:
    """Ten times the limit at once, for each algorithm; then low priority before the others."""
    n = stage.pick(60, 20)
    with Upstream(Answer(HEALTHY)) as upstream:
        for strategy in ("sliding_window", "fixed_window", "token_bucket"):
            limited = provider("one", upstream, rate_limit={"requests_per_minute": n, "strategy": strategy})
            with Service(stage.folder / strategy, providers=[limited], env=PATIENT) as gateway:
                upstream.forget()
                began = time.monotonic()
                replies = crowd(partial(_once, gateway), 10 * n, at_once=32)
                seconds = time.monotonic() - began
            admitted = sum(reply.is_good(HEALTHY) for reply in replies)
            odd = {reply.code for reply in replies if reply.status != 200} - {"policy_rate_limit"}
            seen = f"in {seconds:.1f} s; {upstream.calls} calls upstream" + (f"; other errors: {odd}" if odd else "")
            allowed = n
            if strategy == "token_bucket":
                # It refills while it is asked: N/60 a second, and whoever waits 250 ms for the next one may have it.
                refilled = math.floor((seconds + 0.25) * n / 60)
                seen += f"; {refilled} more may have come in meanwhile"
                allowed = min(max(admitted, n), n + refilled)
            promise = f"admitted of {10 * n} by a limit of {n} a minute, {strategy}"
            yield Row("§3", promise, "a burst of ten times the limit", admitted, allowed, "", seen, Rule.EXACTLY)
        yield from _fifth(stage, upstream)
    yield from _queue(stage)


def _fifth(stage: Stage, upstream: Upstream) -> Iterator[Row]:
    limited = provider("one", upstream, rate_limit={"requests_per_minute": 50})
    with Service(stage.folder / "priority", providers=[limited], env=PATIENT) as gateway:
        low = crowd(lambda _: chat(gateway, priority="low", max_retries=0), 80, at_once=16)
        high = crowd(partial(_once, gateway), 40, at_once=16)
    for who, replies, bound in (("low priority", low, 40), ("the others after it", high, 10)):
        admitted = sum(reply.is_good(HEALTHY) for reply in replies)
        promise = f"admitted by a limit of 50 a minute, {who}"
        yield Row("§3", promise, "low priority comes first", admitted, bound, "", f"of {len(replies)}", Rule.EXACTLY)


def _queue(stage: Stage) -> Iterator[Row]:
    """Everybody but one waits for a provider that takes one at a time."""
    rounds = stage.pick(10, 2)
    waits, missed = list[float](), 0
    with Upstream(Answer(HEALTHY, delay=1.0)) as slow:
        one_at_a_time = provider("one", slow, max_concurrent=1)
        with Service(stage.folder / "queue", providers=[one_at_a_time], env=PATIENT) as gateway:
            crowd(partial(_once, gateway), 8)  # the first ones wait for connections too
            for _ in range(rounds):
                replies = crowd(partial(_once, gateway), 8)
                waits += [reply.seconds for reply in replies if reply.status == 429]
                missed += sum(reply.status not in (200, 429) for reply in replies)
    if not waits or missed:
        raise AssertionError(f"{len(waits)} were refused for want of room, {missed} otherwise")
    worst = max(waits) * 1e3
    seen = f"n = {len(waits)}, the round trip of 20 ms at most is in it"
    yield Row("§3", "a wait for room ends after 250 ms, the longest", "max_concurrent: 1", worst, 270, "ms", seen)


def _once(gateway: Service, _: int) -> Reply:
    return chat(gateway, max_retries=0)
