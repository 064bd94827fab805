"""The input of a Responses request: messages as items, in which calls and their outputs stand beside messages."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, Final

from app.adapters.codec import bad_request, unsupported
from app.domain.chat import JSON

_SYSTEM: Final = ("system", "developer")
# The first events of a stream repeat the instructions, the input they do not: what is long would fill the bytes that a
# stream may take before its first content.
_LONGEST_INSTRUCTIONS: Final = 16_384
_FILE_FIELDS: Final = ("file_data", "file_id", "file_url", "filename")


def split_input(messages: Sequence[JSON], *, has_instructions: bool = True) -> tuple[str | None, list[JSON]]:
    """The instructions (the system message that comes first, None where none does) and the items of the rest.

    Without `has_instructions` every message is an item.
    """
    first = messages[0] if messages else {}
    if has_instructions and first.get("role") in _SYSTEM:
        text = _plain(first.get("content"))
        if text is not None and len(text) <= _LONGEST_INSTRUCTIONS:
            return text, list(_items(messages[1:]))
    return None, list(_items(messages))


def _items(messages: Sequence[JSON]) -> Iterator[JSON]:
    custom: set[str] = set()
    for message in messages:
        match message.get("role"):
            case "system" | "developer":
                yield {"role": "developer", "content": _parts(message.get("content"))}
            case "user":
                yield {"role": "user", "content": _parts(message.get("content"))}
            case "assistant":
                for item in _turn(message):
                    if item.get("type") == "custom_tool_call":
                        custom.add(item["call_id"])
                    yield item
            case "tool":
                yield _output(message, custom)
            case role:
                raise unsupported(f"the Responses API has no messages of role {str(role)[:40]!r}", "messages")


def _turn(message: JSON) -> Iterator[JSON]:
    """An assistant's turn: each thought goes before the call that it led to, the others come first."""
    if message.get("function_call"):
        raise unsupported("the Responses API has no function_call: use tool_calls", "messages")
    calls = [_call(each) for each in _objects(message.get("tool_calls"))]
    content = _said(message)
    if not calls and not content:
        return  # a thought that nothing follows is refused
    ids = {call["call_id"] for call in calls}
    thoughts = [each for each in _objects(message.get("reasoning_details")) if is_replayable(each)]
    yield from (_thought(each) for each in thoughts if _call_id_of(each) not in ids)
    if content:
        yield {"role": "assistant", "content": content}
    for call in calls:
        yield from (_thought(each) for each in thoughts if _call_id_of(each) == call["call_id"])
        yield call


def is_replayable(detail: JSON) -> bool:
    """Whether a detail is a reasoning item of ours: without its encrypted content nobody could read it again."""
    return detail.get("type") == "reasoning" and all(
        isinstance(detail.get(name), str) and detail[name] for name in ("id", "encrypted_content")
    )


def _thought(detail: JSON) -> JSON:
    summary = detail.get("summary")
    return {
        "type": "reasoning",
        "id": detail["id"],
        "summary": summary if isinstance(summary, list) else [],
        "encrypted_content": detail["encrypted_content"],
    }


def _call_id_of(detail: JSON) -> str:
    stated = detail.get("tool_call_id")
    return stated if isinstance(stated, str) else ""


def _call(call: JSON) -> JSON:
    call_id = call.get("id")
    if not isinstance(call_id, str) or not call_id:
        raise bad_request("a tool call without id", "messages")
    custom = call.get("custom")
    if call.get("type") == "custom" and isinstance(custom, dict):
        named = {"name": _text(custom.get("name")), "input": _text(custom.get("input"))}
        return {"type": "custom_tool_call", "call_id": call_id, **named}
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    named = {"name": _text(function.get("name")), "arguments": _text(function.get("arguments")) or "{}"}
    return {"type": "function_call", "call_id": call_id, **named}


def _output(message: JSON, custom: Container[str]) -> JSON:
    call_id, content = message.get("tool_call_id"), message.get("content")
    if not isinstance(call_id, str) or not call_id:
        raise bad_request("a tool message without tool_call_id", "messages")
    kind = "custom_tool_call_output" if call_id in custom else "function_call_output"
    return {
        "type": kind,
        "call_id": call_id,
        "output": _parts(content) if isinstance(content, list) else _text(content),
    }


def _said(message: JSON) -> list[JSON]:
    content = message.get("content")
    parts: list[JSON] = []
    if isinstance(content, str) and content:
        parts.append({"type": "output_text", "text": content})
    for part in _objects(content):
        if part.get("type") == "refusal":
            parts.append({"type": "refusal", "refusal": _text(part.get("refusal"))})
        else:
            parts.append({"type": "output_text", "text": _text(part.get("text"))})
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    return parts


def _parts(content: Any) -> list[JSON]:  # noqa: ANN401 - a wire body
    if isinstance(content, str) or content is None:
        return [{"type": "input_text", "text": content or ""}]
    return [_part(part) for part in _objects(content)]


def _part(part: JSON) -> JSON:
    match part.get("type"):
        case "text":
            return {"type": "input_text", "text": _text(part.get("text"))}
        case "image_url":
            image = part.get("image_url")
            image = image if isinstance(image, dict) else {"url": image}
            if not isinstance(image.get("url"), str):
                raise bad_request("an image without url", "messages")
            return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail") or "auto"}
        case "file":
            file = part.get("file")
            file = file if isinstance(file, dict) else {}
            return {"type": "input_file", **{name: file[name] for name in _FILE_FIELDS if file.get(name) is not None}}
        case kind:
            raise unsupported(f"the Responses API takes no content of type {str(kind)[:40]!r}", "messages")


def _plain(content: Any) -> str | None:  # noqa: ANN401 - a wire body
    """Text, or parts of text alone; None for anything else."""
    if isinstance(content, str):
        return content
    parts = _objects(content)
    if not parts or any(part.get("type") != "text" for part in parts):
        return None
    return "\n\n".join(_text(part.get("text")) for part in parts)


def _objects(value: Any) -> list[JSON]:  # noqa: ANN401 - a wire body
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:  # noqa: ANN401 - a wire body
    return value if isinstance(value, str) else ""
