"""Endurance: what many requests leave behind in the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from benchmarks.bench import module
from benchmarks.load import closed_loop, request
from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.process import descriptors, resident, threads
from tests.e2e.service import Service
from tests.e2e.speaking import metrics, total

WARM = 5_000


def endurance(stage: Stage) -> Iterator[Row]:
    """Twenty thousand requests; the full form only."""
    if not stage.is_full:
        return
    requests = 20_000
    with module("benchmarks.mock", "/v1/models") as (_, upstream):
        bench = {
            "name": "bench",
            "provider_type": "openai_compatible",
            "api_key": "sk-bench",
            "base_url": f"http://127.0.0.1:{upstream}/v1",
            "models": ["bench-1"],
        }
        with Service(stage.folder, providers=[bench]) as gateway:
            _ask(gateway, WARM)
            before, opened, run = resident(gateway.pid), descriptors(gateway.pid), threads(gateway.pid)
            _ask(gateway, requests)
            time.sleep(2)  # what is given back within two seconds is not held
            grown = (resident(gateway.pid) - before) / (1024 * 1024) / (requests / 10_000)
            more, ran = descriptors(gateway.pid) - opened, threads(gateway.pid) - run
            under_way = total(metrics(gateway.client), "outcry_in_flight")
    seen = f"after the first {WARM:,}, over {requests:,}"
    yield Row("§9", "memory that 10,000 requests leave behind", "none: plain use", grown, 1, "MB", seen)
    yield Row("§9", "descriptors more than before", "none: plain use", more, 2, "", seen)
    yield Row("§9", "threads more than before", "none: plain use", ran, 0, "", seen)
    yield Row("§9", "attempts still under way", "none: plain use", under_way, 0, "", seen, Rule.EXACTLY)


def _ask(gateway: Service, requests: int) -> None:
    payload = request("/v1/chat/completions", streamed=False, model="bench-1")
    load = asyncio.run(closed_loop(gateway.port, payload, connections=32, requests=requests))
    if load.failed:
        raise AssertionError(f"{load.failed} of {requests} answers were wrong, first: {load.complaint}")
