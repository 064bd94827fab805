"""Time: how far an answer comes after its deadline, whatever the upstream does, and how soon an upstream is let go."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

from benchmarks.scoreboard.board import Row, Stage, spread
from benchmarks.scoreboard.callers import Reply, chat, decision, dial, posted, stream, together
from benchmarks.scoreboard.faults import HEALTHY, Fault, healthy
from benchmarks.scoreboard.raw import BlackHole, RawUpstream, comments, flood
from tests.behaviours import Answer, Drip, Silent, Stream
from tests.e2e.markets import vote
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, provider
from tests.upstream import Upstream

DEADLINE: Final = 1.0
LEFT_WITHIN: Final = 0.5
STALLS: Final = Stream(words=("a",) * 5, stall_after=1)
DRIPS: Final = Stream(words=("a",) * 200, gap=0.05)


def deadlines(stage: Stage) -> Iterator[Row]:
    """Answers, streams and decisions with a deadline of a second, while their upstream does its worst."""
    with ExitStack() as stack:
        providers = _table(stack)
        panel = [  # of two minds, so that the third member is waited for
            provider(name, stack.enter_context(Upstream(Answer(vote(action)))))
            for name, action in (("buys", "BUY"), ("sells", "SELL"))
        ]
        silent = stack.enter_context(Upstream(Silent()))
        shared = [provider(f"deaf{n}", silent, priority=n, models=["deaf"]) for n in (1, 2, 3)]
        everybody = [*providers.values(), *panel, *shared]
        gateway = stack.enter_context(Service(stage.folder, providers=everybody, env=PATIENT))
        models = {fault: f"{one['name']}/{one['models'][0]}" for fault, one in providers.items()}
        models["every candidate silent"] = "deaf"
        late: dict[tuple[str, str], list[float]] = {}
        for _ in range(stage.pick(20, 1)):
            for surface, ask in _SURFACES.items():
                faults = [fault for fault in models if not (surface == "decision" and fault.startswith("every"))]
                stage.rng.shuffle(faults)
                replies = together([_ready(ask, gateway, models[fault]) for fault in faults])
                for fault, reply in zip(faults, replies, strict=True):
                    _check(surface, fault, reply)
                    late.setdefault((surface, fault), []).append(reply.seconds - DEADLINE)
    for (surface, fault), samples in sorted(late.items()):
        promise = f"overrun of a deadline of 1 s, {surface}, the worst"
        yield Row("§1", promise, fault, max(samples) * 1e3, 250, "ms", spread(samples))


def attempts(stage: Stage) -> Iterator[Row]:
    """How long one attempt may take: its share of the deadline, and its connection."""
    rounds = stage.pick(10, 1)
    with Upstream(Silent()) as silent, healthy() as good, BlackHole() as hole:
        providers = [
            provider("silent", silent, priority=1, models=["shared"]),
            provider("good", good, priority=2, models=["shared"]),
            {**provider("hole", good), "base_url": hole.url},
        ]
        with Service(stage.folder, providers=providers, env=PATIENT) as gateway:
            over = [chat(gateway, "shared", deadline_ms=2_000) for _ in range(rounds)]
            nobody = [chat(gateway, "hole/hole-1", max_retries=0, deadline_ms=10_000) for _ in range(rounds)]
    if not all(reply.is_good(HEALTHY) and reply.attempts == 2 for reply in over):
        raise AssertionError(f"no fallback from a silent provider: {over[0]}")
    cut = [reply.seconds for reply in over]
    promise = "an attempt takes at most 60 % of a deadline of 2 s, and the answer is another's"
    yield Row("§1", promise, "silent", max(cut) * 1e3, 1_450, "ms", spread(cut))
    connects = [reply.seconds for reply in nobody]
    fault = "nobody at the door (full backlog)"
    yield Row("§1", "a connection is given up after 2 s", fault, max(connects) * 1e3, 2_250, "ms", spread(connects))


def leaving(stage: Stage) -> Iterator[Row]:
    """How soon the upstream's connection is closed after the caller has left."""
    rounds = stage.pick(30, 3)
    with Upstream(Silent()) as silent, Upstream(DRIPS) as dripping:
        providers = [provider("silent", silent), provider("dripping", dripping)]
        with Service(stage.folder, providers=providers, env=PATIENT) as gateway:
            cases: list[tuple[str, Upstream, dict[str, Any]]] = [
                ("whole answer", silent, {"model": "silent/silent-1"}),
                ("stream", dripping, {"model": "dripping/dripping-1", "stream": True}),
            ]
            for what, upstream, fields in cases:
                request = posted("/v1/chat/completions", {"messages": HELLO, **fields})
                took = [_left(gateway, upstream, request) for _ in range(rounds)]
                promise = f"the upstream is let go after the caller left, {what}, the slowest"
                yield Row("§1", promise, "caller leaves", max(took) * 1e3, LEFT_WITHIN * 1e3, "ms", spread(took))


def _table(stack: ExitStack) -> dict[str, dict[str, Any]]:
    """A provider for each fault, by the fault's name."""
    scripted = {
        "silent": Upstream(Silent()),
        "headers that drip": Upstream(Drip(part="headers")),
        "body or stream that drips": Upstream(Fault(Drip(part="body"), DRIPS).script),
        "stall mid-stream": Upstream(Fault(Silent(), STALLS).script),
    }
    table = {
        fault: provider(f"scripted{number}", stack.enter_context(upstream))
        for number, (fault, upstream) in enumerate(scripted.items())
    }
    template = table["silent"]
    floods = stack.enter_context(RawUpstream(flood))
    quiet = stack.enter_context(RawUpstream(comments))
    hole = stack.enter_context(BlackHole())
    deaf = stack.enter_context(Upstream(Silent()))
    elsewhere = {
        "flood": floods.url,
        "comments without end": quiet.url,
        "nobody at the door": hole.url,
        "TLS that is not answered": deaf.url.replace("http:", "https:"),
    }
    for number, (fault, url) in enumerate(elsewhere.items()):
        table[fault] = {**template, "name": f"raw{number}", "base_url": url}
    return table


def _ready(ask: Callable[[Service, str], Reply], gateway: Service, model: str) -> Callable[[], Reply]:
    return lambda: ask(gateway, model)


def _chat(gateway: Service, model: str) -> Reply:
    return chat(gateway, model, deadline_ms=int(DEADLINE * 1e3))


def _stream(gateway: Service, model: str) -> Reply:
    return stream(gateway, model, deadline_ms=int(DEADLINE * 1e3))


def _decision(gateway: Service, model: str) -> Reply:
    return decision(gateway, [model, "buys/buys-1", "sells/sells-1"], int(DEADLINE * 1e3))


_SURFACES: Final = {"answer": _chat, "stream": _stream, "decision": _decision}


def _check(surface: str, fault: str, reply: Reply) -> None:
    is_as_it_should = reply.status == 200 if surface == "decision" else reply.code != "" and not reply.is_whole
    if not is_as_it_should:
        raise AssertionError(f"{surface}, {fault}: a strange answer: {reply}")


def _left(gateway: Service, upstream: Upstream, request: bytes) -> float:
    upstream.forget()
    closed = upstream.connections_closed
    caller = dial(gateway, request)
    if not upstream.wait_until(lambda up: up.calls == 1):
        raise AssertionError("the upstream was not asked")
    if b'"stream": true' in request:
        caller.recv(1, socket.MSG_PEEK)
    began = time.perf_counter()
    caller.close()
    if not upstream.wait_until(lambda up: up.connections_closed > closed):
        raise AssertionError("the upstream's connection stayed open for 10 s")
    return time.perf_counter() - began
