"""A prompt as the sandbox's traders read it: once, however many members of a panel are shown it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from app.adapters.sandbox_traders import opine
from app.domain.chat import JSON
from app.text.context_block import market_in, without_blocks
from app.text.schema import Schema, compiled

_LONGEST_KEPT: Final = 64 * 1024


class Reading:
    """The texts of a prompt, and what is in them: found out when it is asked for, and not again.

    `written` has the form that was asked for and what was answered, by trader.
    """

    def __init__(self, messages: Sequence[JSON]) -> None:
        self.messages = messages
        self.texts = [_text_of(message.get("content")) for message in messages]
        self.characters = sum(map(len, self.texts))
        self.written: dict[str, tuple[object, str]] = {}
        self._ids: dict[str, str] = {}

    @cached_property
    def market(self) -> Mapping[str, Any] | None:
        """The market that it carries."""
        return market_in("\n".join(self.texts))

    @cached_property
    def last_words(self) -> str:
        """What the user said last, without the blocks in it."""
        for message, text in zip(reversed(self.messages), reversed(self.texts), strict=True):
            if message.get("role") == "user":
                # Blocks carry untrusted news: what is in there must not steer even a drill.
                return without_blocks(text)
        return ""

    def opinion(self, model: str) -> dict[str, Any] | None:
        """What this trader makes of the market; None without one, and where it has nothing for its rule."""
        return None if self.market is None else opine(model, self.market)

    def id_for(self, model: str) -> str:
        """The id of this trader's answer: the same for the same prompt."""
        known = self._ids.get(model)
        if known is None:
            whole = "\0".join((model, *self.texts)).encode("utf-8", "surrogatepass")
            known = self._ids[model] = f"chatcmpl-sandbox-{hashlib.sha256(whole).hexdigest()[:16]}"
        return known


class Reader:
    """Reads prompts, and knows the last one again while it is the very same object.

    Members of a panel are asked one right after the other, with the same messages and the same schema: that they are
    the same need not be found out by looking into them.
    """

    def __init__(self) -> None:
        self._last = Reading(())
        self._schema: JSON = {}
        self._compiled: Schema | None = None

    def read(self, messages: Sequence[JSON]) -> Reading:
        """These messages."""
        if self._last.messages is messages:
            return self._last
        reading = Reading(messages)
        if reading.characters <= _LONGEST_KEPT:
            self._last = reading
        return reading

    def compiled(self, schema: JSON) -> Schema:
        """This schema, ready to check with; raises BadSchema."""
        if self._compiled is None or self._schema is not schema:
            self._compiled = compiled(schema)
            self._schema = schema
        return self._compiled


def _text_of(content: object) -> str:
    """The text of a content, whether it is a string or parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
