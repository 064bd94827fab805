"""A budget and kill -9: what was spent before counts afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx

from app.ledger.spend_record import FLUSH
from benchmarks.scoreboard.board import Row, Stage
from benchmarks.scoreboard.process import family
from tests.behaviours import Answer, Tokens
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, PATIENT, provider, within
from tests.upstream import Upstream

CAP: Final = 300
"""Calls that the cap is worth; each costs a tenth of a cent, and is expected to."""
WRITE: Final = 0.5
"""Seconds that a write under way may take on a machine that callers and upstream share."""
PATIENCE: Final = 90.0


def capped(stage: Stage) -> Iterator[Row]:
    """Eight callers against a cap worth 300 calls, killed on the way; they go on until they are refused for good."""
    with Upstream(Answer("yes", usage=Tokens(11, 10), delay=0.01)) as upstream:
        one = provider("one", upstream, cost={"input_per_1m_tokens": 0, "output_per_1m_tokens": 100})
        for workers in stage.pick((1, 2), (2,)):
            upstream.forget()
            env = {**PATIENT, "OUTCRY_WORKERS": str(workers)}
            gateway = Service(stage.folder / f"of{workers}", providers=[one], env=env)
            answered, killed = _spent(gateway, stage.pick(3, 1))
            # Alone, a process writes four times a second; with others it spends what was set aside for it before.
            unwritten = [at for at in answered if any(0 <= kill - at <= FLUSH + WRITE for kill in killed)]
            late = len(unwritten) if workers == 1 else 0
            fault = f"kill -9, {len(killed)} times; {workers} worker{'s' * (workers > 1)}"
            promise = "calls by which a cap is passed, less those settled within the last write before a kill"
            seen = f"a cap worth {CAP}, {upstream.calls} calls upstream, {late} of them so late"
            yield Row("budgets", promise, fault, max(upstream.calls - CAP - late, 0), 0, "", seen)


def _spent(gateway: Service, kills: int) -> tuple[list[float], list[float]]:
    """When each call was answered, and when everything was killed."""
    answered: list[float] = []
    killed: list[float] = []
    is_over = threading.Event()
    with gateway:
        gateway.client.put("/budgets/gateway", json={"window": "month", "cost_usd": f"{CAP / 1000}"}).raise_for_status()
        # Other workers hear of a budget within a second, and what they spend until then is not of it.
        assert within(10.0, lambda: all(_knows(gateway) for _ in range(24)))
        with ThreadPoolExecutor(8) as callers:
            for _ in range(8):
                callers.submit(_ask, gateway, answered, is_over)
            try:
                for number in range(kills):
                    _until_answered(answered, CAP * (number + 1) // (kills + 2))
                    workers = family(gateway.pid)
                    killed.append(time.monotonic())
                    gateway.kill(*workers)
                    gateway.start()
                count = -1
                while count < len(answered):
                    count = len(answered)
                    time.sleep(3.0)
            finally:
                is_over.set()
    return answered, killed


def _knows(gateway: Service) -> bool:
    """Whether the worker that takes a new connection has the budget in force."""
    with plain_client(gateway.base_url, seconds=10) as client:
        return client.get("/budgets/gateway").status_code == 200


def _ask(gateway: Service, answered: list[float], is_over: threading.Event) -> None:
    body = {"messages": HELLO, "max_tokens": 10, "max_retries": 0}
    with plain_client(gateway.base_url) as client:
        while not is_over.is_set():
            try:
                if client.post("/chat", json=body).status_code == 200:
                    answered.append(time.monotonic())
                    continue
            except httpx.HTTPError:
                pass
            is_over.wait(0.05)


def _until_answered(answered: list[float], count: int) -> None:
    end = time.monotonic() + PATIENCE
    while len(answered) < count:
        if time.monotonic() > end:
            raise AssertionError(f"nobody was answered for {PATIENCE:.0f} s")
        time.sleep(0.01)
