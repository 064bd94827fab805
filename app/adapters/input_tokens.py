"""OpenAI's own count of a prompt's tokens, which costs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.adapters.codec import WireRequest, bad_answer, json_object
from app.adapters.responses import posted
from app.adapters.responses_native import native_body
from app.adapters.responses_request import ResponsesRequest
from app.domain.chat import Call, Wire

PATH: Final = "/responses/input_tokens"
_COUNTED: Final = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text", "truncation"}
)


@dataclass(frozen=True, slots=True)
class InputTokens:
    """Counts what a call would send as input over the Responses API, whichever wire carries the call itself."""

    def encode(self, call: Call) -> WireRequest:
        """The request; raises ProviderError(UNSUPPORTED) for a prompt that the Responses API cannot say."""
        native = call.request.native
        if native is not None and native.wire is Wire.RESPONSES:
            body, _ = native_body(call)
        else:
            body = ResponsesRequest(call).prompt()
        counted = {name: value for name, value in body.items() if name in _COUNTED}
        return posted(PATH, counted, {}, (), stream=False)

    def decode(self, body: bytes) -> int:
        """Tokens of the whole prompt."""
        count = json_object(body).get("input_tokens")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise bad_answer("the count of tokens holds no number")
        return count
