"""Messages of OpenAI's shape as Anthropic wants them: system apart, tool results first, images as blocks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import orjson

from app.adapters.codec import bad_request
from app.domain.chat import JSON

_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,")
_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_SYSTEM: Final = ("system", "developer")
_REPLAYED: Final = ("thinking", "redacted_thinking")


def split_system(messages: Sequence[JSON]) -> tuple[list[str], Sequence[JSON]]:
    """The texts of the leading system messages, and the rest."""
    count = next((i for i, message in enumerate(messages) if message.get("role") not in _SYSTEM), len(messages))
    texts = [plain_text(message.get("content")) for message in messages[:count]]
    return [text for text in texts if text.strip()], messages[count:]


def turns_of(messages: Sequence[JSON], *, late_system: bool) -> tuple[list[JSON], list[str]]:
    """Anthropic's messages, and warnings.

    Neighbours of one side become one message, and in it tool results come before everything else: the API wants all
    results of a turn in one user message, right after the calls.
    """
    turns: list[JSON] = []
    warnings: list[str] = []
    for position, message in enumerate(messages):
        side, blocks = _blocks_of(message, f"messages.{position}", warnings, late_system=late_system)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == side and side != "system":
            turns[-1]["content"].extend(blocks)
        else:
            turns.append({"role": side, "content": blocks})
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
        else:
            _tidy(turn)
    return turns, warnings


def plain_text(content: Any) -> str:  # noqa: ANN401 - a wire body
    """The text of a message's content."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "\n".join(text for text in texts if isinstance(text, str))


def safe_id(given: str) -> str:
    """A tool call's id in the letters that the API takes; the same for the same."""
    if _ID.fullmatch(given):
        return given
    return f"call_{hashlib.sha256(given.encode('utf-8', 'replace')).hexdigest()[:24]}"


def _tidy(turn: JSON) -> None:
    """Thinking first and unchanged; whitespace at the end of an assistant's last text is refused."""
    last = turn["content"][-1]
    if last["type"] == "text":
        last["text"] = last["text"].rstrip()


def _blocks_of(message: JSON, where: str, warnings: list[str], *, late_system: bool) -> tuple[str, list[JSON]]:
    role = message.get("role")
    content = message.get("content")
    match role:
        case "system" | "developer":
            return ("system" if late_system else "user"), _text_blocks(plain_text(content))
        case "user":
            return "user", _parts(content, where)
        case "tool" | "function":
            return "user", [_tool_result(message, where)]
        case "assistant":
            return "assistant", _assistant_blocks(message, where, warnings)
        case _:
            raise bad_request(f"unknown role {str(role)[:40]!r}", f"{where}.role")


def _text_blocks(text: str) -> list[JSON]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _parts(content: Any, where: str) -> list[JSON]:  # noqa: ANN401 - a wire body
    if isinstance(content, str) or content is None:
        return _text_blocks(content or "")
    if not isinstance(content, list):
        raise bad_request("content is neither text nor a list of parts", f"{where}.content")
    blocks: list[JSON] = []
    for position, part in enumerate(content):
        blocks += _part(part, f"{where}.content.{position}")
    return blocks


def _part(part: Any, where: str) -> list[JSON]:  # noqa: ANN401 - a wire body
    if isinstance(part, str):
        return _text_blocks(part)
    kind = part.get("type") if isinstance(part, dict) else None
    match kind:
        case "text":
            blocks = _text_blocks(str(part.get("text") or ""))
            if blocks and "cache_control" in part:
                blocks[0]["cache_control"] = part["cache_control"]
            return blocks
        case "image_url":
            image = part.get("image_url")
            return [_image(str(image.get("url") if isinstance(image, dict) else image), where)]
        case "file":
            return [_document(part.get("file"), where)]
        case _:
            raise bad_request(f"a part of type {str(kind)[:40]!r} cannot be sent to this model", where)


def _image(url: str, where: str) -> JSON:
    match = _DATA_URL.match(url)
    if match is not None:
        if match[1].lower() not in _IMAGES:
            raise bad_request(f"images of type {match[1]} are not taken", where)
        source = {"type": "base64", "media_type": match[1].lower(), "data": url[match.end() :]}
        return {"type": "image", "source": source}
    if not url.startswith(("https://", "http://")):
        raise bad_request("an image must be an https or a base64 data URL", where)
    return {"type": "image", "source": {"type": "url", "url": url}}


def _document(file: Any, where: str) -> JSON:  # noqa: ANN401 - a wire body
    stated = file.get("file_data") if isinstance(file, dict) else None
    match = _DATA_URL.match(stated) if isinstance(stated, str) else None
    if match is None or match[1] != "application/pdf":
        raise bad_request("a file must be a PDF as a base64 data URL", where)
    source = {"type": "base64", "media_type": match[1], "data": str(stated)[match.end() :]}
    return {"type": "document", "source": source}


def _tool_result(message: JSON, where: str) -> JSON:
    content = message.get("content")
    result: JSON = {"type": "tool_result", "tool_use_id": safe_id(str(message.get("tool_call_id") or ""))}
    if isinstance(content, str) and content.strip():
        result["content"] = content
    elif isinstance(content, list) and (blocks := _parts(content, where)):
        result["content"] = blocks
    return result


def _assistant_blocks(message: JSON, where: str, warnings: list[str]) -> list[JSON]:
    details = message.get("reasoning_details")
    blocks = [
        {name: value for name, value in each.items() if name != "index"}
        for each in (details if isinstance(details, list) else ())
        if isinstance(each, dict) and each.get("type") in _REPLAYED
    ]
    said = message.get("content")
    blocks += _parts(said, where) if said else _text_blocks(str(message.get("refusal") or ""))
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
