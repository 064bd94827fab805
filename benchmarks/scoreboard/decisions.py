"""Decisions by the thousand, and panels that settle before their slowest member."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any, Final

from benchmarks import cpu
from benchmarks.arrivals import open_loop
from benchmarks.bench import GATEWAY_CORE, LOAD_CORE
from benchmarks.scoreboard.board import Row, Rule, Stage, percentile, spread
from tests.behaviours import Answer
from tests.e2e.markets import market, vote
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, metrics, provider, total
from tests.upstream import Upstream

LATENCIES: Final = (1.4, 5.5, 7.0, 22.5)
"""Seconds that four models of one afternoon took."""
SCALE: Final = 0.1
FIVE: Final = ("paper/trend", "paper/reversion", "paper/breakout", "tape/trend", "tape/breakout")
RATE: Final = 50.0
CONNECTIONS: Final = 50
MARKETS: Final = 100
"""No two decisions in a row are about the same one: a gateway that remembers an answer would show nothing here."""


def settling(stage: Stage) -> Iterator[Row]:
    """Four members who agree, at 1.4, 5.5, 7 and 22.5 s, ten times as fast: asked for a majority."""
    with ExitStack() as stack:
        slow = {
            f"m{place}": stack.enter_context(
                Upstream(Answer(vote("BUY"), delay=seconds * SCALE), models=(f"m{place}-1",))
            )
            for place, seconds in enumerate(LATENCIES)
        }
        members = [provider(name, upstream) for name, upstream in slow.items()]
        gateway = stack.enter_context(Service(stage.folder, providers=members, env=PATIENT))
        body = {"symbol": "BTC/USDT", "market": market(), "models": [f"{name}/{name}-1" for name in slow]}
        rounds, late, let_go, cancelled = stage.pick(10, 3), list[float](), list[float](), 0
        for _ in range(rounds):
            began = time.perf_counter()
            decision = gateway.client.post("/decisions", json=body).json()
            late.append(time.perf_counter() - began - LATENCIES[2] * SCALE)
            began = time.perf_counter()
            slow["m3"].wait_until(lambda upstream: upstream.connections_open == 0, 2)
            let_go.append(time.perf_counter() - began)
            statuses = [member["status"] for member in decision["votes"]]
            cancelled += decision["action"] == "BUY" and statuses == ["ok", "ok", "ok", "cancelled"]
    fault = "members at 0.14, 0.55, 0.7 and 2.25 s"
    promise = "a majority of four is settled after the third agreeing answer, the latest"
    yield Row("decisions", promise, fault, max(late) * 1e3, 100, "ms", spread(late))
    yield Row("decisions", "of them with the fourth vote cancelled", fault, cancelled, rounds, "", "", Rule.EXACTLY)
    yield Row(
        "decisions",
        "the fourth call is closed upstream, the latest",
        fault,
        max(let_go) * 1e3,
        500,
        "ms",
        spread(let_go),
    )


def decisions(stage: Stage) -> Iterator[Row]:
    """A thousand decisions of five sandbox members, at 50 a second; three times over."""
    mine = cpu.pin(LOAD_CORE)
    traders = [{"name": name, "provider_type": "sandbox"} for name in ("paper", "tape")]
    core = GATEWAY_CORE if mine else None
    rounds, own, whole, offered, good, complaint = stage.pick(3, 1), list[list[float]](), list[float](), 0, 0, ""
    with Service(stage.folder, providers=traders, env=PATIENT, cpu=core) as gateway:
        payload = [_request(64_231.5 + tick / 2) for tick in range(MARKETS)]
        open_loop(gateway.port, payload, rate=RATE, seconds=1.0, seed=1, connections=CONNECTIONS)
        kept = list(_recorded(gateway))
        warm = known = len(kept)
        seconds = stage.pick(1_000, 150) / RATE
        for number in range(rounds):
            seen = open_loop(
                gateway.port, payload, rate=RATE, seconds=seconds, seed=2 + number, connections=CONNECTIONS
            )
            kept = list(_recorded(gateway))
            own.append([decision["latency_ms"] / 1e3 for decision in kept[: len(kept) - known]])
            known, offered, good = len(kept), offered + seen.offered, good + seen.statuses[200]
            whole.append(percentile(seen.latencies(), 0.99) * 1e3)
            complaint = complaint or seen.complaint
        busy = total(metrics(gateway.client), "outcry_in_flight")
    votes = sum(member["status"] in ("ok", "repaired") for decision in kept for member in decision["votes"])
    fault = f"{offered:,} decisions of five sandbox members, {RATE:.0f} a second"
    told = f"{good} answers of 200, {known - warm} on record {complaint}"
    yield Row("decisions", "votes lost", fault, 5 * (offered + warm) - votes, 0, "", told)
    yield Row("decisions", "calls under way when all was answered", fault, busy, 0)
    # The sandbox thinks in microseconds: what passes until the decision is made is the gateway's. Then the disk's.
    late = [percentile(one or [float("nan")], 0.99) * 1e3 for one in own]
    each = ", ".join(f"{one:.1f}" for one in late)
    told = f"rounds: {each}; all: {spread([*chain.from_iterable(own)] or [float('nan')])}; "
    told += f"99 % have it within {statistics.median(whole):.1f} ms, commit and HTTP included"
    promise = "the gateway's own time until the decision is made, 99th percentile"
    of_rounds = f", the middle one of {rounds} rounds" if rounds > 1 else ""
    yield Row("decisions", promise, fault + of_rounds, statistics.median(late), 10, "ms", told)


def _request(last: float = 64_231.5) -> bytes:
    price = {"last": last, "bid": last - 0.5, "ask": last + 0.5}
    body = json.dumps({"symbol": "BTC/USDT", "market": market(price=price), "models": FIVE, "settle": "all"}).encode()
    head = "POST /decisions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def _recorded(gateway: Service) -> Iterator[dict[str, Any]]:
    """Every decision on record."""
    cursor: dict[str, str] = {}
    while True:
        page = gateway.client.get("/decisions", params={"limit": "100", **cursor}).json()
        yield from page["items"]
        if not page["next"]:
            return
        cursor = {"cursor": page["next"]}
