"""A stream of JSON as a caller asked for it: bare from its first byte, checked before its finish."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final

import anyio.to_thread

from app.domain.chat import JSON, ChatChunk
from app.domain.errors import FailureKind, ProviderError
from app.domain.structured import Rung
from app.gateway.structured import LARGE, Check, Form
from app.text.json_stream import JSONStream, TooMuchBefore

MAX_CHECKED: Final = 1024 * 1024
"""Characters of an answer that are kept for the check; a longer one is passed on unchecked, with a warning."""


@dataclass(slots=True)
class _Choice:
    """One choice on its way: `text` is the JSON so far, `is_other` that it is no JSON of ours (a refusal, a call)."""

    reader: JSONStream
    text: list[str] = field(default_factory=list)
    size: int = 0
    is_other: bool = False
    has_told_thinking: bool = False


class BareStream:
    """Iterates over chunks of bare JSON; raises ProviderError(BAD_ANSWER) instead of a finish that none deserves."""

    def __init__(self, chunks: AsyncIterator[ChatChunk], form: Form, rung: Rung) -> None:
        self._chunks = chunks
        self._form = form
        self._rung = rung
        self._check = Check(form)
        self._choices: dict[int, _Choice] = {}
        self._ended: list[tuple[_Choice, str]] = []

    def __aiter__(self) -> BareStream:
        return self

    async def __anext__(self) -> ChatChunk:
        while True:
            chunk = await anext(self._chunks)
            if chunk.native or not chunk.chunk.get("choices"):
                return chunk
            bare = self._bared(chunk)
            if self._ended and bare is not None:
                bare = replace(bare, warnings=(*bare.warnings, *await self._all_checked()))
            if bare is not None:
                return bare

    def _bared(self, chunk: ChatChunk) -> ChatChunk | None:
        """The chunk with JSON alone; None where nothing of it is left."""
        choices = [self._bared_choice(choice) for choice in chunk.chunk["choices"]]
        carries = any(_carries(choice["delta"]) for choice in choices)
        if not (carries or chunk.warnings or chunk.usage or any(_says(choice) for choice in choices)):
            return None
        finish = chunk.finish_reason
        if finish is not None:
            finish = next((one["finish_reason"] for one in choices if one.get("finish_reason")), finish)
        return replace(
            chunk,
            chunk={**chunk.chunk, "choices": choices},
            carries=carries,
            finish_reason=finish,
        )

    def _bared_choice(self, choice: JSON) -> JSON:
        state = self._choices.setdefault(
            choice.get("index", 0), _Choice(JSONStream(any_container=self._form.takes_arrays))
        )
        delta = dict(choice.get("delta") or {})
        text = delta.pop("content", None) or ""
        if delta.get("tool_calls") and self._rung is Rung.TOOL:
            text += "".join(call["function"].get("arguments") or "" for call in delta.pop("tool_calls"))
        state.is_other = state.is_other or bool(delta.get("tool_calls") or delta.get("refusal"))
        finish = choice.get("finish_reason")
        piece = self._fed(state, text, is_last=finish is not None)
        if piece:
            delta["content"] = piece
        if state.reader.has_begun and state.reader.thinking and not state.has_told_thinking:
            state.has_told_thinking = True
            delta["reasoning_content"] = (delta.get("reasoning_content") or "") + state.reader.thinking
        if finish is None:
            return {**choice, "delta": delta}
        if self._rung is Rung.TOOL and finish == "tool_calls" and not state.is_other:
            finish = "stop"
        self._ended.append((state, finish))
        return {**choice, "delta": delta, "finish_reason": finish}

    def _fed(self, state: _Choice, text: str, *, is_last: bool) -> str:
        try:
            piece = state.reader.feed(text) if text else ""
            if is_last:
                piece += state.reader.close()
        except TooMuchBefore as error:
            raise ProviderError(FailureKind.BAD_ANSWER, f"the answer holds no JSON: {error}") from None
        state.size += len(piece)
        if piece and state.size <= MAX_CHECKED:
            state.text.append(piece)
        return piece

    async def _all_checked(self) -> list[str]:
        """Warnings of the choices that have just ended."""
        ended, self._ended = self._ended, []
        warnings: list[str] = []
        for state, finish in ended:
            if state.size > LARGE:
                warnings += await anyio.to_thread.run_sync(self._checked, state, finish, abandon_on_cancel=True)
            else:
                warnings += self._checked(state, finish)
        return warnings

    def _checked(self, state: _Choice, finish: str) -> tuple[str, ...]:
        if state.is_other:
            return ()
        if finish in ("length", "content_filter"):
            return (f"the answer ended early ({finish}): its JSON may not be whole",)
        if not state.reader.is_whole:
            told = "its JSON is not whole" if state.reader.has_begun else "it holds no JSON"
            raise ProviderError(FailureKind.BAD_ANSWER, f"the answer cannot be used: {told}")
        if state.size > MAX_CHECKED:
            return (f"the answer is longer than {MAX_CHECKED} characters and was not checked",)
        return self._check.check("".join(state.text))


def _carries(delta: JSON) -> bool:
    return any(delta.get(name) for name in ("content", "reasoning_content", "refusal", "tool_calls", "audio"))


def _says(choice: JSON) -> bool:
    return bool(choice.get("finish_reason") or choice["delta"].get("role") or choice["delta"].get("reasoning_details"))
