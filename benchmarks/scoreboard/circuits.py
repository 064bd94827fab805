"""The breaker: when it opens, what an open circuit costs, who tries it, and how soon an outage is over for callers."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from benchmarks.scoreboard.board import Row, Rule, Stage, percentile, spread
from benchmarks.scoreboard.callers import Reply, chat, together
from benchmarks.scoreboard.faults import HEALTHY
from tests.behaviours import Answer, Refuse, Status
from tests.e2e.service import Service
from tests.e2e.speaking import provider
from tests.upstream import Upstream

OPEN: Final = "provider_circuit_open"
TENTH: Final = {
    "OUTCRY_BREAKER__OPEN_SECONDS": "3",
    "OUTCRY_BREAKER__MAX_OPEN_SECONDS": "30",
    "OUTCRY_BREAKER__WINDOW": "1",
    "OUTCRY_BREAKER__LAST_RESORT": "0.5",
    "OUTCRY_HEALTH__INTERVAL": "6",
    "OUTCRY_HEALTH__OPEN_INTERVAL": "3",
    "OUTCRY_RETRY__BUDGET_WINDOW": "1",
}
"""The defaults of everything that has to do with recovery, ten times as fast."""


def circuits(stage: Stage) -> Iterator[Row]:
    """A single upstream that fails until its circuit is open; what it costs then."""
    with Upstream(Status(500)) as broken:
        env = {"OUTCRY_BREAKER__LAST_RESORT": "300"}
        with Service(stage.folder, providers=[provider("broken", broken)], env=env) as gateway:
            needed = 0
            while (last := chat(gateway, max_retries=0)).code != OPEN and needed < 50:
                needed += 1
            # The first answers of an open circuit are the last resort's, of which there is one in five minutes here.
            resorts = broken.calls - needed
            replies = [chat(gateway, max_retries=0) for _ in range(stage.pick(500, 100))]
    if last.code != OPEN:
        raise AssertionError(f"the circuit never opened: {last}")
    yield Row("§3", "failures in a row until a circuit opens", "500 always", needed - resorts, 5, "", "", Rule.EXACTLY)
    took = [reply.seconds for reply in replies if reply.code == OPEN]
    yield Row(
        "§3", "an open circuit answers, median", "circuit open", statistics.median(took) * 1e3, 5, "ms", spread(took)
    )
    p95 = percentile(took, 0.95) * 1e3
    yield Row("§3", "an open circuit answers, 95th percentile", "circuit open", p95, 5, "ms", spread(took))


def half_open(stage: Stage) -> Iterator[Row]:
    """How many calls go through to a target that is half-open while its first trial has not answered."""
    env = {"OUTCRY_BREAKER__OPEN_SECONDS": "0.5", "OUTCRY_BREAKER__LAST_RESORT": "300"}
    seen = []
    for turn in range(stage.pick(5, 1)):
        with Upstream(Status(500)) as upstream:
            place = stage.folder / str(turn)
            with Service(place, providers=[provider("one", upstream)], env=env) as gateway:
                while chat(gateway, max_retries=0).code != OPEN:
                    pass
                upstream.behave(Answer(HEALTHY, delay=1.0))
                upstream.forget()
                time.sleep(1.5)  # longer than half a second with its jitter
                together([partial(chat, gateway, max_retries=0)] * 40)
                seen.append(upstream.calls)
    fault, told = "500 until ejected, then a slow answer", f"40 callers, {len(seen)} times"
    yield Row("§3", "calls let through in half-open, the most", fault, max(seen), 1, "", told, Rule.EXACTLY)


@dataclass
class Traffic:
    """Callers at a steady rate who never stop; every reply with the moment it came."""

    gateway: Service
    rate: float
    replies: list[tuple[float, Reply]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._callers = [threading.Thread(target=self._call, args=(n,), daemon=True) for n in range(4)]

    def __enter__(self) -> Traffic:
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for caller in self._callers:
            caller.join(70)

    def first_success_after(self, moment: float, patience: float) -> float:
        """Seconds until the first good answer; more than the patience when none came."""
        while time.monotonic() < moment + patience:
            good = [at for at, reply in list(self.replies) if at >= moment and reply.is_good(HEALTHY)]
            if good:
                return min(good) - moment
            time.sleep(0.01)
        return patience + 1

    def _call(self, number: int) -> None:
        pace = len(self._callers) / self.rate
        self._stop.wait(pace * number / len(self._callers))
        while not self._stop.is_set():
            reply = chat(self.gateway)
            self.replies.append((time.monotonic(), reply))
            self._stop.wait(max(pace - reply.seconds, 0))


def recovery(stage: Stage) -> Iterator[Row]:
    """How long after an outage the first caller is answered, and how many calls then fall upon the upstream."""
    scaled = [_outage(stage, n, TENTH, outage=stage.pick(30.0, 4.0), scale=0.1) for n in range(stage.pick(3, 1))]
    yield from _recovered(scaled, stage.pick(30.0, 4.0), 3.5, "scaled to a tenth: breaker, probes and outage")
    if stage.is_full:
        yield from _recovered([_outage(stage, 99, {}, outage=65.0, scale=1.0)], 65.0, 35.0, "default settings")


def _outage(
    stage: Stage, number: int, env: Mapping[str, str], *, outage: float, scale: float
) -> tuple[float, int, int]:
    """Seconds to the first success, calls upstream and requests in the (scaled) second after the recovery."""
    with Upstream(Answer(HEALTHY)) as upstream:
        place = stage.folder / str(number)
        with Service(place, providers=[provider("one", upstream)], env=env) as gateway, Traffic(gateway, 20) as traffic:
            time.sleep(1)
            upstream.behave(Refuse())
            time.sleep(outage)
            upstream.forget()
            recovered = time.monotonic()
            upstream.behave(Answer(HEALTHY))
            took = traffic.first_success_after(recovered, 60 * scale + 5)
            # Until its first success the upstream is tried, not used: whatever came in the second before is the herd.
            herd = upstream.calls
            time.sleep(1)
            asked = sum(recovered + took <= at < recovered + took + 1 for at, _ in traffic.replies)
            used = upstream.calls - herd
        if not any(reply.code for _, reply in traffic.replies):
            raise AssertionError("the outage was not noticed, so nothing was proven")
        return took, herd, max(used - asked, 0)


def _recovered(runs: list[tuple[float, int, int]], outage: float, bound: float, how: str) -> Iterator[Row]:
    fault = f"refused for {outage:g} s, then well; {how}"
    took = [seconds for seconds, _, _ in runs]
    yield Row("§3", "time to recover, the longest", fault, max(took), bound, "s", spread(took, "s", 1))
    herd = max(calls for _, calls, _ in runs)
    promise = "calls upstream until the first success, the most"
    yield Row("§3", promise, fault, herd, 3, "", f"20 requests a second, n = {len(runs)}")
    extra = max(calls for _, _, calls in runs)
    promise = "calls in the second after it beyond one a request, the most"
    yield Row("§3", promise, fault, extra, 2, "", f"20 requests a second, n = {len(runs)}")
