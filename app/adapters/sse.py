"""An incremental parser for server-sent events, bounded in line and event size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_LINE: Final = 1024 * 1024
MAX_EVENT: Final = 2 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"


class OversizedEvent(ValueError):
    """A line or an event is larger than we are willing to hold."""


@dataclass(frozen=True, slots=True)
class SSEEvent:
    """One event; `event` is "" when the stream names none. Comments and empty events are not reported."""

    event: str
    data: str


class SSEParser:
    """Bytes in, events out. Lines end in LF, CR or CRLF, wherever the reads are cut.

    JSON that stands in the stream without `data:` (Google's errors, over several lines) is an event too.
    """

    def __init__(self, *, max_line: int = MAX_LINE, max_event: int = MAX_EVENT) -> None:
        self._max_line = max_line
        self._max_event = max_event
        self._tail = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._at_start = True
        self._is_bare = False

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Events that end within `data`; raises OversizedEvent."""
        if self._after_cr or b"\r" in data:
            data = self._with_line_feeds(data)
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data)
            return []
        lines = data[:end].split(b"\n")
        if self._tail:
            lines[0] = bytes(self._tail) + lines[0]
            self._tail.clear()
        events = self._events(lines)
        self._keep(data[end + 1 :])
        return events

    def close(self) -> list[SSEEvent]:
        """The last event, where the stream ended without the empty line that belongs after it."""
        lines = [bytes(self._tail), b""]
        self._tail.clear()
        return self._events(lines)

    def _with_line_feeds(self, data: bytes) -> bytes:
        if not data:
            return data
        # The CR at the end of the last read already counted as a line end; its LF must not count again.
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _keep(self, rest: bytes) -> None:
        self._tail += rest
        if len(self._tail) > self._max_line:
            raise OversizedEvent(f"a line of more than {self._max_line} bytes in an event stream")

    def _events(self, lines: list[bytes]) -> list[SSEEvent]:
        events: list[SSEEvent] = []
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._take())
                self._name = ""
                self._is_bare = False
            elif self._is_bare:
                self._add(line)
            elif line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip().decode("utf-8", "replace")
            elif line.startswith((b"{", b"[{")) and not self._data:
                # No field of the format: a server that fails within a stream writes its error as it always does.
                self._is_bare = True
                self._add(line)
        return events

    def _add(self, data: bytes) -> None:
        self._size += len(data)
        if len(data) > self._max_line or self._size > self._max_event:
            raise OversizedEvent(f"an event of more than {self._max_event} bytes, or a line of {self._max_line}")
        self._data.append(data)

    def _take(self) -> SSEEvent:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._size = 0
        return SSEEvent(self._name, data.decode("utf-8", "replace"))
