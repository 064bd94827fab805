"""Bodies and events of Anthropic's own wire, passed through with the few edits needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from app.adapters.anthropic_messages import is_replayable
from app.adapters.anthropic_models import ModelTraits, Thinking
from app.adapters.anthropic_stream import AnthropicStreamDecoder
from app.adapters.anthropic_thinking import SAMPLING, sampling, thinks
from app.adapters.sse import SSEEvent
from app.domain.chat import JSON, Call, ChatChunk

_DEFAULTED: Final = ("max_tokens", "temperature", "top_p")
_THOUGHTS: Final = ("thinking", "redacted_thinking")


def native_body(call: Call, native: Mapping[str, Any], traits: ModelTraits) -> tuple[JSON, list[str]]:
    """The caller's own body for this model, and warnings; the caller's objects are never changed."""
    warnings: list[str] = []
    messages = [_without_strange_thoughts(message) for message in native["messages"]]
    body: JSON = {**native, "model": call.model, "messages": [message for message in messages if message is not None]}
    own_sampling = native.keys() & set(SAMPLING)
    parameters = call.request.parameters
    for name in _DEFAULTED:
        # Of two samplers that are ours and theirs, theirs is meant; and a thinking model samples as it does.
        is_wanted = name == "max_tokens" or not (own_sampling or thinks(body))
        if name not in native and parameters.get(name) is not None and is_wanted:
            body[name] = parameters[name]
    if "max_tokens" in body:
        _cut(body, traits, warnings)
    if traits.thinking is Thinking.ALWAYS and _is_disabled(body.get("thinking")):
        del body["thinking"]
        warnings.append(f"thinking was dropped: {call.model} always thinks")
    kept = sampling(body, call.model, traits, warnings)
    for name in SAMPLING:
        if name in body and name not in kept:
            del body[name]
    return body | kept, warnings


def _is_disabled(thinking: Any) -> bool:  # noqa: ANN401 - a wire body
    return isinstance(thinking, dict) and thinking.get("type") == "disabled"


class NativeStreamDecoder(AnthropicStreamDecoder):
    """One stream whose every event is in exactly one chunk, framed as it came."""

    def feed(self, event: SSEEvent) -> list[ChatChunk]:
        """One chunk, if need be without choices; raises ProviderError for an error in the stream."""
        chunks = super().feed(event)
        framed = _framed(event)
        if not chunks:
            return [ChatChunk(self.empty(), native=framed)]
        return [*chunks[:-1], replace(chunks[-1], native=framed)]


def _framed(event: SSEEvent) -> bytes:
    name = f"event: {event.event}\n" if event.event else ""
    data = "".join(f"data: {line}\n" for line in event.data.split("\n"))
    return f"{name}{data}\n".encode()


def _cut(body: JSON, traits: ModelTraits, warnings: list[str]) -> None:
    stated = body["max_tokens"]
    if traits.max_output is not None and isinstance(stated, int) and stated > traits.max_output:
        warnings.append(f"max_tokens was cut to {traits.max_output}, the most that {body['model']} writes")
        body["max_tokens"] = traits.max_output


def _without_strange_thoughts(message: Any) -> Any:  # noqa: ANN401 - a wire body
    """The message without thinking of other providers' models, which came to the caller without a signature.

    None where it was nothing else.
    """
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list) or not any(_is_strange(block) for block in content):
        return message
    left = [block for block in content if not _is_strange(block)]
    return {**message, "content": left} if left else None


def _is_strange(block: Any) -> bool:  # noqa: ANN401 - a wire body
    return isinstance(block, dict) and block.get("type") in _THOUGHTS and not is_replayable(block)
