"""What a body of Anthropic's wire must look like, with the path to each wrong field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.api.checks import FLAG, OBJECT, TEXT, Check, number, of, whole
from app.api.messages import FUNCTION_NAME, MAX_MESSAGES, MAX_TOOLS, kind
from app.api.model_choice import choice_violations
from app.domain.errors import Violation

MOST_STOPS: Final = 64
ROLES: Final = ("user", "assistant", "system")
_SPOKEN_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "image": ("user", "tool"),
    "tool_result": ("user",),
    "tool_use": ("assistant",),
    "thinking": ("assistant",),
    "redacted_thinking": ("assistant",),
}
"""Who may say what (`tool`: within a result); a block of an unknown type is for Anthropic to judge."""

_TEXT_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "tool_use": ("id", "name"),
    "tool_result": ("tool_use_id",),
    "thinking": ("thinking",),
    "redacted_thinking": ("data",),
}
_SOURCE_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "base64": ("media_type", "data"),
    "text": ("media_type", "data"),
    "url": ("url",),
    "file": ("file_id",),
}
_CHOICES: Final = ("auto", "any", "tool", "none")
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


def violations(body: Mapping[str, Any], *, counts: bool) -> Iterator[Violation]:
    """Everything wrong with a body. `counts`: it is for counting, and so no answer's length is asked for."""
    yield from choice_violations(body)
    if not counts and body.get("max_tokens") is None:
        yield Violation("max_tokens", "is missing")
    if body.get("messages") is None:
        yield Violation("messages", "is missing")
    else:
        yield from _messages(body["messages"], "messages")
    for name, value in body.items():
        check = PARAMETERS.get(name)
        if check is not None and value is not None:
            yield from check(value, name)


def _messages(messages: object, path: str) -> Iterator[Violation]:
    if not isinstance(messages, list):
        yield Violation(path, f"must be an array of messages, not {kind(messages)}")
        return
    if not 0 < len(messages) <= MAX_MESSAGES:
        yield Violation(path, f"holds {len(messages)} messages, 1 to {MAX_MESSAGES} are taken")
        return
    for index, message in enumerate(messages):
        yield from _message(message, f"{path}[{index}]")


def _message(message: object, path: str) -> Iterator[Violation]:
    if not isinstance(message, dict):
        yield Violation(path, f"must be an object, not {kind(message)}")
        return
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        yield Violation(f"{path}.role", f"must be one of {', '.join(ROLES)}")
    elif isinstance(content, list):
        if not content and role != "assistant":
            yield Violation(f"{path}.content", "must hold at least one block")
        yield from _blocks(content, f"{path}.content", role)
    elif not isinstance(content, str):
        yield Violation(f"{path}.content", f"must be text or an array of blocks, not {kind(content)}")


def _blocks(blocks: list[Any], path: str, role: str) -> Iterator[Violation]:
    for index, block in enumerate(blocks):
        here = f"{path}[{index}]"
        if not isinstance(block, dict):
            yield Violation(here, f"must be an object, not {kind(block)}")
        elif not isinstance(block.get("type"), str):
            yield Violation(f"{here}.type", f"must be text, not {kind(block.get('type'))}")
        elif role not in _SPOKEN_BY.get(block["type"], (role,)):
            yield Violation(f"{here}.type", f"{block['type']} is nothing that the {role} says")
        elif role == "system" and block["type"] != "text":
            yield Violation(f"{here}.type", "must be text: the system says nothing else")
        else:
            yield from _block(block, here)


def _block(block: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for name in _TEXT_FIELDS.get(block["type"], ()):
        yield from TEXT(block.get(name), f"{path}.{name}")
    match block["type"]:
        case "image" | "document":
            yield from _source(block.get("source"), f"{path}.source")
        case "tool_use":
            yield from OBJECT(block.get("input"), f"{path}.input")
        case "thinking" if block.get("signature") is not None:
            yield from TEXT(block["signature"], f"{path}.signature")
        case "tool_result":
            yield from _result(block, path)


def _source(source: object, path: str) -> Iterator[Violation]:
    if not isinstance(source, dict):
        yield Violation(path, f"must be an object, not {kind(source)}")
        return
    form = source.get("type")
    if not isinstance(form, str):
        yield Violation(f"{path}.type", f"must be text, not {kind(form)}")
        return
    for name in _SOURCE_FIELDS.get(form, ()):
        yield from TEXT(source.get(name), f"{path}.{name}")


def _result(block: Mapping[str, Any], path: str) -> Iterator[Violation]:
    content = block.get("content")
    if isinstance(content, list):
        yield from _blocks(content, f"{path}.content", "tool")
    elif content is not None and not isinstance(content, str):
        yield Violation(f"{path}.content", f"must be text or an array of blocks, not {kind(content)}")
    if block.get("is_error") is not None:
        yield from FLAG(block["is_error"], f"{path}.is_error")


def _system(system: object, path: str) -> Iterator[Violation]:
    if isinstance(system, list):
        yield from _blocks(system, path, "system")
    elif not isinstance(system, str):
        yield Violation(path, f"must be text or an array of text blocks, not {kind(system)}")


def _tools(tools: object, path: str) -> Iterator[Violation]:
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
        elif tool.get("type") is not None and not isinstance(tool["type"], str):
            yield Violation(f"{here}.type", f"must be text, not {kind(tool['type'])}")
        elif tool.get("type") in (None, "custom"):
            yield from _custom(tool, here)


def _custom(tool: Mapping[str, Any], path: str) -> Iterator[Violation]:
    name = tool.get("name")
    if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
        yield Violation(f"{path}.name", "must be 1 to 128 letters, digits, `_`, `-`, `.` or `:`")
    yield from OBJECT(tool.get("input_schema"), f"{path}.input_schema")
    if tool.get("description") is not None:
        yield from TEXT(tool["description"], f"{path}.description")


def _choice(choice: object, path: str) -> Iterator[Violation]:
    if not isinstance(choice, dict):
        yield Violation(path, f"must be an object, not {kind(choice)}")
        return
    if choice.get("type") not in _CHOICES:
        yield Violation(f"{path}.type", f"must be one of {', '.join(_CHOICES)}")
    elif choice["type"] == "tool":
        yield from TEXT(choice.get("name"), f"{path}.name")
    if choice.get("disable_parallel_tool_use") is not None:
        yield from FLAG(choice["disable_parallel_tool_use"], f"{path}.disable_parallel_tool_use")


def _thinking(thinking: object, path: str) -> Iterator[Violation]:
    if not isinstance(thinking, dict):
        yield Violation(path, f"must be an object, not {kind(thinking)}")
        return
    form = thinking.get("type")
    if form not in ("enabled", "adaptive", "disabled"):
        yield Violation(f"{path}.type", "must be one of enabled, adaptive, disabled")
    elif form == "enabled":
        yield from whole(1024, 2**31 - 1)(thinking.get("budget_tokens"), f"{path}.budget_tokens")


def _output(output: object, path: str) -> Iterator[Violation]:
    if not isinstance(output, dict):
        yield Violation(path, f"must be an object, not {kind(output)}")
        return
    if output.get("effort") is not None and output["effort"] not in _EFFORTS:
        yield Violation(f"{path}.effort", f"must be one of {', '.join(_EFFORTS)}")
    if output.get("format") is not None:
        yield from _format(output["format"], f"{path}.format")


def _format(wanted: object, path: str) -> Iterator[Violation]:
    if not isinstance(wanted, dict):
        yield Violation(path, f"must be an object, not {kind(wanted)}")
    elif wanted.get("type") != "json_schema":
        yield Violation(f"{path}.type", "must be json_schema")
    else:
        yield from OBJECT(wanted.get("schema"), f"{path}.schema")


def _stops(stops: object, path: str) -> Iterator[Violation]:
    if not isinstance(stops, list) or len(stops) > MOST_STOPS or not all(isinstance(stop, str) for stop in stops):
        yield Violation(path, f"must be an array of at most {MOST_STOPS} texts")


def _metadata(metadata: object, path: str) -> Iterator[Violation]:
    if not isinstance(metadata, dict):
        yield Violation(path, f"must be an object, not {kind(metadata)}")
    elif metadata.get("user_id") is not None:
        yield from TEXT(metadata["user_id"], f"{path}.user_id")


PARAMETERS: Final[Mapping[str, Check]] = {
    "max_tokens": whole(0, 2**31 - 1),
    "mcp_servers": of(list, "an array"),
    "metadata": _metadata,
    "output_config": _output,
    "output_format": _format,
    "service_tier": TEXT,
    "stop_sequences": _stops,
    "stream": FLAG,
    "system": _system,
    "temperature": number(0, 1),
    "thinking": _thinking,
    "tool_choice": _choice,
    "tools": _tools,
    "top_k": whole(0, 2**31 - 1),
    "top_p": number(0, 1),
}
"""What is known of parameters; null is absent, and an unknown parameter is for Anthropic to judge."""
