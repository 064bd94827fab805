"""A real tool on loopback: takes POSTs on a thread per connection, and misbehaves by the path it is called at."""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

PATIENCE = 10.0
HUGE = 200_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as it arrived; header names are lower-case."""

    path: str
    headers: dict[str, str]
    arguments: Any


class ToolServer:
    """A tool per path.

    `/price` answers `{"price": 64231.5}`, `/echo` with its headers, `/fail` 500, `/refuse` 404, `/huge` 200 kB,
    `/redirect` 302 to `/price`, `/empty` 204; `/together` waits until three are there, `/slow` says nothing until
    `let_go`, `/reset`
    resets the connection.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self.together = 0
        """Most calls of `/together` that were under way at once."""
        self.let_go = threading.Event()
        self._under_way = 0
        self._changed = threading.Condition()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server._serve(self)

            def log_request(self, code: Any = "-", size: Any = "-") -> None:
                """Nothing: the tests look at `asked`."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[socket.socket, Any]:
                server.connections += 1
                return super().get_request()

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A gateway that hangs up is no error here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> ToolServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str) -> str:
        """Where a behaviour is."""
        return f"http://{self.host}/{path}"

    def wait_until_asked(self, times: int = 1) -> bool:
        """Whether so many calls arrived in time."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.asked) >= times, PATIENCE)

    def forget(self) -> None:
        """As if nobody had asked anything."""
        self.asked.clear()
        self.connections = self.together = 0

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._changed:
            self.asked.append(Asked(handler.path, headers, json.loads(body)))
            self._changed.notify_all()
        self._answer(handler, headers)

    def _answer(self, handler: BaseHTTPRequestHandler, headers: dict[str, str]) -> None:
        match handler.path.strip("/"):
            case "price":
                _say(handler, 200, json.dumps({"price": 64231.5}))
            case "together":
                self._meet()
                _say(handler, 200, "all three were here at once")
            case "echo":
                _say(handler, 200, json.dumps(headers))
            case "fail":
                _say(handler, 500, "boom with the key sk-secretsecret1234")
            case "refuse":
                _say(handler, 404, "no such symbol")
            case "huge":
                _say(handler, 200, "x" * HUGE)
            case "redirect":
                _say(handler, 302, "", location=self.url("price"))
            case "empty":
                _say(handler, 204, "")
            case "slow":
                self.let_go.wait(PATIENCE)
                _say(handler, 200, "too late")
            case "reset":
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                handler.connection.close()
                handler.close_connection = True

    def _meet(self) -> None:
        with self._changed:
            self._under_way += 1
            self.together = max(self.together, self._under_way)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.together >= 3, PATIENCE)
            self._under_way -= 1


def _say(handler: BaseHTTPRequestHandler, status: int, text: str, **headers: str) -> None:
    body = text.encode()
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    if status != 204:
        handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
