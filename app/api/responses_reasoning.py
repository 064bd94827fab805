"""Reasoning items of the Responses wire, and the reasoning of a canonical message that they carry.

Replay needs more than the text: signatures, encrypted blocks. What a Responses provider wrote goes out and comes back
as it was; what other providers wrote travels sealed in `encrypted_content`, which clients send back untouched.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.domain.chat import JSON

_SEAL: Final = "outcry.1."
_LATE_SEAL: Final = "outcry.1+"
_REPLAYED: Final = ("type", "id", "summary", "content", "encrypted_content")


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What one item says. `is_late`: it belongs to the message before it, not to the one after."""

    text: str
    details: tuple[JSON, ...]
    is_late: bool = False


def read_reasoning(item: Mapping[str, Any]) -> Reasoning:
    """The text and the replay details of a reasoning item; a seal that does not open has no details."""
    text = "\n\n".join(_texts(item.get("summary")) or _texts(item.get("content")))
    secret = item.get("encrypted_content")
    if not isinstance(secret, str) or not secret:
        return Reasoning(text, ())
    if is_sealed(secret):
        return Reasoning(text, opened(secret), secret.startswith(_LATE_SEAL))
    return Reasoning(text, ({name: item[name] for name in _REPLAYED if item.get(name) is not None},))


def is_sealed(secret: object) -> bool:
    """Whether an `encrypted_content` is of our making: no provider could read it."""
    return isinstance(secret, str) and secret.startswith((_SEAL, _LATE_SEAL))


def reasoning_items(message: Mapping[str, Any], new_id: Callable[[], str], *, late: bool = False) -> list[JSON]:
    """The items of a message's reasoning, without a status. `late`: they come after what they belong to."""
    text = message.get("reasoning_content")
    text = text if isinstance(text, str) else ""
    stated = message.get("reasoning_details")
    details = [each for each in stated if isinstance(each, dict)] if isinstance(stated, list) else []
    own = [each for each in details if each.get("type") == "reasoning" and each.get("encrypted_content")]
    items = [{"id": new_id(), "summary": [], **_bare(each)} for each in own]
    foreign = [each for each in details if each not in own]
    if text == "\n\n".join(part for item in items for part in _texts(item.get("summary"))):
        text = ""
    if text or foreign:
        items.append(
            {
                "id": new_id(),
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": text}] if text else [],
                "encrypted_content": sealed(foreign, late=late) if foreign else None,
            }
        )
    return items


def _bare(detail: JSON) -> JSON:
    """The item without what only we know of it: which call it led to."""
    return {name: value for name, value in detail.items() if name != "tool_call_id"}


def _texts(parts: object) -> list[str]:
    listed = parts if isinstance(parts, list) else []
    return [part["text"] for part in listed if isinstance(part, dict) and isinstance(part.get("text"), str)]


def sealed(details: list[JSON], *, late: bool = False) -> str:
    """Replay details as one opaque text, which whoever keeps the conversation sends back untouched."""
    return (_LATE_SEAL if late else _SEAL) + base64.urlsafe_b64encode(orjson.dumps(details)).decode("ascii")


def opened(secret: str) -> tuple[JSON, ...]:
    """The details of a seal; none when it does not open."""
    try:
        details = orjson.loads(base64.urlsafe_b64decode(secret[len(_SEAL) :]))
    except (binascii.Error, ValueError):
        return ()
    return tuple(each for each in details if isinstance(each, dict)) if isinstance(details, list) else ()
