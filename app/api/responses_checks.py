"""What a body of the Responses wire must look like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.api.checks import FLAG, OBJECT, TEXT, Check, number, of, whole
from app.api.messages import FUNCTION_NAME, MAX_TOOLS, kind
from app.api.model_choice import choice_violations
from app.api.responses_items import TEXT_PARTS, item_kind
from app.domain.errors import Violation

MAX_ITEMS: Final = 4_096
_ROLES: Final = ("user", "assistant", "system", "developer")
_PARTS: Final = ("input_text", "input_image", "input_file", "input_audio", "output_text", "refusal")
_FORMATS: Final = ("text", "json_object", "json_schema")
_STATELESS: Final = "is not taken: Outcry keeps no conversations, so send the whole input with each request"
_CALLS: Final = {
    "function_call": ("call_id", "name", "arguments"),
    "custom_tool_call": ("call_id", "name", "input"),
    "function_call_output": ("call_id",),
    "custom_tool_call_output": ("call_id",),
}


def unsupported(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Fields that would need a memory of earlier answers, or an answer after the answer."""
    for name in ("previous_response_id", "conversation"):
        if body.get(name) is not None:
            yield Violation(name, _STATELESS)
    if body.get("background") is True:
        yield Violation("background", f"{_STATELESS}, and wait for its answer")
    if body.get("prompt") is not None:
        yield Violation("prompt", "is not taken: Outcry keeps no prompt templates, so send instructions and input")
    items = body.get("input")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and item_kind(item) == "item_reference":
            yield Violation(f"input[{index}]", f"is a reference to an earlier item, which {_STATELESS}")


def violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Everything wrong with a body, in the order of its importance."""
    yield from choice_violations(body)
    yield from _input(body.get("input"))
    for name, value in body.items():
        check = PARAMETERS.get(name)
        if check is not None and value is not None:
            yield from check(value, name)


def _input(stated: object) -> Iterator[Violation]:
    if isinstance(stated, str):
        return
    if not isinstance(stated, list):
        yield Violation("input", f"must be text or an array of items, not {kind(stated)}")
        return
    if not stated:
        yield Violation("input", "must hold at least one item")
    if len(stated) > MAX_ITEMS:
        yield Violation("input", f"holds {len(stated)} items, at most {MAX_ITEMS} are taken")
        return
    for index, item in enumerate(stated):
        path = f"input[{index}]"
        if isinstance(item, dict):
            yield from _item(item, path)
        else:
            yield Violation(path, f"must be an object, not {kind(item)}")


def _item(item: Mapping[str, Any], path: str) -> Iterator[Violation]:
    form = item_kind(item)
    if not form:
        yield Violation(f"{path}.type", f"must be text, not {kind(item.get('type'))}")
    elif form == "message":
        if item.get("role") not in _ROLES:
            yield Violation(f"{path}.role", f"must be one of {', '.join(_ROLES)}")
        else:
            yield from _content(item.get("content"), f"{path}.content", spoken=item["role"] == "assistant")
    for name in _CALLS.get(form, ()):
        yield from TEXT(item.get(name), f"{path}.{name}")
    if form in ("function_call_output", "custom_tool_call_output"):
        yield from _content(item.get("output"), f"{path}.output")


def _content(content: object, path: str, *, spoken: bool = False) -> Iterator[Violation]:
    """`spoken` by the assistant: text and refusals only."""
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        yield Violation(path, f"must be text or an array of parts, not {kind(content)}")
        return
    if not content:
        yield Violation(path, "must hold at least one part")
    for index, part in enumerate(content):
        here = f"{path}[{index}]"
        if isinstance(part, dict):
            yield from _part(part, here, (*TEXT_PARTS, "refusal") if spoken else _PARTS[:-1])
        else:
            yield Violation(here, f"must be an object, not {kind(part)}")


def _part(part: Mapping[str, Any], path: str, allowed: tuple[str, ...]) -> Iterator[Violation]:
    match part.get("type"):
        case str(form) if form not in allowed:
            yield Violation(f"{path}.type", f"must be one of {', '.join(allowed)}")
        case "input_text" | "output_text":
            yield from TEXT(part.get("text"), f"{path}.text")
        case "refusal":
            yield from TEXT(part.get("refusal"), f"{path}.refusal")
        case "input_image":
            yield from _one_of(part, ("image_url", "file_id"), path)
        case "input_file":
            yield from _one_of(part, ("file_data", "file_id", "file_url"), path)
        case "input_audio":
            yield from OBJECT(part.get("input_audio"), f"{path}.input_audio")
        case other:
            yield Violation(f"{path}.type", f"must be text, not {kind(other)}")


def _one_of(part: Mapping[str, Any], names: tuple[str, ...], path: str) -> Iterator[Violation]:
    given = [name for name in names if part.get(name) is not None]
    if not given:
        yield Violation(f"{path}.{names[0]}", f"is missing (or one of {', '.join(names[1:])})")
    for name in given:
        yield from TEXT(part[name], f"{path}.{name}")


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
        elif not isinstance(tool.get("type"), str):
            yield Violation(f"{here}.type", f"must be text, not {kind(tool.get('type'))}")
        elif tool["type"] in ("function", "custom"):
            yield from _offered(tool, here)


def _offered(tool: Mapping[str, Any], path: str) -> Iterator[Violation]:
    name = tool.get("name")
    if not isinstance(name, str) or not FUNCTION_NAME.fullmatch(name):
        yield Violation(f"{path}.name", "must be 1 to 128 letters, digits, `_`, `-`, `.` or `:`")
    for field in ("parameters", "format"):
        if tool.get(field) is not None:
            yield from OBJECT(tool[field], f"{path}.{field}")


def _tool_choice(choice: object, path: str) -> Iterator[Violation]:
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            yield Violation(path, "must be one of none, auto, required, or an object")
    elif not isinstance(choice, dict):
        yield Violation(path, f"must be text or an object, not {kind(choice)}")
    elif not isinstance(choice.get("type"), str):
        yield Violation(f"{path}.type", f"must be text, not {kind(choice.get('type'))}")
    elif choice["type"] in ("function", "custom"):
        yield from TEXT(choice.get("name"), f"{path}.name")
    elif choice["type"] == "allowed_tools":
        if choice.get("mode") not in ("auto", "required"):
            yield Violation(f"{path}.mode", "must be one of auto, required")
        tools = choice.get("tools")
        if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
            yield Violation(f"{path}.tools", "must be an array of objects")


def _text(text: object, path: str) -> Iterator[Violation]:
    if not isinstance(text, dict):
        yield Violation(path, f"must be an object, not {kind(text)}")
        return
    if text.get("verbosity") is not None:
        yield from TEXT(text["verbosity"], f"{path}.verbosity")
    wanted, here = text.get("format"), f"{path}.format"
    if wanted is None:
        return
    if not isinstance(wanted, dict):
        yield Violation(here, f"must be an object, not {kind(wanted)}")
    elif wanted.get("type") not in _FORMATS:
        yield Violation(f"{here}.type", f"must be one of {', '.join(_FORMATS)}")
    elif wanted["type"] == "json_schema":
        yield from TEXT(wanted.get("name"), f"{here}.name")
        yield from OBJECT(wanted.get("schema"), f"{here}.schema")


def _reasoning(reasoning: object, path: str) -> Iterator[Violation]:
    if not isinstance(reasoning, dict):
        yield Violation(path, f"must be an object, not {kind(reasoning)}")
    elif reasoning.get("effort") is not None:
        yield from TEXT(reasoning["effort"], f"{path}.effort")


def _texts(value: object, path: str) -> Iterator[Violation]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        yield Violation(path, "must be an array of texts")


PARAMETERS: Final[Mapping[str, Check]] = {
    "background": FLAG,
    "include": _texts,
    "instructions": TEXT,
    "max_output_tokens": whole(1, 2**31 - 1),
    "max_tool_calls": whole(1, 2**31 - 1),
    "metadata": OBJECT,
    "parallel_tool_calls": FLAG,
    "prompt_cache_key": TEXT,
    "prompt_cache_retention": TEXT,
    "reasoning": _reasoning,
    "safety_identifier": TEXT,
    "service_tier": TEXT,
    "store": FLAG,
    "stream": FLAG,
    "stream_options": OBJECT,
    "temperature": number(0, 2),
    "text": _text,
    "tool_choice": _tool_choice,
    "tools": _tools,
    "top_logprobs": whole(0, 20),
    "top_p": number(0, 1),
    "truncation": of(str, "text"),
    "user": TEXT,
}
"""What is known of parameters; null is absent."""
