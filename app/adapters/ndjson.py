"""An incremental parser for newline-delimited JSON, bounded in line size; it reports lines as events without a name."""

from __future__ import annotations

from app.adapters.sse import MAX_LINE, OversizedEvent, SSEEvent


class NDJSONParser:
    """Bytes in, one event per line out; empty lines are none. Lines end in LF or CRLF, wherever the reads are cut."""

    def __init__(self, *, max_line: int = MAX_LINE) -> None:
        self._max_line = max_line
        self._tail = bytearray()

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Lines that end within `data`; raises OversizedEvent."""
        end = data.rfind(b"\n")
        if end < 0:
            self._keep(data)
            return []
        lines = data[:end].split(b"\n")
        lines[0] = bytes(self._tail) + lines[0]
        self._tail.clear()
        self._keep(data[end + 1 :])
        return self._events(lines)

    def close(self) -> list[SSEEvent]:
        """The last line, where the stream ended without the newline that belongs after it."""
        lines = [bytes(self._tail)]
        self._tail.clear()
        return self._events(lines)

    def _keep(self, rest: bytes) -> None:
        self._tail += rest
        if len(self._tail) > self._max_line:
            raise OversizedEvent(f"a line of more than {self._max_line} bytes")

    def _events(self, lines: list[bytes]) -> list[SSEEvent]:
        if any(len(line) > self._max_line for line in lines):
            raise OversizedEvent(f"a line of more than {self._max_line} bytes")
        texts = (line.strip().decode("utf-8", "replace") for line in lines)
        return [SSEEvent("", text) for text in texts if text]
