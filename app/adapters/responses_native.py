"""The Responses API for callers who speak it themselves: their body goes out and the provider's events come back."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from app.adapters.codec import StreamDecoder, WireRequest, bad_request, json_object
from app.adapters.refusals import openai_refusals
from app.adapters.responses import PATH, ResponsesCodec, posted
from app.adapters.responses_answer import response_of
from app.adapters.responses_request import ResponsesRequest
from app.adapters.responses_stream import ResponsesStreamDecoder
from app.adapters.sse import SSEEvent
from app.domain.chat import JSON, Call, ChatChunk, ChatResponse

# The provider's own tools at work: for whoever speaks this wire that is content, and it may go on for long.
_WORK: Final = re.compile(r"response\.(?!function_|custom_)\w+_call[._]")
_OWN_WORDS: Final = {"max_completion_tokens": "max_output_tokens", "reasoning_effort": "reasoning"}


@dataclass(frozen=True)
class NativeResponsesCodec(ResponsesCodec):
    """The same wire with as little done to it as can be; what passes is understood beside."""

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The caller's own body, with the model, and with the defaults that it says nothing about."""
        native = call.request.native
        if native is None:
            raise bad_request("the request came over another wire", "input")
        body, warnings = native_body(call)
        body["model"] = self.address.model(call.model)
        if stream:
            body["stream"] = True
        return posted(self.address.path(PATH), body, native.headers, warnings, stream=stream)

    def decode(self, body: bytes) -> ChatResponse:
        """The response as a `chat.completion`, and as it is."""
        response = json_object(body)
        return replace(response_of(response), native=response)

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one stream."""
        return NativeStreamDecoder()


class NativeStreamDecoder(ResponsesStreamDecoder):
    """One stream, of which every event is in exactly one chunk as it came."""

    def feed(self, event: SSEEvent) -> list[ChatChunk]:
        """Chunks of one event, at least one; raises ProviderError for an error in the stream."""
        first, *rest = super().feed(event) or [self.silent(carries=bool(_WORK.match(event.event)))]
        return [replace(first, native=_framed(event)), *rest]


def native_body(call: Call) -> tuple[JSON, tuple[str, ...]]:
    """The caller's body for this model, and warnings about defaults that could not be added.

    Nothing is stored unless the caller says so: what was stored could not be named again here.
    """
    native = call.request.native
    request = ResponsesRequest(call)
    body: JSON = {**request.defaults(), **(native.body if native else {}), "model": call.model}
    body.setdefault("store", False)
    warnings = _without_refused(body, call)
    stated = native.body if native else {}
    named = ((each, each.partition(" ")[0]) for each in request.warnings)
    return body, (*warnings, *(each for each, name in named if _OWN_WORDS.get(name, name) not in stated))


def _without_refused(body: JSON, call: Call) -> list[str]:
    """Take out of a body what is known that its model answers with 400; returns warnings."""
    refused = openai_refusals(call.model, {**call.request.parameters, "temperature": body.get("temperature")})
    warnings = [
        f"{name} was dropped: {call.model} does not take it"
        for name in ("temperature", "top_p")
        if name in refused and body.pop(name, None) is not None
    ]
    reasoning = body.get("reasoning")
    if "reasoning_effort" in refused and isinstance(reasoning, dict) and body.pop("reasoning"):
        warnings.append(f"reasoning was dropped: {call.model} does not reason")
    return warnings


def _framed(event: SSEEvent) -> bytes:
    name = f"event: {event.event}\n" if event.event else ""
    data = event.data.replace("\n", "\ndata: ")
    return f"{name}data: {data}\n\n".encode()
