"""The database stopped under load: no chat fails, everything is on record afterwards, once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx

from app.ledger.writer import LedgerRules
from benchmarks.arrivals import Arrivals, open_loop
from benchmarks.bench import module
from benchmarks.load import request
from benchmarks.scoreboard.away import Crashed, Held, Locked, Store, away, decided
from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.witnesses import MEMBERS, Call, Recorded, Told, listed, unfound
from tests.e2e.markets import market
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT
from tests.postgres import private_cluster

RATE: Final = 100.0
BEFORE: Final = 2.0
"""Seconds of load before the database goes."""
AFTER: Final = 3.0
"""Seconds of load after it is back."""
SETTLING: Final = 60.0
"""Seconds in which everything has to be on record once it is."""


def outage(stage: Stage) -> Iterator[Row]:
    """A minute without a database, of PostgreSQL and of SQLite, under 100 chats a second and a few decisions."""
    with ExitStack() as stack:
        _, upstream = stack.enter_context(module("benchmarks.mock", "/v1/models"))
        cluster = stack.enter_context(private_cluster())
        for name in stage.pick(("PostgreSQL", "SQLite"), ("PostgreSQL",)):
            folder = stage.folder / name
            store: Store = Crashed(cluster) if name == "PostgreSQL" else Locked(folder / "outcry.db")
            gateway = stack.enter_context(
                Service(folder, providers=sources(upstream), env=PATIENT, database_url=store.url)
            )
            yield from _rows(gateway, folder, store, stage)
            gateway.stop()


def sources(upstream: int) -> list[dict[str, object]]:
    """The provider of the load, and the sandbox, which decides."""
    bench: dict[str, object] = {
        "name": "bench",
        "provider_type": "openai_compatible",
        "api_key": "sk-bench",
        "base_url": f"http://127.0.0.1:{upstream}/v1",
        "models": ["bench-1"],
    }
    return [bench, {"name": "paper", "provider_type": "sandbox"}]


def _rows(gateway: Service, folder: Path, store: Store, stage: Stage) -> Iterator[Row]:
    seconds = stage.pick(60.0, 5.0)
    before, held = Held(), Held()
    before.look(gateway, folder)
    told: list[Told] = []
    refused: Counter[str] = Counter()

    def meanwhile() -> None:
        time.sleep(BEFORE)
        with away(store):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.2)
                held.look(gateway, folder)

    whole = BEFORE + seconds + AFTER
    with ThreadPoolExecutor(2) as beside:
        others = [beside.submit(meanwhile), beside.submit(decisions_for, gateway, whole, told, refused)]
        seen = load(gateway, whole, stage.rng.randrange(2**31))
        for other in others:
            other.result()
    good = seen.statuses[200]
    rows, late = on_record(gateway, good, "bench")
    lost = {one.id for one in unfound(gateway, told, SETTLING)}
    summed = _summed(gateway)
    recorded = Recorded.of(gateway)
    lost |= {one.id for one in recorded.missing(told)}
    fault = f"{store.name} for {seconds:.0f} s, {RATE:.0f} chats a second"
    failed = seen.offered - good
    yield Row("§5", "chats that failed", fault, failed, 0, "", f"of {seen.offered:,} {seen.complaint}", Rule.EXACTLY)
    told_of = f"{rows:,} rows, the last {late:.1f} s after the load"
    yield Row("§5", "rows more or fewer than chats answered", fault, abs(rows - good), 0, "", told_of, Rule.EXACTLY)
    yield Row("§5", "rows that the summary counts more or fewer", fault, abs(summed - rows), 0, "", "", Rule.EXACTLY)
    yield Row("§5", "stored twice", fault, recorded.twice, 0, "", "", Rule.EXACTLY)
    said = f"of {len(told)} decided" + (f", {dict(refused)} refused" if refused else "")
    yield Row("§5", "decisions that a caller saw and that are not found", fault, len(lost), 0, "", said, Rule.EXACTLY)
    odd = sum(count for code, count in refused.items() if code != "503 gateway_storage_unavailable")
    yield Row("§5", "decisions refused with anything but 503 gateway_storage_unavailable", fault, odd, 0)
    most = (held.memory - before.memory) / 2**20
    yield Row("§5", "memory that the outage and its load add", fault, most, 60, "MB")
    yield Row("§5", "the spill at its largest", fault, held.spill / 2**20, LedgerRules().spill_max_bytes / 2**20, "MB")


def load(gateway: Service, seconds: float, seed: int) -> Arrivals:
    """A hundred chats a second, whoever answers them."""
    payload = request("/v1/chat/completions", streamed=False, model="bench-1")
    return open_loop(gateway.port, payload, rate=RATE, seconds=seconds, seed=seed, connections=50)


def decisions_for(gateway: Service, seconds: float, told: list[Told], refused: Counter[str]) -> None:
    """One decision after the other, for so long; each has two seconds."""
    body = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS, "deadline_ms": 2_000}
    end = time.monotonic() + seconds
    with httpx.Client(base_url=gateway.base_url, timeout=30, trust_env=False) as client:
        while time.monotonic() < end:
            status, said = decided(client, body)
            if status == 200:
                told.append(Told(Call.DECISION, said, time.monotonic()))
            else:
                refused[f"{status} {said}"] += 1
            time.sleep(0.1)


def on_record(gateway: Service, wanted: int, *providers: str) -> tuple[int, float]:
    """How many attempts at these are on record once all are or time is up, and after how many seconds."""
    began = time.monotonic()
    while True:
        rows = sum(item["provider"] in providers for item in listed(gateway, "/usage"))
        late = time.monotonic() - began
        if rows >= wanted or late > SETTLING:
            return rows, late
        time.sleep(0.5)


def _summed(gateway: Service) -> int:
    """How many chats the summary tells of."""
    rows = gateway.client.get("/usage/summary", params={"by": "hour", "group": "provider"}).json()["rows"]
    return sum(row["requests"] for row in rows if row["provider"] == "bench")
