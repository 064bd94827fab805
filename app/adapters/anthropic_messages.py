"""Messages of OpenAI's shape as Anthropic wants them: system apart, tool results first, images as blocks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from app.adapters.anthropic_parts import blocks_of_parts, text_blocks
from app.adapters.codec import bad_request, unsupported
from app.domain.chat import JSON

_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_SYSTEM: Final = ("system", "developer")


def split_system(messages: Sequence[JSON]) -> tuple[str | list[JSON], Sequence[JSON]]:
    """What the leading system messages say, and the rest; blocks only where a cache mark needs them."""
    count = next((i for i, message in enumerate(messages) if message.get("role") not in _SYSTEM), len(messages))
    blocks = [
        block
        for position, message in enumerate(messages[:count])
        for block in _system_blocks(message.get("content"), f"messages.{position}")
    ]
    if any("cache_control" in block for block in blocks):
        return blocks, messages[count:]
    return "\n\n".join(block["text"] for block in blocks), messages[count:]


def turns_of(messages: Sequence[JSON], *, late_system: bool, offset: int = 0) -> tuple[list[JSON], list[str]]:
    """Anthropic's messages, and warnings. `offset`: how many messages went before, for the paths in errors.

    Neighbours of one side become one message, and in it tool results come before everything else: the API wants all
    results of a turn in one user message, right after the calls.
    """
    turns: list[JSON] = []
    warnings: list[str] = []
    for position, message in enumerate(messages, start=offset):
        side, blocks = _blocks_of(message, f"messages.{position}", warnings, late_system=late_system)
        if blocks:
            _add(turns, side, blocks)
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
        else:
            _tidy(turn)
    return turns, warnings


def is_replayable(block: JSON) -> bool:
    """Whether a thinking block is Anthropic's own: without a signature it is another model's, and would be refused."""
    match block.get("type"):
        case "thinking":
            return bool(block.get("signature"))
        case "redacted_thinking":
            return bool(block.get("data"))
        case _:
            return False


def safe_id(given: str) -> str:
    """A tool call's id in the letters that the API takes; the same for the same."""
    if _ID.fullmatch(given):
        return given
    return f"call_{hashlib.sha256(given.encode('utf-8', 'replace')).hexdigest()[:24]}"


def _add(turns: list[JSON], side: str, blocks: list[JSON]) -> None:
    place = len(turns)
    if blocks[0]["type"] == "tool_result":
        # Nothing may stand between calls and their results: a system's word waits.
        while place and turns[place - 1]["role"] == "system":
            place -= 1
    if place and turns[place - 1]["role"] == side and side != "system":
        turns[place - 1]["content"].extend(blocks)
    else:
        turns.insert(place, {"role": side, "content": blocks})


def _tidy(turn: JSON) -> None:
    """Whitespace at the end of an assistant's last text is refused."""
    last = turn["content"][-1]
    if last["type"] == "text":
        last["text"] = last["text"].rstrip()


def _system_blocks(content: Any, where: str) -> list[JSON]:  # noqa: ANN401 - a wire body
    blocks = blocks_of_parts(content, where)
    if any(block["type"] != "text" for block in blocks):
        raise unsupported("a system message can only be text here", where)
    return blocks


def _blocks_of(message: JSON, where: str, warnings: list[str], *, late_system: bool) -> tuple[str, list[JSON]]:
    role = message.get("role")
    content = message.get("content")
    match role:
        case "system" | "developer":
            return ("system" if late_system else "user"), _system_blocks(content, where)
        case "user":
            return "user", blocks_of_parts(content, where)
        case "tool" | "function":
            return "user", [_tool_result(message, where)]
        case "assistant":
            return "assistant", _assistant_blocks(message, where, warnings)
        case _:
            raise bad_request(f"unknown role {str(role)[:40]!r}", f"{where}.role")


def _tool_result(message: JSON, where: str) -> JSON:
    if message.get("role") == "function":
        raise unsupported("the Messages API has tools, not the functions of old", f"{where}.role")
    content = message.get("content")
    result: JSON = {"type": "tool_result", "tool_use_id": safe_id(str(message.get("tool_call_id") or ""))}
    if isinstance(content, str) and content.strip():
        result["content"] = content
    elif isinstance(content, list) and (blocks := blocks_of_parts(content, where)):
        result["content"] = blocks
    return result


def _assistant_blocks(message: JSON, where: str, warnings: list[str]) -> list[JSON]:
    details = message.get("reasoning_details")
    blocks = [
        {name: value for name, value in each.items() if name != "index"}
        for each in (details if isinstance(details, list) else ())
        if isinstance(each, dict) and is_replayable(each)
    ]
    said = message.get("content")
    blocks += blocks_of_parts(said, where) if said else text_blocks(str(message.get("refusal") or ""))
    calls = message.get("tool_calls") or ()
    if not isinstance(calls, list | tuple):
        raise bad_request("tool_calls is no list", f"{where}.tool_calls")
    for position, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not function.get("name"):
            raise bad_request("a tool call without a function name", f"{where}.tool_calls.{position}")
        block = {"type": "tool_use", "id": safe_id(str(call.get("id") or "")), "name": function["name"]}
        blocks.append({**block, "input": _arguments(function.get("arguments"), warnings)})
    return blocks


def _arguments(arguments: Any, warnings: list[str]) -> JSON:  # noqa: ANN401 - a wire body
    if isinstance(arguments, dict):
        return arguments
    try:
        value = orjson.loads(arguments) if arguments else {}
    except (orjson.JSONDecodeError, TypeError):
        value = None
    if isinstance(value, dict):
        return value
    # The model itself may have written them; refusing would end the conversation.
    warnings.append("arguments of an earlier tool call are no JSON object; they were sent as text")
    return {"arguments": arguments if isinstance(arguments, str) else str(arguments)}
