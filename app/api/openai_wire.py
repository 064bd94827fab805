"""OpenAI's Chat Completions wire: a checked body in, an ask out, and the stream's events."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from app.api.checks import FLAG, OBJECT, TEXT, Check, number, of, whole
from app.api.errors import encoded_error, openai_form
from app.api.exchange import Exchange
from app.api.intent import Intent
from app.api.messages import format_violations, message_violations, tool_violations
from app.api.model_choice import ModelChoice, choice_violations, refuse_first
from app.domain.attempt import Ask
from app.domain.chat import ChatChunk, ChatRequest
from app.domain.errors import OutcryError, Violation
from app.domain.usage import Usage
from app.services import CompletionStream


def _stop(value: object, path: str) -> Iterator[Violation]:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        yield Violation(path, "must be text or an array of texts")


PARAMETERS: Final[Mapping[str, Check]] = {
    "frequency_penalty": number(-2, 2),
    "function_call": of((str, dict), "text or an object"),
    "functions": of(list, "an array"),
    "logit_bias": OBJECT,
    "logprobs": FLAG,
    "max_completion_tokens": whole(1, 2**31 - 1),
    "max_tokens": whole(1, 2**31 - 1),
    "metadata": OBJECT,
    "modalities": of(list, "an array"),
    "n": whole(1, 128),
    "parallel_tool_calls": FLAG,
    "presence_penalty": number(-2, 2),
    "prompt_cache_key": TEXT,
    "reasoning_effort": TEXT,
    "response_format": format_violations,
    "safety_identifier": TEXT,
    "seed": whole(-(2**63), 2**63 - 1),
    "service_tier": TEXT,
    "stop": _stop,
    "store": FLAG,
    "stream": FLAG,
    "stream_options": OBJECT,
    "temperature": number(0, 2),
    "tool_choice": of((str, dict), "text or an object"),
    "tools": tool_violations,
    "top_logprobs": whole(0, 20),
    "top_p": number(0, 1),
    "user": TEXT,
    "verbosity": TEXT,
}
"""What is known of parameters; null is absent, and an unknown parameter goes through as it is."""

OWN: Final = frozenset(("model", "models", "provider", "messages", "stream", "stream_options"))
"""Fields that the gateway reads itself and does not pass on as parameters."""


def ask_of(body: Mapping[str, Any], intent: Intent, exchange: Exchange) -> Ask:
    """The completion that a body asks for. Raises RequestRejected with the path of the first wrong field."""
    refuse_first(violations(body))
    choice = ModelChoice.of(body)
    parameters = {name: value for name, value in body.items() if name not in OWN and value is not None}
    return choice.ask(ChatRequest(body["messages"], parameters), intent, exchange, route="chat_completions")


def violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Everything wrong with a body, in the order of its importance."""
    yield from choice_violations(body)
    if "messages" not in body:
        yield Violation("messages", "is missing")
    else:
        yield from message_violations(body["messages"])
    for name, value in body.items():
        check = PARAMETERS.get(name)
        if check is not None and value is not None:
            yield from check(value, name)
    include = (body.get("stream_options") or {}).get("include_usage") if _is_object(body, "stream_options") else None
    if include is not None and not isinstance(include, bool):
        yield Violation("stream_options.include_usage", "must be true or false")


def wants_usage(body: Mapping[str, Any]) -> bool:
    """Whether the caller asked for usage in the stream."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _is_object(body: Mapping[str, Any], name: str) -> bool:
    return isinstance(body.get(name), dict)


class OpenAIStream:
    """A stream as OpenAI writes it: `data:` lines and `[DONE]`; usage only for a caller who asked for it."""

    def __init__(self, request_id: str, *, include_usage: bool) -> None:
        self._request_id = request_id
        self._include_usage = include_usage
        self._last: Mapping[str, Any] = {}
        self._has_usage = False

    def head(self, stream: CompletionStream) -> bytes:  # noqa: ARG002
        """Nothing comes before the first chunk."""
        return b""

    def chunk(self, chunk: ChatChunk) -> bytes:
        """One chunk, without usage that nobody asked for."""
        body = self._last = chunk.chunk
        if body.get("usage") is not None:
            self._has_usage = True
            if not self._include_usage:
                if not body.get("choices"):
                    return b""
                body = {name: value for name, value in body.items() if name != "usage"}
        return b"data: " + orjson.dumps(body) + b"\n\n"

    def end(self, stream: CompletionStream) -> bytes:
        """The usage, where the provider gave none and the caller wants it, and the end marker."""
        if not self._include_usage or self._has_usage or stream.usage is None:
            return b"data: [DONE]\n\n"
        final = {
            "id": self._last.get("id", self._request_id),
            "object": "chat.completion.chunk",
            "created": self._last.get("created", int(time.time())),
            "model": self._last.get("model", stream.target.model),
            "choices": [],
            "usage": usage_form(stream.usage),
        }
        return b"data: " + orjson.dumps(final) + b"\n\ndata: [DONE]\n\n"

    def error(self, error: OutcryError) -> bytes:
        """The error instead of the end; no end marker follows."""
        return b"data: " + encoded_error(openai_form(error), self._request_id) + b"\n\n"


def usage_form(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's words."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
