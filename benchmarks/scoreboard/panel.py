"""Decisions: how long a panel takes when its members are asked at once."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.scoreboard.board import Row, Stage, spread
from benchmarks.scoreboard.callers import decision
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT

SANDBOX = ["sandbox/trend", "sandbox/reversion", "sandbox/breakout"]


def panel(stage: Stage) -> Iterator[Row]:
    """Three sandbox members of 300 ms each."""
    slow = {"name": "sandbox", "provider_type": "sandbox", "parameters": {"drill": "[[slow=300]]"}}
    took = []
    with Service(stage.folder, providers=[slow], env=PATIENT) as gateway:
        for _ in range(stage.pick(50, 5) + 1):
            reply = decision(gateway, SANDBOX, 10_000)
            voted = [vote for vote in reply.body["votes"] if vote["action"] is not None]
            if len(voted) != 3 or reply.seconds < 0.3:
                raise AssertionError(f"not three members at 300 ms: {reply.body['votes']}")
            took.append(reply.seconds)
    took = took[1:]
    yield Row("§1", "three members decide, the slowest", "300 ms each", max(took) * 1e3, 400, "ms", spread(took))
