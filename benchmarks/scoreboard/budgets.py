"""Budgets: that a cap worth fifty calls answers fifty of a crowd, and how far one is passed when nobody knows."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from decimal import Decimal

import httpx

from benchmarks.scoreboard.board import Row, Rule, Stage
from benchmarks.scoreboard.callers import Reply, crowd
from benchmarks.scoreboard.faults import HEALTHY
from tests.behaviours import Answer, Tokens
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, provider, within
from tests.upstream import Received, Upstream

# The prompt is free, and a token of the answer costs a hundredth of a cent.
_PRICE = {"input_per_1m_tokens": 0, "output_per_1m_tokens": 100}
_TOKEN = Decimal("0.0001")


def budgets(stage: Stage) -> Iterator[Row]:
    """Two hundred at once whose estimate is what they cost; then calls that cost what chance says."""
    with Upstream() as upstream:
        for workers in (1, 2):
            env = {**PATIENT, "OUTCRY_WORKERS": str(workers)}
            one = provider("one", upstream, cost=_PRICE)
            with Service(stage.folder / f"of{workers}", providers=[one], env=env) as gateway:
                yield _fifty(gateway, upstream, workers)
                yield _by_chance(gateway, upstream, stage, workers)


def _fifty(gateway: Service, upstream: Upstream, workers: int) -> Row:
    upstream.behave(lambda _: Answer(HEALTHY, usage=Tokens(11, 10)))
    _cap(gateway, 50 * 10 * _TOKEN)
    statuses = [reply.status for reply in crowd(lambda _: _asked(gateway, 10), 200, at_once=200)]
    odd = [status for status in statuses if status not in (200, 402)]
    seen = f"{len(odd)} other answers than 200 and 402"
    promise = f"answered of 200 at once by a cap worth 50, {workers} worker{'s' * (workers > 1)}"
    return Row("budgets", promise, "the estimate is the cost", statuses.count(200), 50, "", seen, Rule.EXACTLY)


def _by_chance(gateway: Service, upstream: Upstream, stage: Stage, workers: int) -> Row:
    """How many of the largest calls a cap is passed by, at the worst."""
    worst, spent_in_all, rounds, chance = Decimal(0), Decimal(0), stage.pick(5, 1), random.Random(7)
    cap = 2_000 * _TOKEN
    for _ in range(rounds):
        spent: list[int] = []

        def answer(received: Received, spent: list[int] = spent) -> Answer:
            tokens = chance.randint(1, (received.body or {})["max_tokens"])
            spent.append(tokens)
            return Answer(HEALTHY, usage=Tokens(11, tokens))

        upstream.behave(answer)
        _cap(gateway, cap)
        crowd(lambda _: _asked(gateway, chance.randint(1, 100)), 200, at_once=100)
        total = sum(spent) * _TOKEN
        spent_in_all += total
        worst = max(worst, (total - cap) / (100 * _TOKEN))
    seen = f"{rounds} rounds of 200 calls, {float(spent_in_all / rounds / cap):.0%} of the cap was spent on the average"
    promise = f"calls by which a cap is passed at most, {workers} worker{'s' * (workers > 1)}"
    return Row("budgets", promise, "estimates and costs by chance", float(worst), 1, "", seen)


def _cap(gateway: Service, dollars: Decimal) -> None:
    """A cap on everything from now on, known to every worker, of which nothing is spent."""
    client = gateway.client
    client.delete("/budgets/gateway")
    used = Decimal(client.put("/budgets/gateway", json={"window": "month", "cost_usd": "1"}).json()["used"]["cost_usd"])
    wanted = client.put("/budgets/gateway", json={"window": "month", "cost_usd": f"{used + dollars:f}"}).json()
    assert within(5, lambda: all(_said(gateway) == wanted["cost_usd"] for _ in range(8)))


def _said(gateway: Service) -> str:
    """The cap, as the worker says that a new connection falls to."""
    return str(httpx.get(f"{gateway.base_url}/budgets/gateway", trust_env=False).json().get("cost_usd"))


def _asked(gateway: Service, tokens: int) -> Reply:
    began = time.perf_counter()
    body = {"messages": HELLO, "max_tokens": tokens, "max_retries": 0}
    answer = httpx.post(f"{gateway.base_url}/chat", json=body, timeout=60, trust_env=False)
    return Reply(time.perf_counter() - began, answer.status_code)
