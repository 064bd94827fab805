"""Overload: what becomes of a gateway with one core at three times the load that it can carry. Ratios only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import uvloop

from benchmarks import cpu
from benchmarks.arrivals import Arrivals, open_loop
from benchmarks.bench import GATEWAY_CORE, LOAD_CORE, module
from benchmarks.load import closed_loop, request
from benchmarks.scoreboard.board import Row, Rule, Stage, percentile
from benchmarks.scoreboard.process import allow_many_descriptors, resident
from tests.e2e.service import Service

UPSTREAM: Final = 0.2
"""Seconds that the upstream takes; what waits for it costs the gateway no time."""
ROOM: Final = {
    "OUTCRY_TRANSPORT__MAX_CONNECTIONS": "4000",
    "OUTCRY_TRANSPORT__MAX_CONNECTIONS_PER_HOST": "4000",
}
"""So that connections to the one upstream are not what there is too little of."""
RAMP: Final = (32, 64, 96, 128, 192, 256, 384, 512, 768)
CONNECTIONS: Final = 1_000
"""What the callers of the rush share, kept open: a caller in a hurry who dials anew each time pays more than we do."""
SHORT_RAMP: Final = (64, 128, 256, 384)
SETTLED: Final = 1.0
"""Seconds until the gateway has noticed; what began before is told apart."""


@dataclass(frozen=True, slots=True)
class Knee:
    """The most that was answered well: requests a second, and with how many callers. Seconds of one caller alone."""

    rate: float
    callers: int
    unloaded: float


def overload(stage: Stage) -> Iterator[Row]:
    """The knee by callers who wait their turn, then three times that by callers who do not."""
    allow_many_descriptors()
    mine = cpu.pin(LOAD_CORE)
    with ExitStack() as stack:
        _, upstream = stack.enter_context(module("benchmarks.mock", "/v1/models", str(UPSTREAM), core=LOAD_CORE))
        bench = {
            "name": "bench",
            "provider_type": "openai_compatible",
            "api_key": "sk-bench",
            "base_url": f"http://127.0.0.1:{upstream}/v1",
            "models": ["bench-1"],
        }
        gateway = stack.enter_context(
            Service(stage.folder, providers=[bench], env=ROOM, cpu=GATEWAY_CORE if mine else None)
        )
        knee = _knee(gateway, stage.pick(RAMP, SHORT_RAMP), stage.pick(3.0, 0.6))
        seconds, payload = stage.pick(60.0, 10.0), request("/chat", streamed=False, model="bench-1")
        before = resident(gateway.pid)
        # A first, shorter rush brings the memory to what many requests at once take; then it has to stay there.
        _rush(gateway, payload, 3 * knee.rate, stage.pick(10.0, 2.0), stage)
        warm = resident(gateway.pid)
        seen = _rush(gateway, payload, 3 * knee.rate, seconds, stage)
        after = resident(gateway.pid)
    yield from _rows(knee, seen, (before, warm, after))


def _rows(knee: Knee, seen: Arrivals, memory: tuple[int, int, int]) -> Iterator[Row]:
    rate = len(seen.answered) / seen.seconds
    fault = f"three times the knee for {seen.seconds:.0f} s, over {CONNECTIONS:,} kept connections"
    refused = seen.statuses[503]
    offered = seen.offered / seen.seconds / knee.rate
    told = f"{knee.callers} callers at the knee; offered {offered:.2f} knees, refused {refused / seen.offered:.0%}"
    yield Row("§3", "goodput, as a share of the knee's", fault, rate / knee.rate, 0.9, "x", told, Rule.AT_LEAST)
    late = percentile(seen.latencies(SETTLED), 0.99)
    told = (
        f"after the first second; {percentile(seen.latencies(), 0.99) / knee.unloaded:.2f} with it; median "
        f"{percentile(seen.latencies(SETTLED), 0.5) / knee.unloaded:.2f}; the upstream takes {UPSTREAM * 1e3:.0f} ms"
    )
    yield Row("§3", "p99 of what is accepted, over the unloaded p99", fault, late / knee.unloaded, 2, "x", told)
    odd = {status: count for status, count in seen.statuses.items() if status not in (200, 503)}
    told = f"of {seen.offered}" + (f"; {odd}" if odd else "") + (f"; {seen.complaint}" if seen.complaint else "")
    # How quick a refusal is was promised nowhere; it is told.
    if seen.refused:
        told += f"; p99 of a refusal {percentile(seen.refused, 0.99) / knee.unloaded:.2f} unloaded ones"
    lost = seen.unanswered + sum(odd.values())
    yield Row("§3", "requests neither answered nor refused with gateway_overloaded", fault, lost, 0, "", told)
    before, warm, after = (size / (1024 * 1024) for size in memory)
    told = f"after a first rush that took it from {before:.0f} to {warm:.0f} MB"
    yield Row("§3", "memory that the overload adds", fault, after - warm, 10, "MB", told)


def _knee(gateway: Service, ramp: Sequence[int], seconds: float) -> Knee:
    """More and more callers until more of them get no more answers, or get them too late."""
    payload = request("/chat", streamed=False, model="bench-1")

    def run(callers: int, requests: int) -> tuple[float, float, int]:
        load = uvloop.run(closed_loop(gateway.port, payload, connections=callers, requests=requests))
        return load.answered / load.seconds, percentile(load.latencies, 0.99), load.failed

    run(32, 200)
    _, unloaded, _ = run(1, max(int(seconds / UPSTREAM * 3), 20))
    best = Knee(0.0, 0, unloaded)
    for callers in ramp:
        rate, late, failed = run(callers, int(callers * seconds / UPSTREAM))
        if failed or late > 2 * unloaded:
            break
        if rate > best.rate:
            best = Knee(rate, callers, unloaded)
    if not best.rate:
        raise AssertionError("even the fewest callers were served too late: the machine is busy with something else")
    return best


def _rush(gateway: Service, payload: bytes, rate: float, seconds: float, stage: Stage) -> Arrivals:
    seed = stage.rng.randrange(2**31)
    return open_loop(gateway.port, payload, rate=rate, seconds=seconds, seed=seed, connections=CONNECTIONS)
