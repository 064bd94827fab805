"""Anthropic's own, free count of a prompt's tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from app.adapters.codec import WireRequest, bad_answer, json_object
from app.domain.chat import Call

_COUNTED: Final = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "output_format"}
    | {"cache_control", "mcp_servers", "context_management"}
)
"""What the endpoint takes of a request: the rest is about the answer."""


@dataclass(frozen=True, slots=True)
class AnthropicCounting:
    """`POST /messages/count_tokens`; `chat` writes the request whose prompt is counted."""

    chat: Callable[[Call], WireRequest]

    def encode(self, call: Call) -> WireRequest:
        """The request; raises ProviderError for a prompt that has no counterpart."""
        chat = self.chat(call)
        body = {name: value for name, value in orjson.loads(chat.body).items() if name in _COUNTED}
        return WireRequest("POST", "/messages/count_tokens", chat.headers, orjson.dumps(body))

    def decode(self, body: bytes) -> int:
        """Tokens of the whole prompt."""
        count = json_object(body).get("input_tokens")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise bad_answer("the count of tokens holds no count")
        return count
