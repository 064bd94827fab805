"""vLLM's own count of a prompt's tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from app.adapters.codec import WireRequest, bad_answer, bad_request, json_object
from app.adapters.openai_request import RequestOptions, RequestWriter
from app.domain.chat import Call

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}
# Beside the version segment, not below it.
_PATH: Final = "/../tokenize"
_COUNTED: Final = ("model", "messages", "tools", "chat_template", "chat_template_kwargs", "mm_processor_kwargs")


@dataclass(frozen=True, slots=True)
class VLLMCountingCodec:
    """The server's tokenizer over the chat template that it would use, tools and all."""

    request: RequestOptions

    def encode(self, call: Call) -> WireRequest:
        """The chat without what only steers its answer."""
        body = RequestWriter("vllm", self.request).body(
            call.model, call.request.messages, call.request.parameters, stream=False
        )
        try:
            content = orjson.dumps({name: body[name] for name in _COUNTED if name in body})
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "messages") from None
        return WireRequest("POST", _PATH, _HEADERS, content)

    def decode(self, body: bytes) -> int:
        """`count` of the answer."""
        count = json_object(body).get("count")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise bad_answer("the answer holds no count")
        return count
