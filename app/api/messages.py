"""What a chat's messages and tools must look like, on every surface."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from app.domain.errors import Violation

MAX_MESSAGES = 1_024
MAX_TOOLS = 128
ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
FUNCTION_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def message_violations(messages: object, path: str = "messages") -> Iterator[Violation]:
    """Everything wrong with the messages of a body, with the path to it."""
    if not isinstance(messages, list):
        yield Violation(path, f"must be an array of messages, not {kind(messages)}")
        return
    if not messages:
        yield Violation(path, "must hold at least one message")
    if len(messages) > MAX_MESSAGES:
        yield Violation(path, f"holds {len(messages)} messages, at most {MAX_MESSAGES} are taken")
        return
    for index, message in enumerate(messages):
        yield from _message(message, f"{path}[{index}]")


def _message(message: object, path: str) -> Iterator[Violation]:
    if not isinstance(message, dict):
        yield Violation(path, f"must be an object, not {kind(message)}")
        return
    role = message.get("role")
    if role not in ROLES:
        yield Violation(f"{path}.role", f"must be one of {', '.join(ROLES)}")
        return
    content = message.get("content")
    if content is None:
        if role != "assistant":
            yield Violation(f"{path}.content", "must be text or an array of parts")
    elif isinstance(content, list):
        yield from _parts(content, f"{path}.content")
    elif not isinstance(content, str):
        yield Violation(f"{path}.content", f"must be text or an array of parts, not {kind(content)}")
    if message.get("tool_calls") is not None:
        yield from _tool_calls(message["tool_calls"], f"{path}.tool_calls")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        yield Violation(f"{path}.tool_call_id", "must be the id of the call that this answers")
    if message.get("name") is not None and not isinstance(message["name"], str):
        yield Violation(f"{path}.name", f"must be text, not {kind(message['name'])}")


def _parts(parts: list[Any], path: str) -> Iterator[Violation]:
    if not parts:
        yield Violation(path, "must hold at least one part")
    for index, part in enumerate(parts):
        here = f"{path}[{index}]"
        if not isinstance(part, dict):
            yield Violation(here, f"must be an object, not {kind(part)}")
        elif not isinstance(part.get("type"), str):
            yield Violation(f"{here}.type", f"must be text, not {kind(part.get('type'))}")
        elif part["type"] in ("text", "refusal"):
            yield from _is_text(part.get(part["type"]), f"{here}.{part['type']}")
        elif part["type"] == "image_url":
            yield from _image(part.get("image_url"), f"{here}.image_url")


def _image(image: object, path: str) -> Iterator[Violation]:
    if not isinstance(image, dict):
        yield Violation(path, f"must be an object with a url, not {kind(image)}")
    else:
        yield from _is_text(image.get("url"), f"{path}.url")


def _tool_calls(calls: object, path: str) -> Iterator[Violation]:
    if not isinstance(calls, list):
        yield Violation(path, f"must be an array, not {kind(calls)}")
        return
    for index, call in enumerate(calls):
        here = f"{path}[{index}]"
        if not isinstance(call, dict):
            yield Violation(here, f"must be an object, not {kind(call)}")
            continue
        yield from _is_text(call.get("id"), f"{here}.id")
        if call.get("type", "function") == "function":
            yield from _called_function(call.get("function"), f"{here}.function")


def _called_function(function: object, path: str) -> Iterator[Violation]:
    if not isinstance(function, dict):
        yield Violation(path, f"must be an object, not {kind(function)}")
        return
    yield from _is_text(function.get("name"), f"{path}.name")
    yield from _is_text(function.get("arguments"), f"{path}.arguments")


def tool_violations(tools: object, path: str = "tools") -> Iterator[Violation]:
    """Everything wrong with the tools of a body."""
    if not isinstance(tools, list):
        yield Violation(path, f"must be an array of tools, not {kind(tools)}")
        return
    if len(tools) > MAX_TOOLS:
        yield Violation(path, f"holds {len(tools)} tools, at most {MAX_TOOLS} are taken")
        return
    for index, tool in enumerate(tools):
        here = f"{path}[{index}]"
        if not isinstance(tool, dict):
            yield Violation(here, f"must be an object, not {kind(tool)}")
        elif not isinstance(tool.get("type"), str):
            yield Violation(f"{here}.type", f"must be text, not {kind(tool.get('type'))}")
        elif tool["type"] == "function":
            yield from _offered_function(tool.get("function"), f"{here}.function")


def _offered_function(function: object, path: str) -> Iterator[Violation]:
    if not isinstance(function, dict):
        yield Violation(path, f"must be an object, not {kind(function)}")
        return
    name = function.get("name")
    if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
        yield Violation(f"{path}.name", "must be 1 to 128 letters, digits, `_`, `-`, `.` or `:`")
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        yield Violation(f"{path}.parameters", f"must be a JSON schema, not {kind(parameters)}")


def format_violations(wanted: object, path: str = "response_format") -> Iterator[Violation]:
    """Everything wrong with a response format."""
    if not isinstance(wanted, dict):
        yield Violation(path, f"must be an object, not {kind(wanted)}")
        return
    form = wanted.get("type")
    if form not in ("text", "json_object", "json_schema"):
        yield Violation(f"{path}.type", "must be one of text, json_object, json_schema")
    if form != "json_schema":
        return
    schema = wanted.get("json_schema")
    if not isinstance(schema, dict):
        yield Violation(f"{path}.json_schema", f"must be an object, not {kind(schema)}")
        return
    yield from _is_text(schema.get("name"), f"{path}.json_schema.name")
    if schema.get("schema") is not None and not isinstance(schema["schema"], dict):
        yield Violation(f"{path}.json_schema.schema", f"must be a JSON schema, not {kind(schema['schema'])}")


def _is_text(value: object, path: str) -> Iterator[Violation]:
    if not isinstance(value, str):
        yield Violation(path, f"must be text, not {kind(value)}")


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null or absent"
    names: dict[type, str] = {bool: "a boolean", str: "text", list: "an array", dict: "an object"}
    return names.get(type(value), "a number")
