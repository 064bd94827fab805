"""Bare JSON out of a text that comes in pieces: fences, thinking and prose around it are kept back."""

from __future__ import annotations

import re
from typing import Final

MAX_HELD: Final = 256 * 1024
"""Characters that may come before the JSON begins."""

# What is held is searched again only when it has grown by a part of itself: a flood costs its length, not its square.
_GROWTH: Final = 32

_OPEN_THINKING: Final = re.compile(r"\s*(?:<\s*(?:think|thinking|thought|reasoning)\s*>|\[THINK\])", re.IGNORECASE)
_CLOSE_THINKING: Final = re.compile(r"<\s*/\s*(?:think|thinking|thought|reasoning)\s*>|\[/THINK\]", re.IGNORECASE)
_BEGINS: Final = re.compile(r'\{(?=\s*["}])')
_BEGINS_ANY: Final = re.compile(r'\{(?=\s*["}])|\[(?=\s*[\[{"\]\d\-tfn])')
_MARK: Final = re.compile(r'[{}\[\]"]')
_STRING_END: Final = re.compile(r'["\\]')


class TooMuchBefore(ValueError):
    """The text goes on and on, and no JSON begins."""


class JSONStream:
    """Text in, the first whole JSON value out, as it comes. `thinking` is what a thinking block before it said.

    `any_container`: an array is as good as an object.
    """

    def __init__(self, *, any_container: bool = False) -> None:
        self._begins = _BEGINS_ANY if any_container else _BEGINS
        self._held = ""
        self._searched = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self.has_begun = False
        self.is_whole = False
        self.thinking = ""

    def feed(self, text: str) -> str:
        """What of the JSON this piece brings; raises TooMuchBefore."""
        if self.is_whole:
            return ""
        if self.has_begun:
            return self._within(text)
        self._held += text
        if len(self._held) > MAX_HELD:
            raise TooMuchBefore(f"{MAX_HELD} characters without any JSON")
        if len(self._held) - self._searched <= self._searched // _GROWTH:
            return ""
        return self._begun()

    def close(self) -> str:
        """What was still held back; called once, when no text follows."""
        return "" if self.has_begun else self._begun()

    def _begun(self) -> str:
        self._take_thinking()
        self._searched = len(self._held)
        start = None if _OPEN_THINKING.match(self._held) else self._begins.search(self._held)
        if start is None:
            return ""
        self.has_begun = True
        begun, self._held = self._held[start.start() :], ""
        return self._within(begun)

    def _take_thinking(self) -> None:
        closing = max(_CLOSE_THINKING.finditer(self._held), key=re.Match.start, default=None)
        if closing is not None:
            # The opening tag is often missing: all that stands before a closing one was thinking.
            self.thinking += _OPEN_THINKING.sub("", self._held[: closing.start()], count=1).strip()
            self._held = self._held[closing.end() :]

    def _within(self, text: str) -> str:
        """The part of `text` that belongs to the value that has begun."""
        at = 0
        while at < len(text):
            if self._in_string:
                at = self._past_string(text, at)
                continue
            mark = _MARK.search(text, at)
            if mark is None:
                return text
            at = mark.end()
            match mark.group():
                case '"':
                    self._in_string = True
                case "{" | "[":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    if self._depth == 0:
                        self.is_whole = True
                        return text[:at]
        return text

    def _past_string(self, text: str, at: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        mark = _STRING_END.search(text, at)
        if mark is None:
            return len(text)
        if mark.group() == '"':
            self._in_string = False
        else:
            self._escaped = True
        return mark.end()
