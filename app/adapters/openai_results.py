"""Results of tools that show something: OpenAI's dialect has text in them only, so what they show goes to the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from app.domain.chat import JSON

MOVED: Final = "what a tool's result shows was sent as the user's: here such a result is text alone"
_ELSEWHERE: Final = "(The result follows in the next message.)"


def shown_apart(messages: Sequence[JSON]) -> tuple[Sequence[JSON], bool]:
    """The messages with only text in results, and whether anything had to move; the very same where nothing had.

    A turn's results stay together: what they show comes after the last of them, in the user's next message.
    """
    if not any(message.get("role") == "tool" and _shown(message) for message in messages):
        return messages, False
    arranged: list[JSON] = []
    held: list[Any] = []
    for message in messages:
        if message.get("role") == "tool":
            parts = _shown(message)
            if parts:
                held += [{"type": "text", "text": f"From the result of {message.get('tool_call_id')}:"}, *parts]
                message = {**message, "content": _told(message["content"])}  # noqa: PLW2901 - the same, put right
        elif held:
            if message.get("role") == "user":
                message = {**message, "content": [*held, *_parts(message.get("content"))]}  # noqa: PLW2901
            else:
                arranged.append({"role": "user", "content": held})
            held = []
        arranged.append(message)
    if held:
        arranged.append({"role": "user", "content": held})
    return arranged, True


def _shown(message: JSON) -> list[Any]:
    content = message.get("content")
    return [part for part in content if not _is_text(part)] if isinstance(content, list) else []


def _told(content: Sequence[Any]) -> Any:  # noqa: ANN401 - a wire body
    """The text that stays, as text where it is one."""
    texts = [part for part in content if _is_text(part)]
    if not texts:
        return _ELSEWHERE
    return texts[0]["text"] if len(texts) == 1 else texts


def _parts(content: Any) -> list[Any]:  # noqa: ANN401 - a wire body
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def _is_text(part: Any) -> bool:  # noqa: ANN401 - a wire body
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
