"""What the edge's tests say, and how they read what comes back."""

from __future__ import annotations

import json
from typing import Any

import httpx

HELLO: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]
V1 = "/v1/chat/completions"


def openai_body(**more: Any) -> dict[str, Any]:
    """A body of OpenAI's wire."""
    return {"model": "auto", "messages": HELLO, **more}


def native_body(**more: Any) -> dict[str, Any]:
    """A body of the native chat."""
    return {"messages": HELLO, **more}


def error_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of an answer that must be this one."""
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (status, code), body
    assert body["request_id"] == response.headers["x-request-id"]
    assert set(body["error"]) >= {"message", "type", "param", "code"}
    error: dict[str, Any] = body["error"]
    return error


def events_of(text: str) -> list[tuple[str, Any]]:
    """The events of a stream by name; `[DONE]` stays text, comments are left out."""
    found: list[tuple[str, Any]] = []
    for block in text.split("\n\n"):
        name = "message"
        for line in block.split("\n"):
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
                found.append((name, data if data == "[DONE]" else json.loads(data)))
    return found
