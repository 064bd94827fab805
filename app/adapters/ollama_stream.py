"""Ollama's streams, a JSON object a line, as chat completion chunks."""

from __future__ import annotations

from time import time
from uuid import uuid4

from app.adapters.codec import json_object
from app.adapters.ollama_answer import calls_of, finish_of, logprobs_of, raise_error_in, text_of, usage_of, wire_usage
from app.adapters.sse import SSEEvent
from app.domain.chat import JSON, ChatChunk
from app.domain.usage import Usage


class OllamaStreamDecoder:
    """One stream. Calls arrive whole, in one line or several, and are numbered in the order they come."""

    def __init__(self) -> None:
        self._head: JSON = {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time()),
            "model": "",
        }
        self._is_first = True
        self._calls = 0
        self._usage: Usage | None = None
        self.complete = False
        self.ended = False

    def feed(self, event: SSEEvent) -> list[ChatChunk]:
        """The chunk of one line; raises ProviderError for an error line and for what is no JSON object."""
        line = json_object(event.data)
        raise_error_in(line)
        self._head["model"] = self._head["model"] or text_of(line, "model")
        message = line.get("message")
        delta = self._delta(message) if isinstance(message, dict) else {}
        carries = bool(delta)
        logprobs = logprobs_of(line)
        is_done = line.get("done") is True
        if not (carries or logprobs or is_done):
            return []
        if self._is_first:
            delta = {"role": "assistant", **delta}
            self._is_first = False
        choice: JSON = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": None}
        chunk: JSON = {**self._head, "choices": [choice]}
        return [self._last(chunk, line, carries=carries) if is_done else ChatChunk(chunk, carries)]

    def close(self) -> list[ChatChunk]:
        """The usage chunk, once the stream is over."""
        if self._usage is None:
            return []
        return [ChatChunk({**self._head, "choices": [], "usage": wire_usage(self._usage)}, usage=self._usage)]

    def _delta(self, message: JSON) -> JSON:
        delta: JSON = {}
        if thought := text_of(message, "thinking"):
            delta["reasoning_content"] = thought
        if content := text_of(message, "content"):
            delta["content"] = content
        if calls := calls_of(message):
            delta["tool_calls"] = [{"index": number, **call} for number, call in enumerate(calls, start=self._calls)]
            self._calls += len(calls)
        return delta

    def _last(self, chunk: JSON, line: JSON, *, carries: bool) -> ChatChunk:
        self.complete = self.ended = True
        self._usage = usage_of(line)
        native = line.get("done_reason")
        finish, warnings = finish_of(native, has_calls=self._calls > 0)
        choice = chunk["choices"][0]
        choice["finish_reason"] = finish
        if finish != native:
            choice["native_finish_reason"] = native
        return ChatChunk(chunk, carries, finish, self._usage, warnings)
