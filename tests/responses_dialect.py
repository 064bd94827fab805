"""The bytes that a scripted upstream says over OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.behaviours import Answer, Stream, Tokens, ToolCall
from tests.dialects import SSE, Frames, event, pieces

JSON = dict[str, Any]


class ResponsesDialect:
    """Responses: a stream tells every item piece by piece, and at the end the whole again."""

    stream_type = SSE

    def completion(self, answer: Answer, model: str) -> JSON:
        return self._response(answer, model, list(self._items(answer.text, answer.tool_calls)))

    def frames(self, stream: Stream, model: str, *, with_usage: bool) -> Frames:
        text = "".join(stream.words)
        items = list(self._items(text, stream.tool_calls))
        begun = {**self._response(stream, model, []), "status": "in_progress", "usage": None}
        numbered = _Numbered()
        opening = [numbered("response.created", response=begun)]
        content: list[bytes] = []
        calls = iter(stream.tool_calls)
        for index, item in enumerate(items):
            if item["type"] == "message":
                content += self._text(numbered, index, item, stream.words)
            else:
                content += self._call(numbered, index, item, next(calls))
        whole = self._response(stream, model, items)
        return Frames(tuple(opening), tuple(content), (numbered(f"response.{whole['status']}", response=whole),), ())

    def error(self, status: int, message: str) -> JSON:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def error_event(self, message: str) -> bytes:
        told = {"type": "error", "code": "server_error", "message": message, "param": None, "sequence_number": 99}
        return event(told, "error")

    def _response(self, answer: Answer | Stream, model: str, output: list[JSON]) -> JSON:
        is_cut = answer.finish_reason == "length"
        return {
            "id": "resp_upstream",
            "object": "response",
            "created_at": 1_763_000_000,
            "status": "incomplete" if is_cut else "completed",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "instructions": None,
            "metadata": {},
            "model": model,
            "output": output,
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": None if answer.usage is None else self._usage(answer.usage),
        }

    def _items(self, text: str, calls: tuple[ToolCall, ...]) -> Iterator[JSON]:
        if text:
            part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
            message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed"}
            yield {**message, "content": [part]}
        for number, call in enumerate(calls):
            head = {"id": f"fc_{number}", "type": "function_call", "status": "completed", "call_id": call.id}
            yield {**head, "name": call.name, "arguments": call.arguments}

    def _text(self, numbered: _Numbered, index: int, item: JSON, words: tuple[str, ...]) -> list[bytes]:
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        whole = item["content"][0]
        begun = {**item, "status": "in_progress", "content": []}
        frames = [
            numbered("response.output_item.added", output_index=index, item=begun)
            + numbered("response.content_part.added", **place, part={**whole, "text": ""}),
            *(numbered("response.output_text.delta", **place, delta=word, logprobs=[]) for word in words),
        ]
        frames[-1] += (
            numbered("response.output_text.done", **place, text=whole["text"], logprobs=[])
            + numbered("response.content_part.done", **place, part=whole)
            + numbered("response.output_item.done", output_index=index, item=item)
        )
        return frames

    def _call(self, numbered: _Numbered, index: int, item: JSON, call: ToolCall) -> list[bytes]:
        place = {"item_id": item["id"], "output_index": index}
        begun = {**item, "status": "in_progress", "arguments": ""}
        frames = [
            numbered("response.output_item.added", output_index=index, item=begun),
            *(
                numbered("response.function_call_arguments.delta", **place, delta=p)
                for p in pieces(call.arguments)
                if p
            ),
        ]
        said = {"name": call.name, "arguments": call.arguments}
        frames[-1] += numbered("response.function_call_arguments.done", **place, **said)
        frames[-1] += numbered("response.output_item.done", output_index=index, item=item)
        return frames

    def _usage(self, usage: Tokens) -> JSON:
        return {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input + usage.output,
        }


class _Numbered:
    """Events with the numbers that the API gives them."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, name: str, /, **payload: Any) -> bytes:
        number, self._next = self._next, self._next + 1
        return event({"type": name, "sequence_number": number, **payload}, name)
