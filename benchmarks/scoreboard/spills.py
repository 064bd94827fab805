"""The database away and the disk no help either: what cannot be kept is said and counted, and chats go on."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

from benchmarks.bench import module
from benchmarks.scoreboard.away import Crashed, away
from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.outage import decisions_for, load, on_record, sources
from benchmarks.scoreboard.witnesses import MEMBERS, Told, unfound
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, metrics, total
from tests.postgres import private_cluster

ROOM: Final = 30_000
"""Bytes that each spill gets; a decision takes several thousand, a chat some hundred."""
SMALL: Final = {**PATIENT, "OUTCRY_LEDGER__QUEUE": "100"}
NOWHERE: Final = "/proc/outcry/spill.jsonl"
"""Where nobody may make a file, not even root."""
SAID: Final = ("the disk takes no usage records", "usage records are lost", "a decision could not be stored")
CASES: Final[Mapping[str, Mapping[str, str]]] = {
    "spill at its cap": {"OUTCRY_LEDGER__SPILL_MAX_BYTES": str(ROOM)},
    "disk full": {},
    "spill directory that cannot be written": {
        "OUTCRY_LEDGER__SPILL_PATH": NOWHERE,
        "OUTCRY_LEDGER__DECISION_SPILL_PATH": NOWHERE,
    },
}


def spills(stage: Stage) -> Iterator[Row]:
    """PostgreSQL crashed under 100 chats a second, memory for 100 records, and three ways of having no disk."""
    with ExitStack() as stack:
        _, upstream = stack.enter_context(module("benchmarks.mock", "/v1/models"))
        cluster = stack.enter_context(private_cluster())
        store = Crashed(cluster)
        for name, env in CASES.items():
            folder = stage.folder / name.replace(" ", "-")
            url = store.fresh(name.replace(" ", "_"))
            with Service(folder, providers=sources(upstream), env={**SMALL, **env}, database_url=url) as gateway:
                if name == "disk full":
                    resource.prlimit(gateway.pid, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
                yield from _rows(gateway, name, store, stage)


def _rows(gateway: Service, name: str, store: Crashed, stage: Stage) -> Iterator[Row]:
    seconds = stage.pick(20.0, 4.0)
    told: list[Told] = []
    refused: Counter[str] = Counter()

    def meanwhile() -> None:
        time.sleep(1.0)
        with away(store):
            time.sleep(seconds)

    with ThreadPoolExecutor(2) as beside:
        others = [beside.submit(meanwhile), beside.submit(decisions_for, gateway, seconds + 2.0, told, refused)]
        seen = load(gateway, seconds + 2.0, stage.rng.randrange(2**31))
        for other in others:
            other.result()
    good = seen.statuses[200]
    lost = int(total(metrics(gateway.client), "outcry_usage_lost_total"))
    # Every decision asked its members, whether it was kept or refused.
    attempts = good + len(MEMBERS) * (len(told) + refused.total())
    rows, _ = on_record(gateway, attempts - lost, "bench", "paper")
    missing = unfound(gateway, told, 30.0)
    fault = f"{name}, PostgreSQL crashed for {seconds:.0f} s"
    yield Row("§5", "chats that failed", fault, seen.offered - good, 0, "", f"of {seen.offered:,}", Rule.EXACTLY)
    promise = "attempts made, less those on record and those counted as lost"
    yield Row("§5", promise, fault, attempts - rows - lost, 0, "", f"{rows:,} on record, {lost:,} lost", Rule.EXACTLY)
    said = f"of {len(told)} decided"
    yield Row(
        "§5", "decisions that a caller saw and that are not found", fault, len(missing), 0, "", said, Rule.EXACTLY
    )
    clear = refused.pop("503 gateway_storage_unavailable", 0)
    promise = "decisions refused with 503 gateway_storage_unavailable"
    yield Row("§5", promise, fault, clear, 1, "", f"and {dict(refused)}" if refused else "", Rule.AT_LEAST)
    unsaid = [line for line in SAID if line not in gateway.log]
    yield Row("§5", "of three log lines, not said", fault, len(unsaid), 0, "", "; ".join(unsaid), Rule.EXACTLY)
