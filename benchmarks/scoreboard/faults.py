"""The faults of the board: what each does to an answer and to a stream, and what a healthy upstream would have said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.behaviours import (
    Answer,
    Behaviour,
    Empty,
    EndlessLine,
    GzipBomb,
    Html,
    JsonError200,
    Redirect,
    Refuse,
    Reset,
    Silent,
    Status,
    Stream,
    TruncatedJson,
    WrongLength,
    WrongMode,
)
from tests.e2e.speaking import provider
from tests.upstream import Received, Script, Upstream

HEALTHY: Final = "the healthy one says so"


@dataclass(frozen=True, slots=True)
class Fault:
    """What an upstream does to a plain request and to one that wants a stream."""

    plain: Behaviour
    stream: Behaviour

    @property
    def script(self) -> Behaviour | Script:
        """For a scripted upstream."""
        return self.plain if self.plain == self.stream else self.of

    def of(self, request: Received) -> Behaviour:
        """What is done to this request."""
        return self.stream if request.body and request.body.get("stream") else self.plain


def _same(behaviour: Behaviour) -> Fault:
    return Fault(behaviour, behaviour)


CALLED_FOR: Final[Mapping[str, Fault]] = {
    "refused": _same(Refuse()),
    "reset": Fault(Reset(), Stream(reset_after=0)),
    "500": _same(Status(500)),
    "503": _same(Status(503)),
    "429 with Retry-After": _same(Status(429, headers={"retry-after": "20"})),
    "truncated": Fault(TruncatedJson(), Stream(cut_after=0)),
    "garbage": _same(Html()),
    "silent": _same(Silent()),
}
"""Those under which no request may be lost while another provider is healthy."""

OTHERS: Final[Mapping[str, Fault]] = {
    "reset in the body": Fault(Reset(after_content=True), Stream(stall_after=0)),
    "nothing at all": _same(Empty()),
    "error in a 200": Fault(JsonError200(), Stream(error_after=0)),
    "stream for JSON and the reverse": _same(WrongMode()),
    "wrong Content-Length": Fault(WrongLength(), Stream(words=(), no_finish=True, no_done=True)),
    "gzip bomb": Fault(GzipBomb(mebibytes=64), JsonError200()),
    "endless line": Fault(Redirect(), EndlessLine(mebibytes=4)),
}
ALL: Final[Mapping[str, Fault]] = {**CALLED_FOR, **OTHERS}

AFTER_CONTENT: Final[Mapping[str, Stream]] = {
    "cut": Stream(cut_after=1),
    "reset": Stream(reset_after=1),
    "stall": Stream(stall_after=1),
    "error event": Stream(error_after=1),
    "no finish reason": Stream(no_finish=True),
}
"""Streams that fail when part of them is with the caller already."""

SHORT_TIMERS: Final = {"connect": 0.5, "first_token": 0.3, "idle": 0.3, "total": 0.3}


def healthy() -> Upstream:
    """An upstream that answers well."""
    return Upstream(Answer(HEALTHY))


def failing(name: str, upstream: Upstream, **settings: object) -> dict[str, Any]:
    """A provider that is asked first, and given up soon when it says nothing."""
    return provider(name, upstream, **{"priority": 1, "timeouts": SHORT_TIMERS, **settings})
