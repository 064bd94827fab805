"""Kill -9 at any moment: what callers were told by then is on record, once, and the service comes back."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from app.ledger.writer import LedgerRules
from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.process import family
from benchmarks.scoreboard.witnesses import Recorded, Told, Witnesses, unfound
from tests.behaviours import Stream
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, provider
from tests.postgres import postgres_server
from tests.upstream import Upstream

RULES: Final = LedgerRules()
WRITE: Final = 0.5
"""Seconds that a write under way may take on a machine that callers and upstream share."""
LATE: Final = 0.5
"""Seconds after a kill in which a caller may still read what was sent before it."""
PATIENCE: Final = 120.0


@dataclass
class Kill:
    """One kill: when, how many answers had been read, and which decisions told since the last were not found after."""

    at: float
    told: int
    unfound: list[Told] = field(default_factory=list)


def kills(stage: Stage) -> Iterator[Row]:
    """Chats, streams and decisions from eight callers; now and then everything, or one worker, is killed."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        slow = Stream(words=("one ", "two ", "three "), gap=0.005)
        upstream = stack.enter_context(Upstream(slow))
        settings = {
            "SQLite, one worker": (None, 1, stage.pick((13, 2_500), (1, 150))),
            "SQLite, two workers": (None, 2, stage.pick((12, 2_500), (0, 0))),
            "PostgreSQL, one worker": (postgres.create(), 1, stage.pick((12, 2_500), (0, 0))),
            "PostgreSQL, two workers": (postgres.create(), 2, stage.pick((13, 2_500), (1, 150))),
        }
        for name, (url, workers, (count, calls)) in settings.items():
            if not count:
                continue
            providers = [provider("alpha", upstream), {"name": "paper", "provider_type": "sandbox"}]
            env = {**PATIENT, "OUTCRY_WORKERS": str(workers)}
            gateway = Service(stage.folder / name, providers=providers, env=env, database_url=url)
            yield from _rows(name, *_killed(gateway, count, calls, workers, stage.rng))


def _killed(
    gateway: Service, count: int, calls: int, workers: int, rng: random.Random
) -> tuple[Witnesses, list[Kill], Recorded, str]:
    """What callers were told, how it was broken into, what is on record, and the first thing wrong with that."""
    moments = sorted(rng.sample(range(calls // 20, calls), count))
    done: list[Kill] = []
    with gateway:
        with Witnesses(gateway, calls, rng) as witnesses:
            for moment in moments:
                if not witnesses.until(moment, PATIENCE):
                    raise AssertionError(f"{len(witnesses.told)} answers, then none for {PATIENCE:.0f} s")
                time.sleep(rng.uniform(0, 0.3))  # at any moment between two writes
                done.append(_kill(gateway, witnesses, only_a_worker=workers > 1 and rng.random() < 0.5, rng=rng))
                since = done[-2].told if len(done) > 1 else 0
                done[-1].unfound = unfound(gateway, witnesses.told[since : done[-1].told], 5.0)
            if not witnesses.until(calls, PATIENCE):
                raise AssertionError(f"only {len(witnesses.told)} of {calls} calls were answered")
        time.sleep(2 * RULES.interval + WRITE)
        recorded = Recorded.of(gateway)
        verified = gateway.client.get("/audit/verify", timeout=PATIENCE).json()
    return witnesses, done, recorded, "" if verified["ok"] else str(verified["first_bad"])


def _kill(gateway: Service, witnesses: Witnesses, *, only_a_worker: bool, rng: random.Random) -> Kill:
    """Kill everything at once and start it again, or one worker, which is somebody else's to replace.

    Where every worker is just being replaced there is none to kill, and everything is.
    """
    children = family(gateway.pid)
    kill = Kill(time.monotonic(), len(witnesses.told))
    if only_a_worker and children:
        os.kill(rng.choice(children), signal.SIGKILL)
        return kill
    gateway.kill(*children)
    kill.told = len(witnesses.told)
    gateway.start()
    return kill


def age(one: Told, kills: Sequence[float]) -> float:
    """How long before the kill that cost it an answer was read, in seconds; 0 when it was read a little later."""
    if any(at <= one.at <= at + LATE for at in kills):
        return 0.0
    return min((at - one.at for at in kills if at >= one.at), default=float("inf"))


def _rows(name: str, witnesses: Witnesses, done: Sequence[Kill], recorded: Recorded, wrong: str) -> Iterator[Row]:
    told, moments = witnesses.told, [kill.at for kill in done]
    missing = recorded.missing(told)
    gone = {one.id for one in missing if one.call == "decision"}
    late = {one.id for kill in done for one in kill.unfound} - gone
    ages = [age(one, moments) for one in missing if one.call != "decision"]
    fault = f"kill -9, {len(done)} times in {len(told):,} calls; {name}"
    refused = f"; refused {dict(witnesses.refused)}" if witnesses.refused else ""
    decided = sum(one.call == "decision" for one in told)
    seen = f"of {decided}; {witnesses.broken} calls broken off{refused}"
    yield Row("§5", "decisions that a caller saw and that are not stored", fault, len(gone), 0, "", seen, Rule.EXACTLY)
    promise = "decisions that are stored, and were not found for 5 s after a kill"
    yield Row("§5", promise, fault, len(late), 0, "", f"of {decided}", Rule.EXACTLY)
    seen = f"{len(recorded.attempts):,} attempts and {len(recorded.decisions):,} decisions on record"
    yield Row("§5", "stored twice", fault, recorded.twice, 0, "", seen, Rule.EXACTLY)
    seen = f"{len(ages)} missing; {RULES.interval} s between writes and one under way"
    promise = "a chat that is missing was answered before its kill, the oldest"
    yield Row("§5", promise, fault, max(ages, default=0.0), RULES.interval + WRITE, "s", seen)
    yield Row("§5", "faults that a check of the record finds", fault, int(bool(wrong)), 0, "", wrong, Rule.EXACTLY)
