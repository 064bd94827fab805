"""A misbehaving client: one raw connection that says exactly what it is told, and reads only when it is told."""

from __future__ import annotations

import json
import secrets
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

PATIENCE = 10.0
"""Seconds that a caller waits for anything before its test fails."""
PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came over the wire; header names are lower-case, chunks are joined."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error code of an answer that must be an error of the house, on whichever surface."""
        error = self.json["error"]
        assert error["message"], self.body
        return str(error.get("code") or error["type"])


class Caller:
    """A connection to the gateway, for `with`; left open at the end, it is reset.

    `window` is how many bytes the kernel may keep unread for it: a caller who reads slowly has a small one.
    `patience` is how many seconds it waits for anything.
    """

    def __init__(self, port: int, *, window: int | None = None, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if window is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(patience)
        self._socket.connect(("127.0.0.1", port))
        self._unread = b""
        self._is_gone = False

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.vanish()

    def say(self, raw: bytes) -> None:
        """Send these bytes."""
        self._socket.sendall(raw)

    def ask(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> str:
        """A well-formed POST; returns the request id that it bears."""
        request_id = secrets.token_hex(8)
        self.say(request(path, body, {"x-request-id": request_id, **(headers or {})}))
        return request_id

    def half_close(self) -> None:
        """Say that nothing more will be sent; what is answered is still read."""
        self._socket.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        """Close in good order, with a FIN; unread answers make a reset of it."""
        self._is_gone = True
        self._socket.close()

    def vanish(self) -> None:
        """Close with a reset."""
        if not self._is_gone:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.leave()

    def until(self, mark: bytes) -> bytes:
        """What comes up to this mark, the mark included."""
        while mark not in self._unread:
            self._more()
        found, _, self._unread = self._unread.partition(mark)
        return found + mark

    def read(self, size: int) -> bytes:
        """At most so many bytes, as soon as there are any; empty once the gateway has closed."""
        if self._unread:
            taken, self._unread = self._unread[:size], self._unread[size:]
            return taken
        return self._socket.recv(size)

    def reply(self) -> Reply:
        """The next whole answer; answers that only say to go on (1xx) are passed over."""
        status, headers = 100, dict[str, str]()
        while 100 <= status < 200:
            first, *lines = self.until(b"\r\n\r\n").decode("latin-1").strip().split("\r\n")
            status = int(first.split()[1])
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, self._chunks())
        return Reply(status, headers, self._exactly(int(headers.get("content-length", "0"))))

    def rest(self) -> bytes:
        """All that comes until the gateway closes; a reset ends it as well."""
        said, self._unread = [self._unread], b""
        try:
            while piece := self._socket.recv(PIECE):
                said.append(piece)
        except ConnectionError:
            pass
        return b"".join(said)

    def is_closed(self, seconds: float = PATIENCE) -> bool:
        """Whether the gateway ends the connection in time; what it says until then is thrown away."""
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                self._socket.settimeout(left)
                if not self._socket.recv(PIECE):
                    return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        finally:
            self._socket.settimeout(self._patience)
        return False

    def _more(self) -> None:
        piece = self._socket.recv(PIECE)
        if not piece:
            raise ConnectionError(f"the gateway closed after {self._unread[-200:]!r}")
        self._unread += piece

    def _exactly(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._more()
        taken, self._unread = self._unread[:size], self._unread[size:]
        return taken

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self.until(b"\r\n"), 16):
            pieces.append(self._exactly(size))
            self.until(b"\r\n")
        self.until(b"\r\n")
        return b"".join(pieces)


def request(path: str, body: object, headers: Mapping[str, str] | None = None) -> bytes:
    """A POST with a length, byte for byte; a body of bytes goes out as it is, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(len(raw)),
        **(headers or {}),
    }
    return head("POST", path, named) + raw


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n"


def chunked(path: str, pieces: list[bytes], headers: Mapping[str, str] | None = None) -> bytes:
    """The same in chunks; a last, empty one is not added."""
    named = {"host": "localhost", "transfer-encoding": "chunked", **(headers or {})}
    return head("POST", path, named) + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
