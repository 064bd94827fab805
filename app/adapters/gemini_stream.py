"""Google's event streams as chat completion chunks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import time
from typing import Final
from uuid import uuid4

from app.adapters.codec import bad_answer
from app.adapters.gemini_answer import answers_in, completion_id, text_or_nothing
from app.adapters.gemini_candidates import (
    Said,
    candidates_of,
    finish_of,
    index_of,
    is_finished,
    logprobs_of,
    raise_error_in,
    said_by,
)
from app.adapters.gemini_usage import usage_of
from app.adapters.sse import SSEEvent
from app.adapters.wire_usage import wire_usage
from app.domain.chat import JSON, ChatChunk
from app.domain.usage import Usage

_MOST_CANDIDATES: Final = 64


@dataclass(slots=True)
class _Progress:
    """How far one candidate is."""

    calls: int = 0
    parts: int = 0
    is_finished: bool = False


class GeminiStreamDecoder:
    """One stream: every event is an answer of its own, calls come whole, counts are cumulative.

    There is no end marker: the provider closes.
    """

    def __init__(self) -> None:
        self._head: JSON = {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time()),
            "model": "",
        }
        self._is_named = False
        self._progress: dict[int, _Progress] = {}
        self._usage: Usage | None = None
        self.ended = False

    @property
    def complete(self) -> bool:
        """Whether every candidate that was heard of has said why it ended."""
        return bool(self._progress) and all(each.is_finished for each in self._progress.values())

    def feed(self, event: SSEEvent) -> list[ChatChunk]:
        """Chunks of one event; raises ProviderError for an error in the stream."""
        if event.data.strip() == "[DONE]":
            # Google sends none; what stands between may.
            self.ended = True
            return []
        return [chunk for answer in answers_in(event.data) for chunk in self._answer(answer)]

    def close(self) -> list[ChatChunk]:
        """The usage chunk."""
        if self._usage is None:
            return []
        return [ChatChunk({**self._head, "choices": [], "usage": wire_usage(self._usage)}, usage=self._usage)]

    def _answer(self, answer: JSON) -> list[ChatChunk]:
        raise_error_in(answer, time())
        self._name(answer)
        self._usage = usage_of(answer.get("usageMetadata")) or self._usage
        chunks: list[ChatChunk] = []
        for position, candidate in enumerate(candidates_of(answer)):
            chunks += self._candidate(index_of(candidate, position), candidate)
        return chunks

    def _name(self, answer: JSON) -> None:
        """Id and model are the first event's, whatever later ones say."""
        if not self._is_named and (given := text_or_nothing(answer.get("responseId"))):
            self._head["id"] = completion_id(given)
            self._is_named = True
        self._head["model"] = self._head["model"] or text_or_nothing(answer.get("modelVersion"))

    def _candidate(self, index: int, candidate: JSON) -> list[ChatChunk]:
        chunks: list[ChatChunk] = []
        progress = self._progress.get(index)
        if progress is None:
            if len(self._progress) >= _MOST_CANDIDATES:
                raise bad_answer(f"more than {_MOST_CANDIDATES} candidates")
            progress = self._progress[index] = _Progress()
            chunks.append(self._chunk(index, {"role": "assistant", "content": ""}))
        said = said_by(candidate)
        logprobs = logprobs_of(candidate)
        if delta := _delta(said, progress):
            carries = bool(said.text or said.thought or said.calls)
            chunks.append(self._chunk(index, delta, carries=carries, logprobs=logprobs))
        if said.dropped:
            chunks.append(replace(self._chunk(index, {}), warnings=said.warnings))
        if is_finished(candidate):
            chunks.append(self._finish(index, candidate, progress))
        return chunks

    def _finish(self, index: int, candidate: JSON, progress: _Progress) -> ChatChunk:
        finish, warning = finish_of(candidate, has_calls=progress.calls > 0)
        if finish == "stop" and not progress.parts:
            raise bad_answer("the model said nothing")
        progress.is_finished = True
        chunk = self._chunk(index, {}, finish=finish)
        chunk.chunk["choices"][0]["native_finish_reason"] = candidate["finishReason"]
        return chunk if warning is None else replace(chunk, warnings=(warning,))

    def _chunk(
        self,
        index: int,
        delta: JSON,
        *,
        carries: bool = False,
        finish: str | None = None,
        logprobs: JSON | None = None,
    ) -> ChatChunk:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return ChatChunk({**self._head, "choices": [choice]}, carries, finish, self._usage)


def _delta(said: Said, progress: _Progress) -> JSON:
    """What these parts add; calls are numbered over the whole stream."""
    delta: JSON = {}
    if said.thought:
        delta["reasoning_content"] = said.thought
    if said.text:
        delta["content"] = said.text
    if said.calls:
        delta["tool_calls"] = [{"index": progress.calls + i, **call} for i, call in enumerate(said.calls)]
    if said.details:
        delta["reasoning_details"] = said.details
    progress.calls += len(said.calls)
    progress.parts += said.parts
    return delta
