"""The bytes that a scripted upstream says, in the dialects of OpenAI, Anthropic and Ollama."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.behaviours import Answer, Stream, Tokens, ToolCall

SSE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Frames:
    """A stream, ready to be written; `done` is the last marker."""

    opening: tuple[bytes, ...]
    content: tuple[bytes, ...]
    finish: tuple[bytes, ...]
    done: tuple[bytes, ...]


class Dialect(Protocol):
    """How one API puts things; `stream_type` is the content type of its streams."""

    @property
    def stream_type(self) -> str: ...
    def completion(self, answer: Answer, model: str) -> dict[str, Any]: ...
    def frames(self, stream: Stream, model: str, *, with_usage: bool) -> Frames: ...
    def error(self, status: int, message: str) -> dict[str, Any]: ...
    def error_event(self, message: str) -> bytes: ...


def event(payload: dict[str, Any], name: str | None = None) -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(payload)}\n\n".encode()


def model_list(models: Sequence[str]) -> dict[str, Any]:
    """`GET /models` (`GET /tags`), in a shape that every dialect reads."""
    return {
        "object": "list",
        "models": [{"name": m, "model": m} for m in models],
        "data": [{"id": m, "object": "model", "type": "model", "created": 1, "owned_by": "test"} for m in models],
        "has_more": False,
    }


def embeddings(request: dict[str, Any], usage: Tokens) -> dict[str, Any]:
    """`POST /embeddings`: a vector of number and length for each input; the order is a provider's own affair."""
    inputs = request["input"] if isinstance(request["input"], list) else [request["input"]]
    vectors = [[float(index), float(len(each))] for index, each in enumerate(inputs)]
    if request.get("encoding_format") == "base64":
        written: list[Any] = [b64encode(struct.pack("<2f", *vector)).decode() for vector in vectors]
    else:
        written = list(vectors)
    rows = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(written)]
    counted = {"prompt_tokens": usage.input, "total_tokens": usage.input}
    return {"object": "list", "data": rows[::-1], "model": request["model"], "usage": counted}


def pieces(arguments: str) -> tuple[str, ...]:
    """Tool arguments in three parts, as streams cut them."""
    third = max(1, len(arguments) // 3)
    return arguments[:third], arguments[third : 2 * third], arguments[2 * third :]


class OpenAIDialect:
    """Chat Completions."""

    stream_type = SSE

    def completion(self, answer: Answer, model: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
        if answer.tool_calls:
            message["tool_calls"] = [self._tool(call) for call in answer.tool_calls]
        body: dict[str, Any] = {
            "id": "chatcmpl-upstream",
            "object": "chat.completion",
            "created": 1_763_000_000,
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish(answer)}],
        }
        if answer.usage is not None:
            body["usage"] = self._usage(answer.usage)
        return body

    def frames(self, stream: Stream, model: str, *, with_usage: bool) -> Frames:
        deltas: list[dict[str, Any]] = [{"content": word} for word in stream.words]
        for index, call in enumerate(stream.tool_calls):
            deltas.append({"tool_calls": [{"index": index, **self._tool(call, arguments="")}]})
            deltas += [
                {"tool_calls": [{"index": index, "function": {"arguments": part}}]} for part in pieces(call.arguments)
            ]
        finish = [self._chunk(model, {}, finish=self._finish(stream))]
        if with_usage and stream.usage is not None:
            finish.append(event({**self._head(model), "choices": [], "usage": self._usage(stream.usage)}))
        return Frames(
            opening=(self._chunk(model, {"role": "assistant", "content": "", "refusal": None}),),
            content=tuple(self._chunk(model, delta) for delta in deltas),
            finish=tuple(finish),
            done=(b"data: [DONE]\n\n",),
        )

    def error(self, status: int, message: str) -> dict[str, Any]:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def error_event(self, message: str) -> bytes:
        return event(self.error(500, message))

    def _chunk(self, model: str, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**self._head(model), "choices": [choice]})

    def _head(self, model: str) -> dict[str, Any]:
        return {
            "id": "chatcmpl-upstream",
            "object": "chat.completion.chunk",
            "created": 1_763_000_000,
            "model": model,
        }

    def _tool(self, call: ToolCall, arguments: str | None = None) -> dict[str, Any]:
        said = call.arguments if arguments is None else arguments
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": said}}

    def _finish(self, answer: Answer | Stream) -> str:
        return "tool_calls" if answer.tool_calls and answer.finish_reason == "stop" else answer.finish_reason

    def _usage(self, usage: Tokens) -> dict[str, Any]:
        return {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
        }


STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class AnthropicDialect:
    """Messages; usage is always counted. Finish reasons are written in OpenAI's words and translated here."""

    stream_type = SSE

    def completion(self, answer: Answer, model: str) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": answer.text}] if answer.text else []
        blocks += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
            for call in answer.tool_calls
        ]
        return {**self._message(model, answer.usage), "content": blocks, "stop_reason": self._stop(answer)}

    def frames(self, stream: Stream, model: str, *, with_usage: bool) -> Frames:
        content = [self._delta(0, {"type": "text_delta", "text": word}) for word in stream.words]
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        opening = [event({"type": "message_start", "message": self._message(model, stream.usage)}, "message_start")]
        if stream.words:
            opening.append(event(start, "content_block_start"))
            content[-1] += self._stop_block(0)
        for index, call in enumerate(stream.tool_calls, start=1 if stream.words else 0):
            content += self._tool(index, call)
        output = stream.usage.output if stream.usage else 0
        delta = {"stop_reason": self._stop(stream), "stop_sequence": None}
        end = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}}
        return Frames(
            opening=tuple(opening),
            content=tuple(content),
            finish=(event(end, "message_delta"),),
            done=(event({"type": "message_stop"}, "message_stop"),),
        )

    def error(self, status: int, message: str) -> dict[str, Any]:
        kinds = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
        kind = kinds.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_upstream"}

    def error_event(self, message: str) -> bytes:
        return event(self.error(529, message), "error")

    def _message(self, model: str, usage: Tokens | None) -> dict[str, Any]:
        counted = usage or Tokens(0, 0)
        return {
            "id": "msg_upstream",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": counted.input, "output_tokens": counted.output},
        }

    def _tool(self, index: int, call: ToolCall) -> list[bytes]:
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        start = {"type": "content_block_start", "index": index, "content_block": block}
        parts = [
            self._delta(index, {"type": "input_json_delta", "partial_json": part}) for part in pieces(call.arguments)
        ]
        parts[-1] += self._stop_block(index)
        return [event(start, "content_block_start"), *parts]

    def _delta(self, index: int, delta: dict[str, Any]) -> bytes:
        return event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")

    def _stop_block(self, index: int) -> bytes:
        return event({"type": "content_block_stop", "index": index}, "content_block_stop")

    def _stop(self, answer: Answer | Stream) -> str:
        reason = "tool_calls" if answer.tool_calls and answer.finish_reason == "stop" else answer.finish_reason
        return STOP_REASONS.get(reason, reason)


class OllamaDialect:
    """Ollama's native chat: a JSON object a line, calls whole, usage on the last line."""

    stream_type = "application/x-ndjson"

    def completion(self, answer: Answer, model: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": answer.text, **self._calls(answer.tool_calls)}
        return {"model": model, "created_at": "2026-11-21T01:40:00Z", "message": message, **self._end(answer)}

    def frames(self, stream: Stream, model: str, *, with_usage: bool) -> Frames:
        said: list[dict[str, Any]] = [{"content": word} for word in stream.words]
        said += [{"content": "", **self._calls((call,))} for call in stream.tool_calls]
        return Frames(
            opening=(),
            content=tuple(self._line(model, message, {"done": False}) for message in said),
            finish=(self._line(model, {"content": ""}, self._end(stream)),),
            done=(),
        )

    def error(self, status: int, message: str) -> dict[str, Any]:
        return {"error": message}

    def error_event(self, message: str) -> bytes:
        return json.dumps({"error": message}).encode() + b"\n"

    def _line(self, model: str, message: dict[str, Any], rest: dict[str, Any]) -> bytes:
        line = {"model": model, "created_at": "2026-11-21T01:40:00Z", "message": {"role": "assistant", **message}}
        return json.dumps({**line, **rest}).encode() + b"\n"

    def _end(self, answer: Answer | Stream) -> dict[str, Any]:
        usage = answer.usage
        counted = {} if usage is None else {"prompt_eval_count": usage.input, "eval_count": usage.output}
        return {"done": True, "done_reason": answer.finish_reason, **counted}

    def _calls(self, calls: Sequence[ToolCall]) -> dict[str, Any]:
        if not calls:
            return {}
        return {
            "tool_calls": [{"function": {"name": call.name, "arguments": json.loads(call.arguments)}} for call in calls]
        }
