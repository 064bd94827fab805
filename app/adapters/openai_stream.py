"""Streams of OpenAI's dialect: chunks pass through with the least that has to be done to each."""

from __future__ import annotations

from time import time
from typing import Any
from uuid import uuid4

from app.adapters.codec import bad_answer, json_object
from app.adapters.openai_answer import (
    arguments_text,
    finish_of,
    in_band,
    new_call_id,
    normalise_text,
    raise_error_in,
)
from app.adapters.openai_logprobs import put_logprobs_right
from app.adapters.openai_usage import put_usage_right, usage_of
from app.adapters.sse import SSEEvent
from app.domain.chat import JSON, ChatChunk
from app.domain.usage import Usage


class OpenAIStreamDecoder:
    """One stream. Usage is held back and comes last, alone, as OpenAI sends it; `ChatChunk.usage` comes at once."""

    def __init__(self) -> None:
        self._head: JSON | None = None
        self._finished: dict[int, bool] = {}
        self._calls: dict[int, _Calls] = {}
        self._blank: set[int] = set()
        self._usage: JSON | None = None
        self._warnings: list[str] = []
        self.ended = False

    @property
    def complete(self) -> bool:
        """Whether every choice that appeared has its finish reason."""
        return bool(self._finished) and all(self._finished.values())

    def feed(self, event: SSEEvent) -> list[ChatChunk]:
        """Chunks of one event; raises ProviderError for an error in the stream and for what is no chunk."""
        data = event.data
        if data.startswith("[DONE]"):
            self.ended = True
            return self._blank_finishes()
        chunk = json_object(data)
        if event.event == "error":
            raise in_band(chunk)
        raise_error_in(chunk)
        chunk.pop("obfuscation", None)
        usage = self._take_usage(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            choices = []
        kept = [choice for position, choice in enumerate(choices) if self._is_worth_keeping(choice, position)]
        if not kept:
            # Azure's prompt filter, its late filter notes, the usage chunk: nothing for the caller right now.
            return []
        chunk["choices"] = kept
        self._fill(chunk)
        carries, finish = False, None
        for choice in kept:
            carries = self._put_right(choice) or carries
            finish = choice["finish_reason"] or finish
        warnings, self._warnings = tuple(self._warnings), []
        return [ChatChunk(chunk, carries, finish, usage, warnings)]

    def close(self) -> list[ChatChunk]:
        """The usage chunk, once the stream is over."""
        if self._usage is None:
            return []
        usage = usage_of(self._usage)
        if usage is not None:
            put_usage_right(self._usage, usage)
        return [ChatChunk(self._framed({"choices": [], "usage": self._usage}), usage=usage)]

    def _take_usage(self, chunk: JSON) -> Usage | None:
        stated: Any = chunk.pop("usage", None)
        if stated is None and "x_groq" in chunk:
            stated = chunk["x_groq"].get("usage") if isinstance(chunk["x_groq"], dict) else None
        usage = usage_of(stated) if stated else None
        if usage is not None:
            self._usage = stated
        return usage

    def _is_worth_keeping(self, choice: Any, position: int) -> bool:  # noqa: ANN401 - a wire body
        if not isinstance(choice, dict):
            raise bad_answer("a choice of a chunk is no object")
        if choice.get("error"):
            raise in_band(choice)
        index = choice.setdefault("index", position)
        if not isinstance(index, int):
            raise bad_answer("a choice's index is no number")
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            choice["delta"] = delta = {}
        if choice.get("finish_reason"):
            return True
        # After the finish only emptiness follows (OpenRouter's usage chunk, notes of Azure's asynchronous filter).
        # An empty finish reason may turn out to be the end.
        return bool(delta or choice.get("finish_reason") == "") and not self._finished.get(index, False)

    def _put_right(self, choice: JSON) -> bool:
        """Make one choice canonical; whether it carries anything."""
        index: int = choice["index"]
        delta: JSON = choice["delta"]
        content = delta.get("content")
        if "reasoning" in delta or "reasoning_content" in delta or not (content is None or isinstance(content, str)):
            normalise_text(delta)
            content = delta.get("content")
        if "role" in delta:
            if index in self._finished:
                del delta["role"]  # said with the choice's first delta; clients put texts of deltas together
            else:
                delta["role"] = "assistant"
        if choice.get("logprobs") is not None:
            put_logprobs_right(choice, content)
        carries = bool(content or delta.get("reasoning_content") or delta.get("refusal") or delta.get("audio"))
        calls = delta.get("tool_calls")
        if calls:
            self._put_calls_right(index, calls)
            carries = True
        elif "tool_calls" in delta:
            del delta["tool_calls"]
        if delta.get("function_call"):
            self._calls.setdefault(index, _Calls())
            carries = True
        self._finish(choice, index)
        return carries

    def _finish(self, choice: JSON, index: int) -> None:
        native = choice.get("finish_reason")
        if native:
            word = native if isinstance(native, str) else None
            finish = finish_of(word, has_calls=index in self._calls, warnings=self._warnings)
            if finish != native:
                choice.setdefault("native_finish_reason", native)
            choice["finish_reason"] = finish
            self._finished[index] = True
            return
        self._finished.setdefault(index, False)
        choice["finish_reason"] = None
        if native == "":
            # Some servers say "" until the end, others say it as the end; which one is known only at [DONE].
            self._blank.add(index)
        elif self._blank:
            self._blank.discard(index)

    def _blank_finishes(self) -> list[ChatChunk]:
        chunks = []
        for index in sorted(self._blank):
            if not self._finished.get(index, False):
                finish = finish_of("", has_calls=index in self._calls)
                self._finished[index] = True
                choice = {"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}
                chunks.append(ChatChunk(self._framed({"choices": [choice]}), finish_reason=finish))
        return chunks

    def _put_calls_right(self, index: int, calls: Any) -> None:  # noqa: ANN401 - a wire body
        """Number the calls, give the first delta of each its id and type, and make arguments text."""
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise bad_answer("tool_calls of a chunk are no list of objects")
        known = self._calls.setdefault(index, _Calls())
        for position, call in enumerate(calls):
            stated = call.get("index")
            given = call.get("id")
            given = given if isinstance(given, str) else ""
            number, is_new = known.place(stated if isinstance(stated, int) else position, given)
            call["index"] = number
            if is_new:
                usable = given and not (self._head and given == self._head["id"])
                kind = "custom" if isinstance(call.get("custom"), dict) else "function"
                call.update(id=given if usable else new_call_id(), type=kind)
            else:
                call.pop("id", None)
            if isinstance(call.get("custom"), dict):
                continue
            function = call.get("function")
            function = function if isinstance(function, dict) else {}
            call["function"] = function
            if not isinstance(function.get("arguments"), str):
                function["arguments"] = arguments_text(function.get("arguments"))

    def _fill(self, chunk: JSON) -> None:
        head = self._head
        if head is None:
            chunk["id"] = chunk.get("id") or f"chatcmpl-{uuid4().hex}"
            chunk["created"] = chunk.get("created") or int(time())
            chunk["model"] = chunk.get("model") or ""
            chunk["object"] = "chat.completion.chunk"
            self._head = {name: chunk[name] for name in ("id", "object", "created", "model")}
        elif not (chunk.get("id") and chunk.get("created") and chunk.get("model") and chunk.get("object")):
            chunk.update(head)

    def _framed(self, rest: JSON) -> JSON:
        head = self._head or {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time()),
            "model": "",
        }
        return {**head, **rest}


class _Calls:
    """The tool calls of one choice, numbered from 0 in the order they appear."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._numbers: dict[int, int] = {}

    def place(self, stated: int, given: str) -> tuple[int, bool]:
        """The number of the call that the server means, and whether it is a new one.

        A server that numbers every call 0 tells them apart by id only: another id is another call.
        """
        number = self._numbers.get(stated)
        if number is not None and given in ("", self._ids[number]):
            return number, False
        self._ids.append(given)
        self._numbers[stated] = len(self._ids) - 1
        return len(self._ids) - 1, True
