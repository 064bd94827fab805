"""Requests of OpenAI's dialect, cut to what one provider takes. What had to go is said in the warnings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.adapters.codec import HARMLESS
from app.domain.chat import JSON

Refusals = Callable[[str, Mapping[str, Any]], frozenset[str]]
"""Parameters that a model refuses, given its name and the request's parameters."""

_SHORT_ID: Final = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_REASONING_FIELDS: Final = ("reasoning_content", "reasoning", "reasoning_details")


def refuses_nothing(model: str, parameters: Mapping[str, Any]) -> frozenset[str]:
    """For providers without such models."""
    del model, parameters
    return frozenset()


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How one provider's requests differ from OpenAI's.

    `max_tokens_field`: the one name it knows, None: as given. `allowed`: the only fields it takes, None: all but
    `dropped`. `efforts`: its words for `reasoning_effort`, None: as given. `kept_reasoning`: the fields under which
    assistant messages may carry reasoning back. `short_call_ids`: Mistral's nine characters.
    """

    max_tokens_field: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    refuses: Refusals = refuses_nothing
    efforts: Mapping[str, str] | None = None
    has_developer_role: bool = False
    has_stream_usage: bool = True
    has_json_schema: bool = True
    has_names: bool = True
    has_strict_tools: bool = True
    kept_reasoning: frozenset[str] = frozenset()
    thinking_switch: bool = False
    stop_is_list: bool = False
    logprobs_is_count: bool = False
    required_is_any: bool = False
    short_call_ids: bool = False
    drops_nulls: bool = False


class RequestWriter:
    """Writes one request; `warnings` fill up on the way."""

    def __init__(self, provider: str, options: RequestOptions) -> None:
        self._provider = provider
        self._options = options
        self.warnings: list[str] = []

    def body(self, model: str, messages: Sequence[JSON], parameters: Mapping[str, Any], *, stream: bool) -> JSON:
        """The JSON to send; the caller's own objects are never changed."""
        options = self._options
        body = {name: value for name, value in parameters.items() if value is not None}
        body.pop("stream_options", None)
        body.pop("stream", None)
        self._name_max_tokens(body)
        self._drop_refused(body, model)
        self._adapt_values(body)
        instruction = None if options.has_json_schema else self._schema_as_text(body)
        self._rename_and_drop(body)
        body["model"] = model
        body["messages"] = [self._message(message) for message in messages]
        if instruction is not None:
            body["messages"].append({"role": "system", "content": instruction})
        if stream:
            body["stream"] = True
            if options.has_stream_usage:
                body["stream_options"] = {"include_usage": True}
        return body

    def _warn(self, name: str, why: str) -> None:
        self.warnings.append(f"{name} was dropped: {why}")

    def _name_max_tokens(self, body: JSON) -> None:
        wanted = self._options.max_tokens_field
        if wanted is None:
            return
        other = "max_tokens" if wanted == "max_completion_tokens" else "max_completion_tokens"
        if other in body:
            stated = body.pop(other)
            body.setdefault(wanted, stated)

    def _drop_refused(self, body: JSON, model: str) -> None:
        for name in sorted(self._options.refuses(model, body) & body.keys()):
            if body.pop(name) not in HARMLESS.get(name, ()):
                self._warn(name, f"{model} does not take it")

    def _adapt_values(self, body: JSON) -> None:
        options = self._options
        if options.efforts is not None and "reasoning_effort" in body:
            self._adapt_effort(body, options.efforts)
        if options.stop_is_list and isinstance(body.get("stop"), str):
            body["stop"] = [body["stop"]]
        if options.logprobs_is_count and "logprobs" in body:
            wanted = body.pop("logprobs")
            count = body.pop("top_logprobs", 1)
            if wanted:
                body["logprobs"] = count
        if options.required_is_any and body.get("tool_choice") == "required":
            body["tool_choice"] = "any"
        if not options.has_strict_tools and isinstance(body.get("tools"), list):
            body["tools"] = [_without_strict(tool) for tool in body["tools"]]
        if "tool_choice" in options.dropped and body.get("tool_choice") == "none":
            # A provider that cannot be told "no tools" is not told of any.
            body.pop("tools", None)
            del body["tool_choice"]

    def _adapt_effort(self, body: JSON, efforts: Mapping[str, str]) -> None:
        effort = str(body.pop("reasoning_effort"))
        if self._options.thinking_switch and effort == "none":
            body["thinking"] = {"type": "disabled"}
        elif effort in efforts:
            body["reasoning_effort"] = efforts[effort]
        else:
            self._warn("reasoning_effort", f"{self._provider} knows no level {effort!r}")

    def _schema_as_text(self, body: JSON) -> str | None:
        """Ask in words for the schema that the provider cannot be given."""
        wanted = body.get("response_format")
        if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
            return None
        schema = wanted.get("json_schema")
        schema = schema.get("schema", {}) if isinstance(schema, dict) else {}
        body["response_format"] = {"type": "json_object"}
        self.warnings.append(f"json_schema is asked for in words: {self._provider} has JSON mode only")
        return f"Answer with one JSON object that follows this JSON schema:\n{orjson.dumps(schema).decode()}"

    def _rename_and_drop(self, body: JSON) -> None:
        options = self._options
        for name, new in options.renamed.items():
            if name in body:
                body[new] = body.pop(name)
        unknown = options.dropped if options.allowed is None else body.keys() - options.allowed
        for name in sorted(unknown & body.keys()):
            if body.pop(name) not in HARMLESS.get(name, ()):
                self._warn(name, f"{self._provider} does not take it")

    def _message(self, message: JSON) -> JSON:
        options = self._options
        role = message.get("role")
        changed = dict(message)
        if role == "developer" and not options.has_developer_role:
            changed["role"] = "system"
        if not options.has_names and role != "tool":
            changed.pop("name", None)
        if role == "assistant":
            self._adapt_assistant(changed)
        if options.short_call_ids:
            _shorten_ids(changed)
        if options.drops_nulls:
            changed = {name: value for name, value in changed.items() if value is not None or name == "content"}
        return changed

    def _adapt_assistant(self, message: JSON) -> None:
        kept = self._options.kept_reasoning
        said = next((message[name] for name in _REASONING_FIELDS[:2] if isinstance(message.get(name), str)), None)
        for name in _REASONING_FIELDS:
            if name not in kept:
                message.pop(name, None)
        if said and "reasoning" in kept:
            message["reasoning"] = said
            message.pop("reasoning_content", None)
        elif "reasoning_content" in kept and (said or (self._options.thinking_switch and message.get("tool_calls"))):
            # DeepSeek answers 400 to a tool call that comes back without its reasoning; a space is enough.
            message["reasoning_content"] = said or " "


def short_call_id(given: str) -> str:
    """Nine letters and digits for any id, always the same for the same."""
    if _SHORT_ID.fullmatch(given):
        return given
    number = int.from_bytes(hashlib.sha256(given.encode("utf-8", "replace")).digest()[:8], "big")
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def _shorten_ids(message: JSON) -> None:
    if isinstance(message.get("tool_call_id"), str):
        message["tool_call_id"] = short_call_id(message["tool_call_id"])
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        message["tool_calls"] = [
            {**call, "id": short_call_id(str(call.get("id", "")))} if isinstance(call, dict) else call for call in calls
        ]


def _without_strict(tool: Any) -> Any:  # noqa: ANN401 - a wire body
    if not isinstance(tool, dict) or not isinstance(tool.get("function"), dict):
        return tool
    return {**tool, "function": {name: value for name, value in tool["function"].items() if name != "strict"}}
