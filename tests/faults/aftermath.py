"""What must be true of a gateway after any fault: a typed reply in time, everything given back, the next one served."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from app.domain.errors import CONSEQUENCES, Code
from app.storage.database import DatabaseRules
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, Event, events, metrics, total
from tests.upstream import Upstream

OVERRUN: Final = 0.25
"""Seconds by which a reply may be later than its deadline."""

GIVEN_BACK: Final = 2.0
"""Seconds after which nothing may be held any more."""

_SPARE_DESCRIPTORS: Final = 6  # a socket that is being opened or closed at the moment of the look
_POOLED_FILES: Final = 3 * DatabaseRules().pool  # two of each connection to SQLite, the pool's and some beside it
_SPARE_TASKS: Final = 2  # a probe, or the database's patience, at the moment of the look
_ENDS: Final = frozenset({"done", "message_stop", "response.completed", "response.incomplete"})
_STATE: Final = slice(34, 36)
_NOT_HELD: Final = ("0A", "06")  # listening, and waiting for stray packets long after it was closed


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller got, and after how many seconds it was complete; `events` are those of a stream."""

    status: int
    headers: Mapping[str, str]
    text: str
    events: tuple[Event, ...]
    seconds: float

    @property
    def code(self) -> str:
        """The code of the error, in the body or in the stream; "" for a success."""
        error = self.error
        return "" if error is None else str(error.get("code"))

    @property
    def error(self) -> dict[str, Any] | None:
        """The error, wherever it stands."""
        if self.status == 200:
            return next((_error_in(each.data) for each in self.events if _is_error(each)), None)
        return _error_in(json.loads(self.text))


def ask(client: httpx.Client, path: str, body: Mapping[str, Any], **headers: str) -> Reply:
    """One request, its answer read to the end."""
    began = time.monotonic()
    with client.stream("POST", path, json=dict(body), headers=headers) as response:
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        seen = tuple(events(response)) if is_stream else ()
        text = "" if is_stream else response.read().decode()
    return Reply(response.status_code, response.headers, text, seen, time.monotonic() - began)


def assert_typed(reply: Reply, *, within: float) -> None:
    """The reply ended in time (`within` is the deadline), and is an answer, a typed error, or a stream with one."""
    assert reply.seconds <= within + OVERRUN, f"{reply.seconds:.3f} s, {within} were allowed: {reply}"
    assert reply.headers["x-request-id"]
    if reply.status == 200:
        _assert_typed_stream(reply)
        return
    body = json.loads(reply.text)
    error = body["error"]
    assert set(error) >= {"message", "type", "param", "code"}, body
    assert error["message"], body
    statuses = {CONSEQUENCES[Code(error["code"])].status}
    if error["code"] == Code.INVALID_REQUEST:
        statuses |= {413, 422}  # a provider's own are passed on
    assert reply.status in statuses, body
    assert body["request_id"] == reply.headers["x-request-id"]
    if reply.status in (429, 503):
        assert float(reply.headers["retry-after"]) >= 0
        assert float(reply.headers["retry-after-ms"]) >= 0


def _assert_typed_stream(reply: Reply) -> None:
    errors = [position for position, each in enumerate(reply.events) if _is_error(each)]
    assert len(errors) <= 1, reply.events
    if errors:
        assert errors == [len(reply.events) - 1], f"something comes after the error: {reply.events}"
        error = _error_in(reply.events[-1].data)
        assert error is not None
        assert error["message"]
        assert Code(error["code"]) in CONSEQUENCES
        assert not any(_is_end(each) for each in reply.events), reply.events
    elif reply.events:
        assert _is_end(reply.events[-1]), f"neither an end nor an error: {reply.events[-3:]}"


def _is_error(event: Event) -> bool:
    return _error_in(event.data) is not None


def _error_in(said: Any) -> dict[str, Any] | None:
    """The error that a body or an event carries; the Responses wire puts its fields beside the type."""
    if not isinstance(said, dict):
        return None
    if isinstance(said.get("error"), dict):
        return dict(said["error"])
    return said if said.get("type") == "error" and "code" in said else None


def _is_end(event: Event) -> bool:
    return event.data == "[DONE]" or event.name in _ENDS


@dataclass(frozen=True, slots=True)
class Held:
    """What a gateway holds at one moment.

    `descriptors` are without its callers' and upstreams' connections, and without the `database`'s files: how many of
    its connections are open at rest is chance, since decisions that come together need one.
    """

    in_flight: Mapping[str, int]
    tasks: int
    descriptors: int
    database: int
    callers: int
    upstream: Mapping[int, int]


class Aftermath:
    """Looks at one gateway from outside: its metrics, its health and, through /proc, its descriptors and memory.

    `rest` is what it held when nothing had happened yet, so that leaks of many faults add up until one is over.
    """

    def __init__(self, gateway: Service, upstreams: Iterable[Upstream] = ()) -> None:
        self.gateway = gateway
        self._ports = tuple(each.port for each in upstreams)
        self.rest = self.held()

    def samples(self) -> dict[str, float]:
        """Every sample of its metrics."""
        return metrics(self.gateway.client)

    def resident(self) -> float:
        """Mebibytes of memory."""
        pages = int(Path(f"/proc/{self.gateway.pid}/statm").read_text().split()[1])
        return pages * 4096 / (1 << 20)

    def held(self) -> Held:
        """What it holds now."""
        report = self.gateway.client.get("/providers/health").json()["providers"]
        tasks = int(total(self.samples(), "outcry_tasks"))
        links = [_link(each) for each in Path(f"/proc/{self.gateway.pid}/fd").iterdir()]
        own = {link[8:-1] for link in links if link.startswith("socket:[")}
        database = sum(link.startswith(str(self.gateway.database)) for link in links)
        callers, upstream = 0, dict.fromkeys(self._ports, 0)
        for line in Path(f"/proc/{self.gateway.pid}/net/tcp").read_text().splitlines()[1:]:
            if line[_STATE] in _NOT_HELD:
                continue
            fields = line.split()
            local, remote = (int(each.rpartition(":")[2], 16) for each in fields[1:3])
            if fields[9] in own:
                callers += local == self.gateway.port
                if remote in upstream:
                    upstream[remote] += 1
        return Held(
            in_flight={name: row["in_flight"] for name, row in report.items()},
            tasks=tasks,
            descriptors=len(links) - database - callers - sum(upstream.values()),
            database=database,
            callers=callers,
            upstream=upstream,
        )

    def assert_given_back(self, *, connections: int = 2, callers: int = 2) -> None:
        """Within 2 s: no attempt under way, tasks and descriptors as at rest.

        `connections` may stay pooled to each upstream, and as many `callers` as the test's own client keeps.
        """
        end = time.monotonic() + GIVEN_BACK
        while kept := self._kept(self.held(), connections, callers):
            assert time.monotonic() < end, f"still held after {GIVEN_BACK} s: {kept}; at rest {self.rest}"
            time.sleep(0.02)

    def assert_moved(self, before: Mapping[str, float], name: str, by: float = 1, **labels: str) -> None:
        """The metric with these labels went up by at least `by` since `before`, within 2 s."""
        self._wait(lambda now: total(now, name, **labels) >= total(before, name, **labels) + by, f"{name} {labels}")

    def assert_serves(self, path: str, body: Mapping[str, Any], text: str, *, within: float = 2.0) -> None:
        """The next request succeeds in time, and says what the upstream said."""
        reply = ask(self.gateway.client, path, {"messages": HELLO, **body})
        assert_typed(reply, within=within)
        assert reply.status == 200, reply
        assert text in reply.text, reply

    def assert_memory(self, before: float, *, growth: float = 60.0) -> None:
        """It has at most `growth` mebibytes more than it had."""
        now = self.resident()
        assert now <= before + growth, f"{before:.0f} MiB before, {now:.0f} MiB now"

    def _kept(self, held: Held, connections: int, callers: int) -> str:
        over = {
            "in flight": sum(held.in_flight.values()),
            "tasks": max(held.tasks - self.rest.tasks - _SPARE_TASKS, 0),
            "descriptors": max(held.descriptors - self.rest.descriptors - _SPARE_DESCRIPTORS, 0),
            "files of the database": max(held.database - _POOLED_FILES, 0),
            "callers": max(held.callers - callers, 0),
            "upstream connections": max((n - connections for n in held.upstream.values()), default=0),
        }
        return ", ".join(f"{count} {name}" for name, count in over.items() if count > 0)

    def _wait(self, holds: Callable[[Mapping[str, float]], bool], what: str) -> None:
        end = time.monotonic() + GIVEN_BACK
        while not holds(self.samples()):
            assert time.monotonic() < end, f"did not move: {what}"
            time.sleep(0.02)


def _link(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""  # closed since it was listed
