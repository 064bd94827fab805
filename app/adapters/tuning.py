"""OpenAI's dialect as the operator of one server tunes it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from app.adapters.abilities import Abilities
from app.adapters.codec import Codec
from app.adapters.openai import OpenAICodec
from app.adapters.openai_messages import MessageRules
from app.adapters.openai_request import RequestOptions
from app.domain.chat import JSON
from app.domain.provider import DialectSettings

_TURNS: Final = ("user", "assistant")
# What a request cannot do without, whatever an operator's list says.
_ALWAYS: Final = frozenset({"model", "messages", "stream", "stream_options"})


def tuned(codec: Codec, settings: DialectSettings) -> Codec:
    """The codec with what the operator stated; a codec of another dialect has nothing to tune and stays."""
    if not isinstance(codec, OpenAICodec):
        return codec
    return replace(
        codec,
        request=_request(codec.request, settings),
        key_header=(settings.key_header or codec.key_header).lower(),
        abilities=_without(codec.abilities, settings.lacks) if settings.lacks else codec.abilities,
    )


def merged(messages: list[JSON]) -> list[JSON]:
    """Turns that follow one another as one, for servers that want user and assistant to alternate."""
    result: list[JSON] = []
    for message in messages:
        last = result[-1] if result else {}
        role = message.get("role")
        if role in _TURNS and last.get("role") == role and _is_plain(last) and _is_plain(message):
            result[-1] = {**last, "content": f"{last['content']}\n\n{message['content']}"}
        else:
            result.append(message)
    return result


def _request(options: RequestOptions, settings: DialectSettings) -> RequestOptions:
    stated: dict[str, Any] = {
        "max_tokens_field": settings.max_tokens_field,
        "has_developer_role": settings.developer_role,
        "has_stream_usage": settings.stream_usage,
    }
    options = replace(options, **{name: value for name, value in stated.items() if value is not None})
    if settings.strict_tools is not None:
        options = replace(options, tools=replace(options.tools, has_strict=settings.strict_tools))
    return replace(
        options,
        dropped=options.dropped | settings.dropped,
        allowed=options.allowed if settings.allowed is None else settings.allowed | _ALWAYS,
        messages=_messages(options.messages, settings),
    )


def _messages(rules: MessageRules, settings: DialectSettings) -> MessageRules:
    stated: dict[str, Any] = {"flattens_text": settings.flatten_text, "drops_nulls": settings.drop_nulls}
    rules = replace(rules, **{name: value for name, value in stated.items() if value is not None})
    if settings.merge_roles:
        rules = replace(rules, arranged=merged)
    if settings.reasoning_field is None:
        return rules
    return replace(rules, kept_reasoning=frozenset({settings.reasoning_field} - {""}))


def _without(abilities: Abilities, lacks: frozenset[str]) -> Abilities:
    def fewer(model: str) -> frozenset[str]:
        return abilities(model) - lacks

    return fewer


def _is_plain(message: JSON) -> bool:
    return isinstance(message.get("content"), str) and not message.get("tool_calls")
