"""Endurance: what many requests leave behind in the process."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.bench import module
from benchmarks.load import closed_loop, request
from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.process import descriptors, resident, threads
from tests.e2e.service import Service
from tests.e2e.speaking import metrics, total

STEP: Final = 5_000
WARM: Final = 4
"""Steps until windows, caches and the allocator have what they hold at most; told, and not part of the slope."""
_MB: Final = 2**20


def endurance(stage: Stage) -> Iterator[Row]:
    """Two hundred thousand requests, memory looked at after every 5,000; the full form only."""
    if not stage.is_full:
        return
    requests = 200_000
    with module("benchmarks.mock", "/v1/models") as (_, upstream):
        bench = {
            "name": "bench",
            "provider_type": "openai_compatible",
            "api_key": "sk-bench",
            "base_url": f"http://127.0.0.1:{upstream}/v1",
            "models": ["bench-1"],
        }
        with Service(stage.folder, providers=[bench]) as gateway:
            held = [_after(gateway, 1_000)]
            opened, run = descriptors(gateway.pid), threads(gateway.pid)
            held += [_after(gateway, STEP) for _ in range(requests // STEP)]
            time.sleep(2)  # what is given back within two seconds is not held
            more, ran = descriptors(gateway.pid) - opened, threads(gateway.pid) - run
            under_way = total(metrics(gateway.client), "outcry_in_flight")
    fault = f"none: {requests:,} requests"
    grown = (held[-1] - held[0]) / _MB / (requests / 10_000)
    curve = ", ".join(f"{size / _MB:.0f}" for size in held[:: len(held) // 8])
    seen = f"over all of them, from the first 1,000 on: {curve}, {held[-1] / _MB:.0f} MB"
    yield Row("§9", "memory that 10,000 requests leave behind", fault, grown, 1, "MB", seen)
    slope = slope_of(held[1 + WARM :]) / _MB * (10_000 / STEP)
    seen = f"the straight line through {len(held) - 1 - WARM} measurements after the first {WARM * STEP:,}"
    yield Row("§9", "memory that 10,000 further requests leave behind", fault, slope, 1, "MB", seen)
    yield Row("§9", "descriptors more than before", fault, more, 2, "")
    yield Row("§9", "threads more than before", fault, ran, 0, "")
    yield Row("§9", "attempts still under way", fault, under_way, 0, "", "", Rule.EXACTLY)


def slope_of(sizes: Sequence[int]) -> float:
    """How much these grow from one to the next, by least squares."""
    return statistics.linear_regression(range(len(sizes)), sizes).slope


def _after(gateway: Service, requests: int) -> int:
    """Bytes of memory after so many more."""
    payload = request("/v1/chat/completions", streamed=False, model="bench-1")
    load = asyncio.run(closed_loop(gateway.port, payload, connections=32, requests=requests))
    if load.failed:
        raise AssertionError(f"{load.failed} of {requests} answers were wrong, first: {load.complaint}")
    time.sleep(0.5)  # the last records are written
    return resident(gateway.pid)
