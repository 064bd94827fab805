"""Budgets: how many of a crowd a cap answers, how far one is passed at the worst, and what a budget costs a request."""

from __future__ import annotations

import os
import random
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Final

import httpx

from benchmarks.cpu import used
from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.callers import Reply, chat, crowd
from benchmarks.scoreboard.faults import HEALTHY
from tests.behaviours import Answer, Behaviour, Silent, Status, Stream, Tokens
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, PATIENT, provider, within
from tests.postgres import postgres_server
from tests.upstream import Received, Upstream

# The prompt is free, and a token of the answer costs a hundredth of a cent.
_PRICE = {"input_per_1m_tokens": 0, "output_per_1m_tokens": 100}
_TOKEN = Decimal("0.0001")
_USUAL: Final = 512
_MOST: Final = 4096
"""Tokens that are expected of an answer whose length nobody bounded, and that it may have."""
_DEAREST: Final = 1.15
"""Times the processor time of a request without a budget, as much as one may cost with it."""


def budgets(stage: Stage) -> Iterator[Row]:
    """Two hundred at once whose estimate is what they cost; costs by chance; mishaps; by one and two workers."""
    with ExitStack() as stack:
        upstream, server = stack.enter_context(Upstream()), stack.enter_context(postgres_server())
        one = provider("one", upstream, cost=_PRICE)
        everywhere = ((1, "SQLite"), (2, "SQLite"), (1, "PostgreSQL"), (2, "PostgreSQL"))
        for workers, database in stage.pick(everywhere, (everywhere[0], everywhere[3])):
            url = server.create() if database == "PostgreSQL" else None
            env = {**PATIENT, "OUTCRY_WORKERS": str(workers)}
            where = f"{workers} worker{'s' * (workers > 1)}, {database}"
            folder = stage.folder / f"{database}{workers}"
            with Service(folder, providers=[one], env=env, database_url=url) as gateway:
                yield from _fifty(gateway, upstream, where)
                yield _by_chance(gateway, upstream, stage, where)
                if workers > 1:
                    yield _mishaps(gateway, upstream, stage, where)
        with Service(stage.folder / "price", providers=[one], env=PATIENT) as gateway:
            yield _price(gateway, upstream, stage)


def _fifty(gateway: Service, upstream: Upstream, where: str) -> Iterator[Row]:
    upstream.behave(lambda _: Answer(HEALTHY, usage=Tokens(11, 10)))
    _cap(gateway, 50 * 10 * _TOKEN)
    replies = crowd(lambda _: _asked(gateway, 10), 200, at_once=200)
    statuses = [reply.status for reply in replies]
    odd = [status for status in statuses if status not in (200, 402)]
    fault, slowest = "the estimate is the cost", max(reply.seconds for reply in replies)
    promise = f"answered of 200 at once by a cap worth 50, {where}"
    yield Row("budgets", promise, fault, statuses.count(200), 50, "", f"in {slowest:.1f} s at most", Rule.EXACTLY)
    promise = f"of them answered neither 200 nor 402, {where}"
    yield Row("budgets", promise, fault, len(odd), 0, "", f"{sorted(set(odd))}" if odd else "", Rule.EXACTLY)


def _by_chance(gateway: Service, upstream: Upstream, stage: Stage, where: str) -> Row:
    """By how many of the largest errors of an estimate a cap is passed, at the worst."""
    worst, spent_in_all, rounds, chance = Decimal(0), Decimal(0), stage.pick(5, 1), random.Random(7)
    cap = 20_000 * _TOKEN
    for _ in range(rounds):
        spent: list[int] = []

        def answer(received: Received, spent: list[int] = spent) -> Answer:
            tokens = chance.randint(1, _longest(received))
            spent.append(tokens)
            return Answer(HEALTHY, usage=Tokens(11, tokens))

        upstream.behave(answer)
        _cap(gateway, cap)
        crowd(lambda _: _asked(gateway, _any_length(chance)), 200, at_once=100)
        total = sum(spent) * _TOKEN
        spent_in_all += total
        worst = max(worst, (total - cap) / ((_MOST - _USUAL) * _TOKEN))
    seen = f"{rounds} rounds of 200 calls, {float(spent_in_all / rounds / cap):.0%} of the cap was spent on the average"
    return Row("budgets", f"calls by which a cap is passed at most, {where}", "costs by chance, one in five of no "
               "stated length", float(worst), 1, "", seen)  # fmt: skip


def _mishaps(gateway: Service, upstream: Upstream, stage: Stage, where: str) -> Row:
    """How often a cap is passed by more than one call's error while everything goes wrong."""
    passed, lost, rounds, chance = 0, 0, stage.pick(6, 1), random.Random(11)
    cap = 10_000 * _TOKEN
    for _ in range(rounds):
        spent: list[int] = []

        def answer(received: Received, spent: list[int] = spent) -> Behaviour:
            tokens = chance.randint(1, _longest(received))
            what = chance.random()
            if what < 0.1:
                return Status(500)
            if what < 0.15:
                return Silent()
            spent.append(tokens if what > 0.3 else 1)
            # A stream that breaks has written one token, and never says so.
            broken = Stream(words=("word ",) * 3, cut_after=1, usage=None)
            return Answer(HEALTHY, usage=Tokens(11, tokens)) if what > 0.3 else broken

        upstream.behave(answer)
        _cap(gateway, cap)
        killer = threading.Timer(0.5 + chance.random(), _kill_a_worker, [gateway])
        killer.start()
        replies = crowd(lambda _: _dared(gateway, chance), 200, at_once=50)
        killer.join()
        lost += sum(reply.status == 0 for reply in replies)
        passed += sum(spent) * _TOKEN - cap > (_MOST - _USUAL) * _TOKEN
        within(30, lambda: len(_workers(gateway)) > 1)
    seen = f"{rounds} rounds of 200 calls, {lost} callers heard nothing or left"
    fault = "failures, silence, cut streams, callers who leave, kill -9 of a worker"
    return Row("budgets", f"caps passed by more than one call's error, {where}", fault, passed, 0, "", seen,
               Rule.EXACTLY)  # fmt: skip


def _price(gateway: Service, upstream: Upstream, stage: Stage) -> Row:
    """Turn by turn without a budget and with one that all fit in."""
    turns, calls = stage.pick(20, 4), 400
    upstream.behave(lambda _: Answer(HEALTHY, usage=Tokens(11, 10)))
    without, having = list[float](), list[float]()
    for turn in range(-2, 2 * turns):
        if turn % 2:
            gateway.client.put("/budgets/gateway", json={"window": "month", "cost_usd": "1000000"})
        else:
            gateway.client.delete("/budgets/gateway")
        # What the change itself costs is nobody's request.
        time.sleep(1)
        began = used(gateway.pid)
        for _ in range(calls):
            assert chat(gateway, max_tokens=10).status == 200
        if turn >= 0:
            (having if turn % 2 else without).append((used(gateway.pid) - began) / calls * 1e6)
    before, after = statistics.median(without), statistics.median(having)
    seen = f"{after - before:.0f} us of {before:.0f} us; medians of {turns} turns of {calls} requests"
    return Row("budgets", "processor time of a request with a budget by one without", "turn by turn in one run",
               after / before, _DEAREST, "x", seen)  # fmt: skip


def _cap(gateway: Service, dollars: Decimal) -> None:
    """A cap on everything from now on, known to every worker, of which nothing is spent."""
    client = gateway.client
    client.delete("/budgets/gateway")
    used_up = client.put("/budgets/gateway", json={"window": "month", "cost_usd": "1"}).json()["used"]["cost_usd"]
    body = {"window": "month", "cost_usd": f"{Decimal(used_up) + dollars:f}"}
    wanted = client.put("/budgets/gateway", json=body).json()
    assert within(20, lambda: all(_said(gateway) == wanted["cost_usd"] for _ in range(8)))


def _said(gateway: Service) -> str:
    """The cap, as the worker says that a new connection falls to."""
    with plain_client(gateway.base_url) as client:
        return str(client.get("/budgets/gateway").json().get("cost_usd"))


def _any_length(chance: random.Random) -> int | None:
    return None if chance.random() < 0.2 else chance.randint(1, 100)


def _longest(received: Received) -> int:
    return int((received.body or {}).get("max_tokens") or _MOST)


def _asked(gateway: Service, tokens: int | None, *, patience: float = 60, **more: object) -> Reply:
    began = time.perf_counter()
    stated = {} if tokens is None else {"max_tokens": tokens}
    body = {"messages": HELLO, "max_retries": 0, **stated, **more}
    with plain_client(gateway.base_url, seconds=patience) as client:
        answer = client.post("/chat", json=body)
    return Reply(time.perf_counter() - began, answer.status_code)


def _dared(gateway: Service, chance: random.Random) -> Reply:
    """One that may be left by its caller, or by the process that serves it."""
    try:
        return _asked(gateway, _any_length(chance), patience=3, stream=chance.random() < 0.4)
    except httpx.HTTPError:
        return Reply(0.0, 0)


def _workers(gateway: Service) -> list[int]:
    """The processes that serve; the one that was started only looks after them."""
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
    return [int(one) for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


def _kill_a_worker(gateway: Service) -> None:
    os.kill(_workers(gateway)[0], signal.SIGKILL)
