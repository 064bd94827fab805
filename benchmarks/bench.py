"""CPU of the gateway per proxied request and per streamed chunk, beside the least that uvicorn could do.

    python -m benchmarks.bench [--short]

The gateway and the floor run on one core, the mock provider and the load on another; figures are medians of several
repetitions, taken in turns so that a slow minute of the machine falls on all of them. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks import cpu
from benchmarks.load import Load, closed_loop, request
from tests.e2e.service import ROOT, Service, free_port

LOAD_CORE, GATEWAY_CORE = 0, 1
CONNECTIONS, STREAMS = 32, 20


@dataclass
class Subject:
    """One thing to measure: which process, which request."""

    name: str
    pid: int
    port: int
    payload: bytes
    streamed: bool
    per_unit: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def measure(self, requests: int) -> None:
        """One repetition; ends the program when an answer was not what it should be."""
        before = cpu.used(self.pid)
        load = self.run(requests)
        spent = cpu.used(self.pid) - before
        units = load.chunks if self.streamed else load.answered
        self.per_unit.append(spent / units * 1e6)
        self.rates.append(load.answered / load.seconds)
        self.latencies.append(statistics.median(load.latencies) * 1e3)
        self.first.append(statistics.median(load.first) * 1e3)

    def run(self, requests: int) -> Load:
        """So many requests, all of them answered well."""
        connections = STREAMS if self.streamed else CONNECTIONS
        load = asyncio.run(closed_loop(self.port, self.payload, connections=connections, requests=requests))
        if load.failed:
            sys.exit(f"{self.name}: {load.failed} of {requests} answers were wrong, first: {load.complaint}")
        return load


@contextmanager
def module(name: str, path: str, *arguments: str, core: int | None = None) -> Iterator[tuple[int, int]]:
    """`python -m name PORT ...`, on a core where one is named, once it answers; gives its pid and port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", name, str(port), *arguments], cwd=ROOT)
    try:
        if core is not None:
            cpu.pin(core, process.pid)
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5, trust_env=False)
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        else:
            sys.exit(f"{name} does not answer")
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)


def measured(*, requests: int, streams: int, repetitions: int) -> list[Subject]:
    """Every subject, measured."""
    pinned = cpu.pin(LOAD_CORE)
    with ExitStack() as stack:
        _, upstream = stack.enter_context(module("benchmarks.mock", "/v1/models", core=LOAD_CORE))
        floor, floor_port = stack.enter_context(module("benchmarks.floor", "/", core=GATEWAY_CORE))
        bench = {
            "name": "bench",
            "provider_type": "openai_compatible",
            "api_key": "sk-bench",
            "base_url": f"http://127.0.0.1:{upstream}/v1",
            "models": ["bench-1"],
        }
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateway = stack.enter_context(Service(folder, providers=[bench], cpu=GATEWAY_CORE if pinned else None))
        wire, native = "/v1/chat/completions", "/chat"
        subjects = [
            Subject("floor, plain", floor, floor_port, request("/", streamed=False, model="bench-1"), streamed=False),
            Subject("floor, stream", floor, floor_port, request("/", streamed=True, model="bench-1"), streamed=True),
            *(
                Subject(
                    f"{path}, {'stream' if streamed else 'plain'}",
                    gateway.pid,
                    gateway.port,
                    request(path, streamed=streamed, model="bench-1"),
                    streamed=streamed,
                )
                for path in (wire, native)
                for streamed in (False, True)
            ),
        ]
        for subject in subjects:
            subject.run(STREAMS if subject.streamed else requests // 4)
        for _ in range(repetitions):
            for subject in subjects:
                subject.measure(streams if subject.streamed else requests)
    return subjects


def report(subjects: list[Subject], console: Console) -> dict[str, dict[str, float]]:
    """Print a table; give back the same figures."""
    table = Table(title="CPU of the gateway's process, medians", caption="chunks are 5 ms apart, 20 streams at once")
    for heading in ("what", "us CPU", "per", "x floor", "spread", "requests/s", "p50 ms", "first byte ms"):
        table.add_column(heading, justify="left" if heading in {"what", "per"} else "right")
    figures: dict[str, dict[str, float]] = {}
    for subject in subjects:
        base = next(s for s in subjects if s.name.startswith("floor") and s.streamed == subject.streamed)
        cost = statistics.median(subject.per_unit)
        figures[subject.name] = {
            "us": round(cost, 1),
            "ratio": round(cost / statistics.median(base.per_unit), 2),
            "spread": round((max(subject.per_unit) - min(subject.per_unit)) / cost, 2),
            "rps": round(statistics.median(subject.rates), 1),
            "p50_ms": round(statistics.median(subject.latencies), 2),
            "first_ms": round(statistics.median(subject.first), 2),
        }
        row = figures[subject.name]
        table.add_row(
            subject.name,
            f"{row['us']:.1f}",
            "chunk" if subject.streamed else "request",
            f"{row['ratio']:.2f}",
            f"{row['spread']:.0%}",
            f"{row['rps']:.0f}",
            f"{row['p50_ms']:.2f}",
            f"{row['first_ms']:.2f}",
        )
    console.print(table)
    return figures


def main() -> None:
    """Measure, print a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer requests: to see that it runs, not to compare")
    short = parser.parse_args().short
    subjects = (
        measured(requests=400, streams=20, repetitions=1)
        if short
        else measured(requests=4000, streams=100, repetitions=5)
    )
    figures = report(subjects, Console())
    print(json.dumps({"bench": "proxy", "figures": figures}))


if __name__ == "__main__":
    main()
