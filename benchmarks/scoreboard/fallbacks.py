"""Retry and fallback: what is lost, what is wrong, how many calls a failure costs, and how many milliseconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Final

from benchmarks.scoreboard.board import Row, Rule, Stage, spread
from benchmarks.scoreboard.callers import Reply, chat, crowd, stream
from benchmarks.scoreboard.faults import AFTER_CONTENT, ALL, CALLED_FOR, HEALTHY, Fault, failing, healthy
from tests.behaviours import Answer, Behaviour, Status
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, provider
from tests.upstream import Received, Script, Upstream

WRONG: Final = "answers given as good that a healthy upstream would not have given"
STRATEGIES: Final = ("priority", "round_robin", "health_based")
UNTIMED: Final = ("503", "429 with Retry-After")
"""Faults after which a target is left alone, so that only the first request falls over."""


def amplification(stage: Stage) -> Iterator[Row]:
    """Calls that reach a single upstream which always fails, with the circuit kept out of it."""
    requests = stage.pick(500, 100)
    with Upstream(Status(500)) as broken:
        with Service(stage.folder, providers=[provider("broken", broken)], env=PATIENT) as gateway:
            replies = crowd(lambda _: chat(gateway), requests, at_once=16)
        extra = broken.calls - requests
    if any(reply.status == 200 for reply in replies):
        raise AssertionError("an upstream that always fails was answered with 200")
    seen = f"{broken.calls} calls for {requests} requests, {extra / requests:.3f} extra a failure"
    yield Row("§2", f"calls upstream for {requests} requests", "a single upstream, 500 always", broken.calls,
              int(requests * 1.24), "", seen)  # fmt: skip


def losses(stage: Stage) -> Iterator[Row]:
    """Requests without a good answer while a second provider is healthy: half of them streams."""
    requests = stage.pick(500, 16)
    kinds = {**CALLED_FOR, "every second call fails": Fault(Status(500), Status(500))}
    wrong = total = 0
    rows: dict[tuple[int, str], Row] = {}
    with ExitStack() as stack:
        good = stack.enter_context(healthy())
        broken = {name: stack.enter_context(Upstream(_script(name, fault))) for name, fault in kinds.items()}
        pairs = [(number, fault, policy) for number, fault in enumerate(kinds) for policy in STRATEGIES]
        providers = [
            one
            for number, fault, policy in pairs
            for model in [_model(number, policy)]
            for one in (
                failing(f"bad-{model}", broken[fault], models=[model]),
                provider(f"good-{model}", good, priority=2, models=[model]),
            )
        ]
        gateway = stack.enter_context(Service(stage.folder, providers=providers))
        stage.rng.shuffle(pairs)
        for number, fault, policy in pairs:
            model, calls = _model(number, policy), broken[fault].calls
            replies = crowd(partial(_asked, gateway, model, policy), requests)
            lost = [reply for reply in replies if not reply.is_good(HEALTHY)]
            wrong += sum(reply.is_wrong(HEALTHY) for reply in replies)
            total += len(replies)
            fell = sum(reply.attempts > 1 for reply in replies)
            reached = "" if fault == "refused" else f", the failing one was reached {broken[fault].calls - calls} times"
            seen = f"{fell} fell over{reached}" + (f"; first: {lost[0]}" if lost else "")
            if fell == 0:
                raise AssertionError(f"{fault}, {policy}: nothing failed, so nothing was proven")
            promise = f"requests lost of {requests} with a healthy second, {policy}"
            rows[number, policy] = Row("§2", promise, fault, len(lost), 0, "", seen)
    yield from (rows[key] for key in sorted(rows))
    yield Row("§2", WRONG, "all of the above", wrong, 0, "", f"of {total}", Rule.EXACTLY)


def wrong_successes(stage: Stage) -> Iterator[Row]:
    """What every answer of 200 says under every fault, and how streams end that fail half-way."""
    rounds = stage.pick(20, 2)
    with ExitStack() as stack:
        good = stack.enter_context(healthy())
        upstreams = {fault: stack.enter_context(Upstream(one.script)) for fault, one in ALL.items()}
        cut = {f"{name} after content": Upstream(one) for name, one in AFTER_CONTENT.items()}
        for upstream in cut.values():
            stack.enter_context(upstream)
        providers = []
        for number, upstream in enumerate([*upstreams.values(), *cut.values()]):
            providers.append(failing(f"bad{number}", upstream, models=[f"m{number}"]))
            providers.append(provider(f"good{number}", good, priority=2, models=[f"m{number}"]))
        gateway = stack.enter_context(Service(stage.folder, providers=providers, env=PATIENT))
        for number, fault in enumerate([*upstreams, *cut]):
            model = f"m{number}"
            replies = [_asked(gateway, model, None, turn + (fault in cut)) for turn in range(2 * rounds)]
            if fault in cut:
                replies = [stream(gateway, model) for _ in range(rounds)]
                wrong = sum(reply.is_whole or not HELLO_STARTS.startswith(reply.text[:5]) for reply in replies)
                promise = "streams ended as whole, or spliced, after they were cut"
            else:
                wrong = sum(reply.is_wrong(HEALTHY) for reply in replies)
                promise = WRONG
            answered = sum(reply.is_good(HEALTHY) for reply in replies)
            yield Row("§2", promise, fault, wrong, 0, "", f"of {len(replies)}, {answered} answered well", Rule.EXACTLY)


HELLO_STARTS: Final = "hello from upstream"
"""What a scripted stream says before it is cut."""


def costs(stage: Stage) -> Iterator[Row]:
    """Milliseconds that a fallback adds to a healthy answer, for each fault that is noticed by itself."""
    rounds = stage.pick(50, 8)
    timed = {name: fault for name, fault in CALLED_FOR.items() if name not in UNTIMED}
    with ExitStack() as stack:
        good = stack.enter_context(healthy())
        providers = []
        for number, fault in enumerate(timed.values()):
            broken = stack.enter_context(Upstream(fault.script))
            providers.append(failing(f"bad{number}", broken, models=[f"m{number}"]))
            providers.append(provider(f"good{number}", good, priority=2, models=[f"m{number}"]))
        gateway = stack.enter_context(Service(stage.folder, providers=providers, env=PATIENT))
        for number, fault_name in enumerate(timed):
            direct, over = list[float](), list[float]()
            for turn in range((rounds if fault_name != "silent" else rounds // 5 + 1) + 2):
                replies = chat(gateway, f"good{number}/m{number}"), chat(gateway, f"m{number}")
                if not replies[0].is_good(HEALTHY) or not replies[1].is_good(HEALTHY) or replies[1].attempts != 2:
                    raise AssertionError(f"{fault_name}: not one fallback: {replies}")
                if turn >= 2:  # the first ones open connections
                    direct.append(replies[0].seconds)
                    over.append(replies[1].seconds)
            # Silence is noticed by a timer alone, of 300 ms here; what lies beyond it is the gateway's.
            timer = 0.3 if fault_name == "silent" else 0.0
            extra = [seconds - statistics.median(direct) - timer for seconds in over]
            beyond = " (beyond its timer of 300 ms)" if timer else ""
            seen = f"{spread(extra)}; healthy median {statistics.median(direct) * 1e3:.1f} ms"
            yield Row("§2", "a fallback adds, the slowest", fault_name + beyond, max(extra) * 1e3, 50, "ms", seen)


def pauses(stage: Stage) -> Iterator[Row]:
    """Calls to a target that asked to be left alone, while it is."""
    seconds = 2
    with Upstream(Status(429, headers={"retry-after": str(seconds)})) as limited, healthy() as good:
        providers = [failing("limited", limited, models=["m"]), provider("good", good, priority=2, models=["m"])]
        with Service(stage.folder, providers=providers, env=PATIENT) as gateway:
            first = chat(gateway, "m")
            began, during = time.monotonic(), list[Reply]()
            limited.forget()
            while time.monotonic() - began < seconds - 0.3:
                during += crowd(lambda _: chat(gateway, "m"), 8)
            extra = limited.calls
            limited.behave(Answer(HEALTHY))
            time.sleep(max(began + seconds + 0.3 - time.monotonic(), 0))
            after = [chat(gateway, "m").body["provider"] for _ in range(3)]
    lost = sum(not reply.is_good(HEALTHY) for reply in (first, *during))
    seen = f"{len(during)} requests meanwhile, {lost} lost; afterwards asked again: {'limited' in after}"
    yield Row("§2", "calls to a target during its pause", "429 with Retry-After: 2", extra, 0, "", seen, Rule.EXACTLY)
    yield Row("§2", "requests lost during the pause", "429 with Retry-After: 2", lost, 0, "", f"of {len(during) + 1}")


def _asked(gateway: Service, model: str, policy: str | None, turn: int) -> Reply:
    """In turns an answer and a stream."""
    if turn % 2:
        return stream(gateway, model, policy=policy)
    return chat(gateway, model, **({"policy": policy} if policy else {}))


def _model(number: int, policy: str) -> str:
    return f"m{number}-{policy.replace('_', '-')}"


def _script(name: str, fault: Fault) -> Behaviour | Script:
    if name != "every second call fails":
        return fault.script
    turns = iter(range(10**9))

    def half(_: Received) -> Behaviour:
        return Status(500) if next(turns) % 2 else Answer(HEALTHY)

    return half
