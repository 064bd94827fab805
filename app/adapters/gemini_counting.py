"""A prompt's tokens, counted by Google for free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from app.adapters.codec import WireRequest, bad_answer, bad_request, json_object
from app.adapters.gemini_models import resource, resource_path
from app.adapters.gemini_request import GeminiRequest
from app.domain.chat import Call

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}


@dataclass(frozen=True, slots=True)
class GeminiCounting:
    """`countTokens` over the whole prompt: instructions and tools count too."""

    def encode(self, call: Call) -> WireRequest:
        """The request; raises ProviderError for a prompt that could not be sent either."""
        prompt = {"model": resource(call.model), **GeminiRequest(call).prompt()}
        try:
            body = orjson.dumps({"generateContentRequest": prompt})
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "messages") from None
        return WireRequest("POST", resource_path(call.model, "countTokens"), _HEADERS, body)

    def decode(self, body: bytes) -> int:
        """Tokens of the whole prompt."""
        total = json_object(body).get("totalTokens")
        if not isinstance(total, int) or isinstance(total, bool) or total < 0:
            raise bad_answer("the count of tokens is no number")
        return total
