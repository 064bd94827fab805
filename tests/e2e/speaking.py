"""What the end-to-end tests say to a gateway, and how they read what it says back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.upstream import Upstream

HELLO = [{"role": "user", "content": "hello"}]
# Breakers and budgets that stay out of the way of tests that are about something else.
PATIENT = {"OUTCRY_BREAKER__FAILURES": "100000", "OUTCRY_BREAKER__MINIMUM": "100000"}


def provider(name: str, upstream: Upstream, **settings: Any) -> dict[str, Any]:
    """A provider file's entry for a scripted upstream, speaking OpenAI's dialect unless told otherwise."""
    return {
        "name": name,
        "provider_type": "openai_compatible",
        "api_key": f"sk-{name}-0123456789abcdef",
        "base_url": upstream.url,
        "models": [f"{name}-1"],
        **settings,
    }


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event; `data` is the JSON it carried, or the text when it is none."""

    name: str
    data: Any


def events(response: httpx.Response) -> Iterator[Event]:
    """The events of a response that is being streamed."""
    name, data = "message", list[str]()
    for line in response.iter_lines():
        if line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").strip())
        elif not line and data:
            yield Event(name, _read("\n".join(data)))
            name, data = "message", []


def streamed(client: httpx.Client, path: str, body: Mapping[str, Any], **options: Any) -> list[Event]:
    """Every event of a streamed answer."""
    with client.stream("POST", path, json={**body, "stream": True}, **options) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events(response))


def error_of(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of a response that must be this one, in the one shape that every error has."""
    body = response.json()
    assert (response.status_code, body["error"]["code"]) == (status, code), body
    assert body["error"]["message"]
    assert isinstance(body["error"]["type"], str)
    assert "param" in body["error"]
    assert body["request_id"] == response.headers["x-request-id"]
    error: dict[str, Any] = body["error"]
    return error


def content(seen: list[Event]) -> str:
    """What a stream of Chat Completions said."""
    chunks = [event.data for event in seen if isinstance(event.data, dict)]
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c.get("choices"))


def metrics(client: httpx.Client) -> dict[str, float]:
    """Every sample of /metrics by its name with labels, as the text has it."""
    text = client.get("/metrics").text
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


def total(samples: Mapping[str, float], name: str, **labels: str) -> float:
    """The sum of a metric's samples that bear these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(
        value
        for sample, value in samples.items()
        if sample.partition("{")[0] == name and all(label in sample for label in wanted)
    )


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether this came true in time; asked again and again, over real sockets."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
