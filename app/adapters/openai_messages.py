"""Messages of OpenAI's dialect, said as one provider takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.adapters.codec import unsupported
from app.domain.chat import JSON

Arrangement = Callable[[list[JSON]], list[JSON]]
"""What a provider's messages need as a whole; gets copies that it may change."""

_REASONING_FIELDS: Final = ("reasoning_content", "reasoning", "reasoning_details")
_ROUTED: Final = "reasoning."


def as_they_are(messages: list[JSON]) -> list[JSON]:
    """For providers that take any order of messages."""
    return messages


@dataclass(frozen=True, slots=True)
class MessageRules:
    """How one provider's messages differ from OpenAI's.

    `assistant_fields`: the only fields an assistant's message may have, None: any. `kept_reasoning`: the fields under
    which assistant messages carry reasoning back. `placeholder`: stands for reasoning that was lost, where the
    provider insists on some. `flattens_text`: it takes content as a string, except for a user's pictures.
    `has_file_urls`: documents may stand behind URLs.
    """

    has_names: bool = True
    assistant_fields: frozenset[str] | None = None
    kept_reasoning: frozenset[str] = frozenset()
    placeholder: str | None = None
    flattens_text: bool = False
    has_file_urls: bool = False
    drops_nulls: bool = False
    arranged: Arrangement = as_they_are


OPENAIS_MESSAGES: Final = MessageRules()


def messages_for(
    messages: Sequence[JSON], rules: MessageRules, *, has_developer_role: bool, holds_place: bool = False
) -> list[JSON]:
    """Copies of the messages, put right; `holds_place`: this request needs the placeholder."""
    return rules.arranged([_message(each, rules, has_developer_role, holds_place) for each in messages])


def shows_by_url(messages: Sequence[JSON]) -> bool:
    """Whether a message holds a document that stands behind a URL."""
    return any(
        _is_behind_url(part)
        for message in messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
    )


def _message(message: JSON, rules: MessageRules, has_developer_role: bool, holds_place: bool) -> JSON:  # noqa: FBT001
    role = message.get("role")
    changed = dict(message)
    if role == "developer" and not has_developer_role:
        changed["role"] = "system"
    if not rules.has_names and role != "tool":
        changed.pop("name", None)
    if role == "assistant":
        changed = _assistant(changed, rules, rules.placeholder if holds_place else None)
    content = changed.get("content")
    if isinstance(content, list):
        if not rules.has_file_urls and any(_is_behind_url(part) for part in content):
            raise unsupported(
                "a document behind a URL cannot be sent to this provider: file_data is needed", "messages"
            )
        if rules.flattens_text:
            changed["content"] = _flat(content, is_user=role == "user")
    if rules.drops_nulls:
        changed = {name: value for name, value in changed.items() if value is not None or name == "content"}
    return changed


def _assistant(message: JSON, rules: MessageRules, placeholder: str | None) -> JSON:
    said = next((message[name] for name in _REASONING_FIELDS[:2] if isinstance(message.get(name), str)), None)
    details = message.get("reasoning_details")
    message = {name: value for name, value in message.items() if name not in _REASONING_FIELDS}
    kept = rules.kept_reasoning
    if "reasoning_details" in kept and (own := merged_details(details)):
        message["reasoning_details"] = own
    elif "reasoning" in kept and said:
        message["reasoning"] = said
    if "reasoning_content" in kept and (said or placeholder):
        message["reasoning_content"] = said or placeholder
    if rules.assistant_fields is None:
        return message
    if isinstance(message.get("refusal"), str) and not message.get("content"):
        message["content"] = message["refusal"]
    return {
        name: value
        for name, value in message.items()
        if (name in rules.assistant_fields or name in kept) and (value is not None or name == "content")
    }


def merged_details(details: Any) -> list[JSON]:  # noqa: ANN401 - a wire body
    """OpenRouter's own reasoning items, those that a stream cut into pieces whole again: it wants them unchanged."""
    merged: list[JSON] = []
    for each in details if isinstance(details, list) else ():
        kind = each.get("type") if isinstance(each, dict) else None
        if not isinstance(kind, str) or not kind.startswith(_ROUTED):
            continue
        last = merged[-1] if merged else {}
        field = kind.removeprefix(_ROUTED)
        is_piece = field in ("text", "summary") and "index" in each
        if is_piece and (last.get("type"), last.get("index")) == (kind, each["index"]):
            text = f"{last.get(field) or ''}{each.get(field) or ''}"
            last.update({name: value for name, value in each.items() if value is not None}, **{field: text})
        else:
            merged.append(dict(each))
    return merged


def _is_behind_url(part: Any) -> bool:  # noqa: ANN401 - a wire body
    file = part.get("file") if isinstance(part, dict) and part.get("type") == "file" else None
    return isinstance(file, dict) and file.get("file_url") is not None and not (file.keys() & {"file_data", "file_id"})


def _flat(content: list[Any], *, is_user: bool) -> Any:  # noqa: ANN401 - a wire body
    """Text parts as one string; a user's pictures stay what they are."""
    texts = [each.get("text") if isinstance(each, dict) and each.get("type") == "text" else None for each in content]
    if all(isinstance(each, str) for each in texts):
        return "\n".join(str(each) for each in texts)
    if is_user:
        return content
    raise unsupported("only a user's message may hold anything but text", "messages")
