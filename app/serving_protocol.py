"""uvicorn's HTTP protocol with bounds: on a request's head, on what comes after an answer, and on silence."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api.edge import request_id_of
from app.api.errors import encoded_error
from app.api.exchange import CUT, IS_EVENTS
from app.api.gate import STATE, Gate
from app.api.guards import MAX_HEADER_BYTES
from app.api.watch import PING
from app.domain.errors import Code, OutcryError, RequestRejected
from app.joined_writes import JoinedWrites

HEAD_SECONDS: Final = 10.0
"""From the first byte of a head to its last."""
LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 16 * 1024 * 1024
"""What is read and thrown away of a body that was answered early, so that its sender gets to read the answer."""
FIRST_DOUBT: Final = 0.02
LONGEST_DOUBT: Final = 0.16
"""Seconds until somebody who has stopped sending is asked whether they are still there; doubled from time to time.

It takes two questions to find out: the first is answered with a reset, which the second meets.
"""
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
MOST_PIPELINED: Final = 8
"""Requests that may wait behind the one that is answered, before no more is read."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A head that is too long, too slow or no HTTP is answered as every error is, then closed.

    A caller who stops sending looks just like one who leaves, until something is said to them: they get their answer,
    and are told things without a meaning meanwhile, so that the leaving show themselves.


    What the gate does not let in is answered here, before there is a task for it.
    """

    _is_refused = False
    _is_in_head = False
    _is_in_body = False
    _heads = 0
    _head_bytes = 0
    _lingered = 0
    _fault: OutcryError | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None
    _doubt_timer: asyncio.TimerHandle | None = None
    _is_half_closed = False
    _answered: RequestResponseCycle | None = None
    """Whose turn it is to be answered; `cycle` is the one that is read, which may wait behind it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        self._gate: Gate | None = self.app_state.get(STATE)
        self._writes = JoinedWrites(transport, self.loop)
        super().connection_made(self._writes)
        # uvicorn starts this clock after the first answer only; a connection that never asks must end as well.
        self._expect_next()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's never wants the connection to stay
        """Whether the connection stays: while a whole request has no whole answer."""
        # If it closes, what was said before its caller stopped sending still goes out.
        self._writes.flush()
        is_asked = self._is_answering and not (self._is_in_head or self._is_in_body)
        # HTTP/1.0 knows nothing that can be said before the answer.
        if not is_asked or self.scope["http_version"] == "1.0":
            return False
        if not self._is_half_closed:
            self._is_half_closed = True
            self._doubt_timer = self.loop.call_later(FIRST_DOUBT, self._ask_whether_gone, FIRST_DOUBT * 2)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_keepalive_if_required()
        self._stop_head_timer()
        self._stop_lingering()
        if self._doubt_timer is not None:
            self._doubt_timer.cancel()
        if self._answered is not None and self._answered is not self.cycle and not self._answered.response_complete:
            # uvicorn tells the request that came last, which only waits behind this one.
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._linger_timer is not None:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.transport.close()
                return
        begins_outside, heads = not self._is_in_body, self._heads
        super().data_received(data)
        if self.transport.is_closing():
            return
        is_only_head = begins_outside and heads == self._heads
        if is_only_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEADER_BYTES:
                self._refuse(_too_long())
                return
        if (is_only_head or self._is_in_head) and self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
        if self._is_refused and self._linger_timer is None:
            self._linger()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[CUT] = self.transport.abort  # type: ignore[literal-required]  # an extension of ours
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        self._heads += 1
        self._head_bytes = 0
        self._is_in_head, self._is_in_body = False, True
        self._stop_head_timer()
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEADER_BYTES:
            # The parser stops at an exception, and uvicorn then calls send_400_response.
            self._fault = _too_long()
            raise self._fault
        if self._gate is None or self._is_answering or not self._turned_away(self._gate):
            super().on_headers_complete()
            if len(self.pipeline) <= MOST_PIPELINED:
                # uvicorn stops reading at once; whoever does not read does not hear that a caller left.
                self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        if not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        if self._is_refused:
            self._is_refused = False
            self._expect_next()
        else:
            super().on_message_complete()
        if self._linger_timer is not None:
            self._stop_lingering()
            self._expect_next()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_half_closed and not self._is_answering:
            self.transport.close()
        if self._is_in_body and not self._is_answering and not self.transport.is_closing():
            self._linger()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's own words
        self._refuse(self._fault or RequestRejected(Code.INVALID_REQUEST, "the request is not well-formed HTTP/1.1"))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _is_answering(self) -> bool:
        # uvicorn declares that there is always a cycle, and begins without one.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _ask_whether_gone(self, then: float) -> None:
        self._doubt_timer = None
        if self._answered is None or not self._is_answering or self.transport.is_closing():
            return
        if not self._answered.response_started:
            self.transport.write(CONTINUE)
        elif self._answered.scope.get(IS_EVENTS) and not self.flow.write_paused:
            self.transport.write(b"%x\r\n%b\r\n" % (len(PING), PING))
        self._doubt_timer = self.loop.call_later(then, self._ask_whether_gone, min(then * 2, LONGEST_DOUBT))

    def _turned_away(self, gate: Gate) -> bool:
        """Whether the gate kept this request out, which is answered then; what comes of its body is thrown away."""
        refusal = gate.refusal(self.url.partition(b"?")[0], self.headers)
        if refusal is None:
            return False
        self._is_refused = True
        # Who asks first whether to send the body may never send it after this.
        closes = self.expect_100_continue or not self.parser.should_keep_alive()
        self.transport.write(STATUS_LINE[refusal.status] + refusal.answer(request_id_of(self.headers), closes=closes))
        if closes:
            self.transport.close()
        return True

    def _linger(self) -> None:
        self._lingered = 0
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _refuse(self, error: OutcryError) -> None:
        # Within an answer that has begun there is no place for another one.
        if not self._is_answering or not (self.cycle.response_started or self.pipeline):
            self.transport.write(_answer(error))
        self.transport.close()

    def _head_is_late(self) -> None:
        self._head_timer = None
        # Behind a request that is still being answered, keep-alive's clock takes over when it is.
        if not self._is_answering:
            message = f"the request's head did not arrive within {HEAD_SECONDS:g} s"
            self._refuse(RequestRejected(Code.INVALID_HEADER, message))

    def _expect_next(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_lingering(self) -> None:
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None


def _too_long() -> OutcryError:
    return RequestRejected(Code.INVALID_HEADER, f"the request's head is longer than {MAX_HEADER_BYTES} bytes")


def _answer(error: OutcryError) -> bytes:
    request_id = request_id_of(())
    body = encoded_error(error, request_id)
    head = (
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return STATUS_LINE[error.status] + head.encode() + body
