"""A mock provider's model: does what a cooperative model would, by reading the request in any dialect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.behaviours import Answer, Behaviour, Embed, Status, ToolCall
from tests.upstream import Received

SAID = "buy the dip"
PICTURES = {"image_url", "image", "input_image"}


def respond(request: Received) -> Behaviour:
    """Calls the tools it is given one after the other, fills the schema it is given, else says the same old thing."""
    body = request.body or {}
    if request.path.endswith("/embeddings"):
        return Embed()
    if request.path.endswith("/count_tokens"):
        return Status(200, json.dumps({"input_tokens": 11}))
    messages = _messages(body)
    spoken = _text(messages[-1:])
    if failing := re.search(r"fail with (\d{3})", spoken):
        return Status(int(failing[1]), message="scripted refusal")
    if _shows_picture(messages[-1]):
        return Answer("a small picture")
    results = list(_results(messages))
    if tool := _next_tool(body, len(results)):
        name, parameters = tool
        return Answer("", tool_calls=(ToolCall(name, json.dumps(filled(parameters)), id=f"call_{len(results) + 1}"),))
    if schema := _schema(body):
        return Answer(json.dumps(filled(schema)))
    if "json" in _text([*messages, {"content": body.get("system")}]).lower():
        return Answer(json.dumps({"action": "BUY", "confidence": 0.5, "reasons": ["BTC/USDT"]}))
    return Answer(f"the price is {results[-1]}" if results else SAID)


def filled(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """A value that this JSON schema allows; always the same one."""
    root = root or schema
    if reference := schema.get("$ref"):
        node: Any = root
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        return filled(node, root)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return filled(schema[choice][0], root)
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    match schema.get("type", "object"):
        case "object":
            return {name: filled(each, root) for name, each in schema.get("properties", {}).items()}
        case "array":
            return [filled(schema.get("items", {"type": "string"}), root)]
        case "string":
            return "BTC/USDT"
        case "number":
            return 0.5
        case "integer":
            return 1
        case "boolean":
            return True
        case _:
            return None


def _messages(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Chat's and Anthropic's `messages`, or the Responses API's `input` with its `instructions`."""
    if "messages" in body:
        return list(body["messages"])
    said = body.get("input", "")
    items = [{"role": "user", "content": said}] if isinstance(said, str) else list(said)
    return [{"role": "system", "content": body.get("instructions") or ""}, *items]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _text(value.get("text") or value.get("content"))
    return "\n".join(_text(each) for each in value or ())


def _results(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        if message.get("role") == "tool":
            yield _text(message.get("content"))
        elif message.get("type") == "function_call_output":
            yield _text(message.get("output"))
        elif isinstance(content := message.get("content"), list):
            yield from (_text(part.get("content")) for part in content if part.get("type") == "tool_result")


def _shows_picture(message: Mapping[str, Any]) -> bool:
    parts = message.get("content")
    return isinstance(parts, list) and any(part.get("type") in PICTURES for part in parts)


def _next_tool(body: Mapping[str, Any], called: int) -> tuple[str, Mapping[str, Any]] | None:
    """The tool that is demanded, else the first one that was not called yet."""
    tools = [_tool(each) for each in body.get("tools") or ()]
    choice = body.get("tool_choice")
    if choice in ("none", {"type": "none"}) or not tools:
        return None
    demanded = _demanded(choice)
    for tool in tools:
        if tool[0] == demanded:
            return tool
    return tools[called] if called < len(tools) else None


def _tool(tool: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    inner = tool.get("function", tool)
    return inner["name"], inner.get("parameters") or inner.get("input_schema") or {}


def _demanded(choice: Any) -> str | None:
    if not isinstance(choice, Mapping):
        return None
    name = choice.get("function", choice).get("name")
    return name if isinstance(name, str) else None


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of a structured answer, wherever the dialect puts it."""
    asked = body.get("response_format") or (body.get("text") or {}).get("format") or {}
    asked = asked or (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    schema = asked.get("json_schema", asked).get("schema")
    return schema if isinstance(schema, Mapping) else None
