"""Health: that looking after providers costs no completion, and that a change of state is told once."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.callers import chat
from benchmarks.scoreboard.faults import HEALTHY
from tests.behaviours import Answer, Refuse
from tests.e2e.service import Service
from tests.e2e.speaking import metrics, provider, total, within
from tests.upstream import Upstream

OFTEN = {"OUTCRY_HEALTH__INTERVAL": "0.5", "OUTCRY_HEALTH__OPEN_INTERVAL": "0.5"}


def health(stage: Stage) -> Iterator[Row]:
    """Three idle providers that are checked twice a second; then one of them comes and goes."""
    seconds = stage.pick(20, 3)
    with Upstream(Answer(HEALTHY)) as idle:
        three = [provider(name, idle) for name in ("a", "b", "c")]
        with Service(stage.folder / "idle", providers=three, env=OFTEN):
            time.sleep(seconds)
        if idle.listings == 0:
            raise AssertionError("nobody was checked, so nothing was proven")
        yield Row("§4", "completions that health checks sent", "none: idle providers", idle.calls, 0, "",
                  f"{idle.listings} model lists in {seconds} s", Rule.EXACTLY)  # fmt: skip
    yield from _flapping(stage)


def _flapping(stage: Stage) -> Iterator[Row]:
    changes, flaps = 0, stage.pick(5, 1)
    rules = [{"when": "provider_down", "for_seconds": 0, "clear_seconds": 0}]
    with Upstream(Answer(HEALTHY)) as upstream:
        file = {"providers": [provider("one", upstream)], "alerts": {"rules": rules}}
        with Service(stage.folder / "flapping", config=file, env=OFTEN) as gateway:
            chat(gateway)
            for _ in range(flaps):
                for behaviour, status in ((Refuse(), "down"), (Answer(HEALTHY), "healthy")):
                    upstream.behave(behaviour)
                    if not within(20, lambda status=status: _status(gateway) == status):  # type: ignore[misc]
                        raise AssertionError(f"never {status}: {gateway.client.get('/providers/health').text}")
                    changes += 1
                    time.sleep(stage.pick(2.5, 1.5))  # in which an alert that repeats itself would
            told = total(metrics(gateway.client), "outcry_alerts_total")
    yield Row("§4", f"alerts for {changes} changes of state", "a provider that comes and goes", told, changes, "",
              "checked twice a second", Rule.EXACTLY)  # fmt: skip


def _status(gateway: Service) -> str:
    status: str = gateway.client.get("/providers/health").json()["providers"]["one"]["status"]
    return status
