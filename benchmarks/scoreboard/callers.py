"""Those who ask the gateway, over HTTP alone, and read its answers as any client would."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.markets import market
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, content, events


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: `text` is what the model is said to have said, `is_whole` whether it was given as complete."""

    seconds: float
    status: int
    text: str = ""
    code: str = ""
    is_whole: bool = False
    attempts: int = 0
    body: Any = None

    def is_good(self, wanted: str) -> bool:
        """Whether it is the whole answer that was wanted."""
        return self.status == 200 and self.is_whole and self.text == wanted

    def is_wrong(self, wanted: str) -> bool:
        """Whether it was given as a success and says something else than it should."""
        return self.status == 200 and self.is_whole and self.text != wanted


def chat(gateway: Service, model: str | None = None, **fields: object) -> Reply:
    """One `POST /chat`, whole."""
    said = {"model": model} if model else {}
    began = time.perf_counter()
    answer = gateway.client.post("/chat", json={"messages": HELLO, **said, **fields})
    seconds = time.perf_counter() - began
    body = answer.json()
    if answer.status_code != 200:
        return Reply(seconds, answer.status_code, code=body["error"]["code"], attempts=_attempts(answer), body=body)
    return Reply(seconds, 200, body["content"], is_whole=True, attempts=_attempts(answer), body=body)


def stream(gateway: Service, model: str, *, policy: str | None = None, deadline_ms: int | None = None) -> Reply:
    """One streamed `POST /v1/chat/completions`, read to its end."""
    headers = {"x-outcry-policy": policy} if policy else {}
    if deadline_ms is not None:
        headers["x-outcry-deadline-ms"] = str(deadline_ms)
    body = {"model": model, "messages": HELLO, "stream": True}
    began = time.perf_counter()
    with gateway.client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        if answer.status_code != 200:
            code = json.loads(answer.read())["error"]["code"]
            return Reply(time.perf_counter() - began, answer.status_code, code=code, attempts=_attempts(answer))
        try:
            seen = list(events(answer))
        except httpx.HTTPError as error:
            return Reply(time.perf_counter() - began, 200, code=type(error).__name__, attempts=_attempts(answer))
    seconds = time.perf_counter() - began
    is_whole = bool(seen) and seen[-1].data == "[DONE]"
    codes = [e.data["error"]["code"] for e in seen if isinstance(e.data, dict) and "error" in e.data]
    return Reply(seconds, 200, content(seen), "".join(codes[:1]), is_whole=is_whole, attempts=_attempts(answer))


def decision(gateway: Service, models: list[str], deadline_ms: int) -> Reply:
    """One `POST /decisions` that waits for every member."""
    body = {"symbol": "BTC/USDT", "market": market(), "models": models, "settle": "all", "deadline_ms": deadline_ms}
    began = time.perf_counter()
    answer = gateway.client.post("/decisions", json=body)
    seconds = time.perf_counter() - began
    said = answer.json()
    code = said["error"]["code"] if answer.status_code != 200 else ""
    return Reply(seconds, answer.status_code, code=code, is_whole=answer.status_code == 200, body=said)


def crowd(ask: Callable[[int], Reply], requests: int, *, at_once: int = 8) -> list[Reply]:
    """So many requests, by so many callers at once; each caller asks again as soon as it has its answer."""
    with ThreadPoolExecutor(at_once) as callers:
        return list(callers.map(ask, range(requests)))


def together(asks: Iterable[Callable[[], Reply]]) -> list[Reply]:
    """All at the same moment; replies in the order of the asks."""
    waiting = list(asks)
    with ThreadPoolExecutor(max(len(waiting), 1)) as callers:
        return [future.result() for future in [callers.submit(ask) for ask in waiting]]


def posted(path: str, body: dict[str, Any]) -> bytes:
    """A request as bytes, for callers who do not behave like a client."""
    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(text)}"
    return head.encode() + b"\r\n\r\n" + text


def dial(gateway: Service, request: bytes, *, receive_buffer: int | None = None) -> socket.socket:
    """A connection on which this was said; who called decides whether to listen."""
    caller = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if receive_buffer is not None:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    caller.settimeout(30)
    caller.connect(("127.0.0.1", gateway.port))
    caller.sendall(request)
    return caller


def _attempts(answer: httpx.Response) -> int:
    return int(answer.headers.get("x-outcry-attempts", "0"))
