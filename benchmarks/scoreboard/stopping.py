"""SIGTERM under load: whoever was answered is on record, and the process ends with 0."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.scoreboard.away import Locked
from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.witnesses import Call, Recorded, Told, Witnesses, unfound
from tests.behaviours import Stream
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, provider
from tests.postgres import postgres_server
from tests.upstream import Upstream


def stopping(stage: Stage) -> Iterator[Row]:
    """Eight callers with chats, streams and decisions; the process is asked to end, and started again."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        upstream = stack.enter_context(Upstream(Stream(words=("one ", "two ", "three "), gap=0.02)))
        settings = {
            "SQLite, one worker": (None, "1", False),
            "PostgreSQL, two workers": (postgres.create(), "2", False),
            "SQLite locked meanwhile": (None, "1", True),
        }
        for name in stage.pick(tuple(settings), ("PostgreSQL, two workers",)):
            url, workers, is_locked = settings[name]
            providers = [provider("alpha", upstream), {"name": "paper", "provider_type": "sandbox"}]
            folder = stage.folder / name
            env = {**PATIENT, "OUTCRY_WORKERS": workers}
            gateway = Service(folder, providers=providers, env=env, database_url=url)
            store = Locked(folder / "outcry.db") if is_locked else None
            yield from _rows(gateway, name, store, stage)


def _rows(gateway: Service, name: str, store: Locked | None, stage: Stage) -> Iterator[Row]:
    told: list[Told] = []
    codes: list[int] = []
    rounds = stage.pick(5, 1)
    with gateway:
        for _ in range(rounds):
            with Witnesses(gateway, 10**9, stage.rng) as witnesses:
                witnesses.until(20, 60)
                if store is not None:
                    store.leave()
                time.sleep(stage.rng.uniform(0.2, 1.2))
                gateway.terminate()
                codes.append(gateway.exit_code())
            if store is not None:
                store.come_back()
            told += witnesses.told
            gateway.start()
        lost = {one.id for one in unfound(gateway, told, 10.0)}
        end = time.monotonic() + 20
        while (missing := (recorded := Recorded.of(gateway)).missing(told)) and time.monotonic() < end:
            time.sleep(0.5)
    fault = f"SIGTERM, {rounds} times under load; {name}"
    odd = [code for code in codes if code != 0]
    yield Row("§9", "exit codes other than 0", fault, len(odd), 0, "", str(odd) if odd else "", Rule.EXACTLY)
    chats = [one for one in missing if one.call is not Call.DECISION]
    seen = f"of {len(told):,} answers"
    yield Row("§9", "chats answered and not on record", fault, len(chats), 0, "", seen, Rule.EXACTLY)
    lost |= {one.id for one in missing if one.call is Call.DECISION}
    yield Row("§9", "decisions answered and not on record", fault, len(lost), 0, "", seen, Rule.EXACTLY)
    yield Row("§9", "stored twice", fault, recorded.twice, 0, "", "", Rule.EXACTLY)
