"""Anthropic's dialect (the Messages API)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time

import orjson

from app.adapters.anthropic_request import AnthropicRequest
from app.adapters.anthropic_stream import AnthropicStreamDecoder, finish_of, text_of, usage_of, wire_usage
from app.adapters.codec import (
    Codec,
    CountingCodec,
    EmbeddingCodec,
    Framing,
    StreamDecoder,
    WireRequest,
    bad_answer,
    bad_request,
    json_object,
    model_ids,
)
from app.adapters.failures import failure
from app.adapters.reports import read_report, report_of
from app.domain.chat import JSON, Call, ChatResponse, Credential
from app.domain.errors import ProviderError
from app.domain.needs import FILES, FORCED_TOOLS, JSON_SCHEMA, TOOLS, VISION


@dataclass(frozen=True, slots=True)
class AnthropicCodec:
    """The Messages API in one version. `wall`: seconds since the epoch, for waits that are stated as moments."""

    version: str = "2023-06-01"
    wall: Callable[[], float] = time
    framing: Framing = Framing.SSE
    inlines_images: bool = False
    embedding: EmbeddingCodec | None = None
    counting: CountingCodec | None = None

    def for_call(self, call: Call) -> Codec:  # noqa: ARG002
        """Itself: there is one wire."""
        return self

    def supports(self, model: str) -> frozenset[str]:  # noqa: ARG002
        """What the Messages API has words for."""
        return frozenset({TOOLS, FORCED_TOOLS, VISION, FILES, JSON_SCHEMA})

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The request, translated; raises ProviderError(BAD_REQUEST) for what has no counterpart."""
        request = AnthropicRequest(call)
        body = request.body(stream=stream)
        try:
            encoded = orjson.dumps(body)
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "messages") from None
        headers = self._headers("text/event-stream" if stream else "application/json")
        return WireRequest("POST", "/messages", headers, encoded, tuple(request.warnings))

    def decode(self, body: bytes) -> ChatResponse:
        """The message as a `chat.completion`; raises ProviderError."""
        message = json_object(body)
        if message.get("type") == "error" or message.get("error"):
            raise failure(None, {}, report_of(message), wall=self.wall())
        blocks = message.get("content")
        if not isinstance(blocks, list) or message.get("stop_reason") is None:
            raise bad_answer("the answer is no finished message")
        return _response(message, [block for block in blocks if isinstance(block, dict)], int(self.wall()))

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one stream."""
        return AnthropicStreamDecoder()

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer that is no success means."""
        return failure(status, headers, read_report(body), wall=self.wall())

    def authorization(self, credential: Credential) -> Mapping[str, str]:
        """The key's header, which every version of the API takes."""
        return {} if credential.secret is None else {"x-api-key": credential.secret.get_secret_value()}

    def models_request(self) -> WireRequest:
        """The free list of models."""
        return WireRequest("GET", "/models?limit=1000", self._headers("application/json"))

    def decode_models(self, body: bytes) -> list[str]:
        """Model ids of that list."""
        return model_ids(body)

    def _headers(self, accept: str) -> dict[str, str]:
        return {"content-type": "application/json", "accept": accept, "anthropic-version": self.version}


def _response(message: JSON, blocks: list[JSON], created: int) -> ChatResponse:
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    text = "".join(text_of(block, "text") for block in blocks if block.get("type") == "text")
    thoughts = [block for block in blocks if block.get("type") in ("thinking", "redacted_thinking")]
    thought = "".join(text_of(block, "thinking") for block in thoughts)
    answer: JSON = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
    if calls:
        answer["tool_calls"] = calls
    if thought:
        answer["reasoning_content"] = thought
    if thoughts:
        answer["reasoning_details"] = thoughts
    native = message["stop_reason"]
    finish = finish_of(native, has_calls=bool(calls))
    usage = usage_of(message.get("usage"))
    completion: JSON = {
        "id": text_of(message, "id"),
        "object": "chat.completion",
        "created": created,
        "model": text_of(message, "model"),
        "choices": [
            {
                "index": 0,
                "message": answer,
                "logprobs": None,
                "finish_reason": finish,
                "native_finish_reason": native,
            }
        ],
    }
    if usage is not None:
        completion["usage"] = wire_usage(usage)
    return ChatResponse(completion, finish, usage)


def _call(block: JSON) -> JSON:
    arguments = orjson.dumps(block.get("input") or {}).decode()
    return {
        "id": text_of(block, "id"),
        "type": "function",
        "function": {"name": text_of(block, "name"), "arguments": arguments},
    }
