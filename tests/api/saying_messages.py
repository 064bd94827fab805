"""Canonical chats in the words of Anthropic's wire, as a client that replays what it was answered says them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app.api.anthropic_answer import content_of
from app.api.anthropic_checks import violations
from app.api.anthropic_wire import request_of
from app.domain.chat import ChatRequest
from tests.api.conversations import JSON

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def as_messages(messages: Sequence[JSON], given: Mapping[str, Any]) -> JSON:
    """A body of the wire; the assistant's turns through our own renderer."""
    body: JSON = {"model": "auto", "max_tokens": 64, "messages": []}
    for message in messages:
        match message["role"]:
            case "system":
                body["system"] = message["content"]
            case "user":
                body["messages"].append({"role": "user", "content": _blocks(message["content"])})
            case "tool":
                result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
                body["messages"].append({"role": "user", "content": [result]})
            case _:
                body["messages"].append({"role": "assistant", "content": content_of(message)})
    return body | _parameters(given)


def read_messages(body: JSON) -> ChatRequest:
    """What the edge makes of a body, which it must find nothing wrong with."""
    body = orjson.loads(orjson.dumps(body))
    assert list(violations(body, counts=False)) == []
    return request_of(body, {})


def sayable(request: ChatRequest) -> ChatRequest:
    """The request without what the wire has no words for: it asks for a length, and names no schema.

    What was thought before a signature is the signed text.
    """
    parameters = dict(request.parameters)
    parameters["max_tokens"] = parameters.pop("max_completion_tokens", parameters.get("max_tokens", 64))
    if "response_format" in parameters:
        schema = parameters["response_format"]["json_schema"]["schema"]
        parameters["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return ChatRequest([_signed(message) for message in request.messages], parameters)


def _signed(message: JSON) -> JSON:
    signed = [each["thinking"] for each in message.get("reasoning_details", ()) if each["type"] == "thinking"]
    return message | {"reasoning_content": "".join(signed)} if signed else message


def _blocks(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [part if part["type"] == "text" else _image(part["image_url"]["url"]) for part in content]


def _image(url: str) -> JSON:
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    kind, data = url.removeprefix("data:").split(";base64,")
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def _parameters(given: Mapping[str, Any]) -> JSON:
    body: JSON = {name: given[name] for name in ("temperature", "top_p", "max_tokens") if name in given}
    if "max_completion_tokens" in given:
        body["max_tokens"] = given["max_completion_tokens"]
    if "tools" in given:
        body["tools"] = [_tool(tool["function"]) for tool in given["tools"]]
    if "tool_choice" in given:
        body["tool_choice"] = _choice(given["tool_choice"])
        body["tool_choice"]["disable_parallel_tool_use"] = not given["parallel_tool_calls"]
    if "response_format" in given:
        schema = given["response_format"]["json_schema"]["schema"]
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return body


def _tool(function: JSON) -> JSON:
    return {"name": function["name"], "description": function["description"], "input_schema": function["parameters"]}


def _choice(choice: Any) -> JSON:
    return (
        {"type": _CHOICES[choice]} if isinstance(choice, str) else {"type": "tool", "name": choice["function"]["name"]}
    )
