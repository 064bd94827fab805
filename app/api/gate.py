"""The gate before the edge: while the event loop is behind, requests are refused before they cost anything."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from app.api.anthropic_errors import anthropic_error, is_anthropic
from app.api.errors import encoded_error, error_headers
from app.domain.errors import Code, NotAdmitted
from app.domain.routing import Priority
from app.resilience.overload import Overload, OverloadRules

log = logging.getLogger("outcry.gate")

STATE: Final = "outcry.gate"
"""Where the server's connections find the gate among the application's state."""
_MESSAGE: Final = "the gateway has more to do than it can; nothing was sent"
_PRIORITIES: Final[Mapping[bytes, Priority]] = {p.value.encode(): p for p in Priority}
_PLACE: Final = "0" * 16
"""Stands for a request's id while its answer is written ahead."""


class Gate:
    """Who may come in. `counted` hears of every refusal: route, status, code, overhead.

    Only `paths` are ever refused: what operators look at must answer most of all when there is too much to do. A round
    takes what the loop's thread has `worked` in it, in seconds: while the machine runs something else, requests wait
    whether others are refused or not.
    """

    def __init__(
        self,
        paths: Sequence[str],
        counted: Callable[[str, int, str | None, float | None], None],
        *,
        now: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
        rules: OverloadRules | None = None,
    ) -> None:
        self._refusals = {path.encode(): _Refusal(path) for path in paths}
        self._counted = counted
        self._now = now
        self._worked = worked
        self._overload = Overload(rules or OverloadRules())
        self._round_began: float | None = None
        self._is_said = False

    def refusal(self, path: bytes, headers: Sequence[tuple[bytes, bytes]]) -> _Refusal | None:
        """The answer for a request that may not come in; None when it may, and is then counted as begun."""
        refusal = self._refusals.get(path)
        if refusal is None:
            return None
        if self._round_began is None:
            self._round_began = self._worked()
            # Whatever came in with this request has had its first step by the time that the second call runs.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._went_round)
        priority = _priority_in(headers) if self._overload.is_on else Priority.NORMAL
        if self._overload.begins(self._now(), priority):
            return None
        self._counted(refusal.path, refusal.status, Code.OVERLOADED.value, None)
        return refusal

    def _went_round(self) -> None:
        began, self._round_began = self._round_began, None
        if began is None:
            return
        self._overload.went_round(self._now(), self._worked() - began)
        if self._overload.is_on != self._is_said:
            self._is_said = self._overload.is_on
            log.warning("refusing what the event loop cannot keep up with" if self._is_said else "keeping up again")


class _Refusal:
    """The answer at one path, written ahead; only the request's id is missing."""

    def __init__(self, path: str) -> None:
        error = NotAdmitted(Code.OVERLOADED, _MESSAGE)
        written = anthropic_error if is_anthropic(path) else encoded_error
        self.path = path
        self.status = error.status
        self._body = written(error, _PLACE).split(_PLACE.encode())
        self._fixed = sum(len(part) for part in self._body)
        lines = [(b"content-type", b"application/json"), *error_headers(error)]
        self._head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
        self._names = (b"x-request-id", b"request-id") if is_anthropic(path) else (b"x-request-id",)

    def answer(self, request_id: str, *, closes: bool) -> bytes:
        """Headers and body, without the status line."""
        name = request_id.encode()
        length = self._fixed + len(name) * (len(self._body) - 1)
        ids = b"".join(header + b": " + name + b"\r\n" for header in self._names)
        end = b"connection: close\r\n\r\n" if closes else b"\r\n"
        return b"%scontent-length: %d\r\n%s%s%s" % (self._head, length, ids, end, name.join(self._body))


def _priority_in(headers: Sequence[tuple[bytes, bytes]]) -> Priority:
    for name, value in headers:
        if name == b"x-outcry-priority":
            return _PRIORITIES.get(value.strip(), Priority.NORMAL)
    return Priority.NORMAL
