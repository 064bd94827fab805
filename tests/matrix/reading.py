"""What a client of each inbound wire reads out of an answer, whole or streamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tests.api.speaking import events_of

JSON = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """An answer: its text, its calls as name and arguments, why it ended, and the tokens of the prompt."""

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    finish: str | None = None
    prompt_tokens: int = 0
    ids: tuple[str, ...] = ()


_STOPS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter"}


def _called(calls: list[JSON]) -> JSON:
    functions = [call["function"] for call in calls]
    return {
        "calls": tuple((function["name"], orjson.loads(function["arguments"])) for function in functions),
        "ids": tuple(call["id"] for call in calls),
    }


def _chat_completion(body: JSON) -> Heard:
    choice = body["choices"][0]
    message = choice["message"]
    calls = _called(message.get("tool_calls") or [])
    return Heard(
        message["content"] or "",
        finish=choice["finish_reason"],
        prompt_tokens=body["usage"]["prompt_tokens"],
        **calls,
    )


def _chat_chunks(events: list[tuple[str, Any]]) -> Heard:
    assert events[-1][1] == "[DONE]"
    chunks = [chunk for _, chunk in events[:-1]]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    calls: dict[int, JSON] = {}
    for choice in choices:
        for piece in choice["delta"].get("tool_calls") or ():
            call = calls.setdefault(piece["index"], {"function": {"name": "", "arguments": ""}})
            call["id"] = call.get("id") or piece.get("id")
            for name, text in piece["function"].items():
                call["function"][name] += text or ""
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    finish = next(choice["finish_reason"] for choice in choices if choice["finish_reason"])
    usage = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    return Heard(text, finish=finish, prompt_tokens=usage[-1]["prompt_tokens"], **_called(list(calls.values())))


def _response(body: JSON) -> Heard:
    assert body["status"] in ("completed", "incomplete"), body
    parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    return Heard(
        "".join(part["text"] for part in parts if part["type"] == "output_text"),
        tuple((call["name"], orjson.loads(call["arguments"])) for call in calls),
        "tool_calls" if calls else "stop",
        body["usage"]["input_tokens"],
        tuple(call["call_id"] for call in calls),
    )


def _response_events(events: list[tuple[str, Any]]) -> Heard:
    assert [event["type"] for _, event in events] == [name for name, _ in events]
    heard = _response(events[-1][1]["response"])
    said = "".join(event["delta"] for name, event in events if name == "response.output_text.delta")
    assert said == heard.text
    return heard


def _message(body: JSON) -> Heard:
    uses = [block for block in body["content"] if block["type"] == "tool_use"]
    usage = body["usage"]
    read = (usage.get(name) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens"))
    return Heard(
        "".join(block["text"] for block in body["content"] if block["type"] == "text"),
        tuple((use["name"], use["input"]) for use in uses),
        _STOPS[body["stop_reason"]],
        usage["input_tokens"] + sum(read),
        tuple(use["id"] for use in uses),
    )


def _message_events(events: list[tuple[str, Any]]) -> Heard:
    message: JSON = {}
    blocks: dict[int, JSON] = {}
    inputs: dict[int, str] = {}
    for name, event in events:
        match name:
            case "message_start":
                message = event["message"]
            case "content_block_start":
                blocks[event["index"]] = event["content_block"]
            case "content_block_delta":
                delta = event["delta"]
                if delta["type"] == "text_delta":
                    blocks[event["index"]]["text"] += delta["text"]
                elif delta["type"] == "input_json_delta":
                    inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    assert events[-1][0] == "message_stop"
    for index, text in inputs.items():
        blocks[index]["input"] = orjson.loads(text or "{}")
    return _message(message | {"content": [blocks[index] for index in sorted(blocks)]})


def _native(body: JSON) -> Heard:
    tokens = body["usage"]["input_tokens"]
    return Heard(
        body["content"] or "", finish=body["finish_reason"], prompt_tokens=tokens, **_called(body["tool_calls"])
    )


def _native_events(events: list[tuple[str, Any]]) -> Heard:
    said = [event for name, event in events if name == "delta"]
    text = "".join(event["text"] for event in said if event["type"] == "content")
    assert events[-1][0] == "done"
    return _native(events[-1][1] | {"content": text})


_WHOLE: Mapping[str, Callable[[JSON], Heard]] = {
    "chat_completions": _chat_completion,
    "responses": _response,
    "messages": _message,
    "chat": _native,
}
_STREAMED: Mapping[str, Callable[[list[tuple[str, Any]]], Heard]] = {
    "chat_completions": _chat_chunks,
    "responses": _response_events,
    "messages": _message_events,
    "chat": _native_events,
}


def heard(wire: str, text: str, *, streamed: bool) -> Heard:
    """The answer in a body."""
    return _STREAMED[wire](events_of(text)) if streamed else _WHOLE[wire](orjson.loads(text))


def warnings_of(wire: str, headers: Mapping[str, str], text: str, *, streamed: bool) -> list[str]:
    """The warnings that came with an answer."""
    if wire != "chat":
        return [each for each in headers.get("x-outcry-warnings", "").split("; ") if each]
    body: JSON = events_of(text)[-1][1] if streamed else orjson.loads(text)
    return list(body["warnings"])
