"""A chat completion request as Anthropic's Messages API takes it. What cannot be honoured is in the warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.adapters.anthropic_messages import split_system, turns_of
from app.adapters.anthropic_models import ModelTraits, Thinking, traits_of
from app.adapters.codec import HARMLESS, bad_request
from app.domain.chat import JSON, Call

_BUDGETS: Final[Mapping[str, int]] = {"low": 1024, "medium": 4096, "high": 8192, "xhigh": 16_384, "max": 16_384}
_LEAST_BUDGET: Final = 1024
_ROOM_FOR_THINKING: Final = 4096
_SAMPLING: Final = ("temperature", "top_p", "top_k")
_OWN_FIELDS: Final = ("thinking", "output_config", "cache_control", "container", "mcp_servers", "context_management")
_READ: Final = frozenset(
    {"max_tokens", "max_completion_tokens", "stop", "user", "tools", "tool_choice", "parallel_tool_calls"}
    | {"response_format", "reasoning_effort", "stream", "stream_options", *_SAMPLING, *_OWN_FIELDS}
)
_JSON_ONLY: Final = "Answer with one JSON object and nothing else: no prose, no code fence."
_UNSUPPORTED_KEYWORDS: Final = frozenset(
    {"minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "pattern", "format"}
)


class AnthropicRequest:
    """Writes one request; read `warnings` after `body`."""

    def __init__(self, call: Call) -> None:
        self._model = call.model
        self._messages = call.request.messages
        self._given = {name: value for name, value in call.request.parameters.items() if value is not None}
        self._traits: ModelTraits = traits_of(call.model)
        self.warnings: list[str] = []

    def body(self, *, stream: bool) -> JSON:
        """The JSON to send."""
        system, rest = split_system(self._messages)
        turns, warnings = turns_of(rest, late_system=self._traits.late_system)
        self.warnings += warnings
        if not turns:
            raise bad_request("there is no message with content besides the system's", "messages")
        self._end_with_user(turns)
        body: JSON = {"model": self._model, "max_tokens": self._max_tokens(), "messages": turns}
        body |= {name: self._given[name] for name in _OWN_FIELDS if name in self._given}
        self._think(body)
        self._sample(body)
        self._offer_tools(body, system)
        self._format(body, system)
        self._stop_and_user(body)
        if system:
            body["system"] = "\n\n".join(system)
        for name in self._given.keys() - _READ:
            if self._given[name] not in HARMLESS.get(name, ()):
                self._drop(name, "the Messages API has no such field")
        if stream:
            body["stream"] = True
        return body

    def _drop(self, name: str, why: str) -> None:
        self.warnings.append(f"{name} was dropped: {why}")

    def _end_with_user(self, turns: list[JSON]) -> None:
        if turns[-1]["role"] == "assistant" and not self._traits.prefill:
            turns.append({"role": "user", "content": [{"type": "text", "text": "Continue from where you stopped."}]})
            self.warnings.append(f"{self._model} does not continue an assistant message: it was asked to in words")

    def _max_tokens(self) -> int:
        traits = self._traits
        stated = self._given.get("max_completion_tokens", self._given.get("max_tokens"))
        if stated is None:
            return traits.default_output
        if not isinstance(stated, int) or isinstance(stated, bool) or stated < 0:
            raise bad_request("max_tokens must be a whole number", "max_tokens")
        if traits.max_output is not None and stated > traits.max_output:
            self.warnings.append(f"max_tokens was cut to {traits.max_output}, the most that {self._model} writes")
            return traits.max_output
        if traits.thinking is Thinking.ALWAYS and stated < _ROOM_FOR_THINKING:
            self.warnings.append(f"{self._model} always thinks, and its thinking counts in max_tokens={stated}")
        return stated

    def _think(self, body: JSON) -> None:
        effort = self._given.get("reasoning_effort")
        if effort is None or "thinking" in body:
            return
        effort = "low" if effort == "minimal" else str(effort)
        kind = self._traits.thinking
        if effort == "none":
            if kind is Thinking.ADAPTIVE_BY_DEFAULT:
                body["thinking"] = {"type": "disabled"}
            elif kind is Thinking.ALWAYS:
                self._drop("reasoning_effort", f"{self._model} always thinks")
        elif effort not in _BUDGETS or kind is Thinking.NONE:
            self._drop("reasoning_effort", f"{self._model} knows no level {effort[:20]!r}")
        elif kind is Thinking.BUDGET:
            self._budget(body, _BUDGETS[effort])
        else:
            if effort not in self._traits.efforts:
                self.warnings.append(f"reasoning_effort {effort} became high, the most that {self._model} knows")
                effort = "high"
            body["output_config"] = {**body.get("output_config", {}), "effort": effort}
            if kind is not Thinking.ALWAYS:
                body["thinking"] = {"type": "adaptive"}

    def _budget(self, body: JSON, wanted: int) -> None:
        if "max_tokens" not in self._given and "max_completion_tokens" not in self._given:
            body["max_tokens"] += wanted  # our own default is for the answer; the thinking comes on top
        budget = min(wanted, body["max_tokens"] // 2)
        if budget < _LEAST_BUDGET:
            self._drop("reasoning_effort", f"max_tokens={body['max_tokens']} leaves no room for thinking")
            return
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}

    def _thinks(self, body: JSON) -> bool:
        thinking = body.get("thinking")
        return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")

    def _sample(self, body: JSON) -> None:
        given: JSON = {name: self._given[name] for name in _SAMPLING if name in self._given}
        if not self._traits.samples or self._thinks(body):
            why = "thinking fixes it" if self._traits.samples else f"{self._model} does not take it"
            for name in given:
                self._drop(name, why)
            return
        if self._traits.one_sampler and "temperature" in given and "top_p" in given:
            del given["top_p"]
            self._drop("top_p", f"{self._model} takes temperature or top_p, not both")
        temperature = given.get("temperature")
        if isinstance(temperature, int | float) and temperature > 1:
            given["temperature"] = 1
            self.warnings.append(f"temperature {temperature:g} became 1, the highest here")
        body |= given

    def _offer_tools(self, body: JSON, system: list[str]) -> None:
        given = self._given.get("tools") or ()
        if not isinstance(given, list | tuple):
            raise bad_request("tools is no list", "tools")
        tools = [tool for each in given if (tool := self._tool(each)) is not None]
        if not tools:
            # Some models refuse a history with tool blocks when no tools are given.
            used = {b["name"]: b for t in body["messages"] for b in t["content"] if b["type"] == "tool_use"}
            if used:
                body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in used]
                body["tool_choice"] = {"type": "none"}
            return
        body["tools"] = tools
        choice = self._choice(self._given.get("tool_choice"))
        if (
            choice is not None
            and choice["type"] in ("any", "tool")
            and (not self._traits.forced_tools or self._thinks(body))
        ):
            named = f"the tool {choice['name']}" if choice["type"] == "tool" else "one of the tools"
            system.append(f"You must call {named} now.")
            self.warnings.append(f"tool_choice became auto with an instruction: {self._model} cannot be forced")
            choice = {"type": "auto"}
        parallel = self._given.get("parallel_tool_calls")
        if parallel is not None:
            choice = choice or {"type": "auto"}
            if choice["type"] != "none":
                choice["disable_parallel_tool_use"] = not parallel
        if choice is not None:
            body["tool_choice"] = choice

    def _tool(self, tool: Any) -> JSON | None:  # noqa: ANN401 - a wire body
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not function.get("name"):
            self._drop("a tool", "only functions with a name can be offered")
            return None
        schema = function.get("parameters") or {}
        if not isinstance(schema, dict):
            raise bad_request(f"the parameters of {function['name']} are no JSON schema", "tools")
        translated: JSON = {"name": function["name"], "input_schema": {"type": "object", **schema}}
        if function.get("description"):
            translated["description"] = function["description"]
        if function.get("strict"):
            translated["strict"] = True
        if "cache_control" in tool:
            translated["cache_control"] = tool["cache_control"]
        return translated

    def _choice(self, choice: Any) -> JSON | None:  # noqa: ANN401 - a wire body
        if isinstance(choice, dict):
            named = choice.get("function")
            if isinstance(named, dict) and named.get("name"):
                return {"type": "tool", "name": named["name"]}
            allowed = choice.get("allowed_tools")
            choice = allowed.get("mode") if isinstance(allowed, dict) else None
        known = {"auto": "auto", "required": "any", "none": "none"}
        if choice is None:
            return None
        if not isinstance(choice, str) or choice not in known:
            raise bad_request(f"unknown tool_choice {str(choice)[:40]!r}", "tool_choice")
        return {"type": known[choice]}

    def _format(self, body: JSON, system: list[str]) -> None:
        wanted = self._given.get("response_format")
        kind = wanted.get("type") if isinstance(wanted, dict) else None
        if kind == "json_object":
            system.append(_JSON_ONLY)
            self.warnings.append("json_object is asked for in words: the Messages API has no JSON mode")
        elif kind == "json_schema" and isinstance(wanted, dict):
            stated = wanted.get("json_schema")
            schema = stated.get("schema") if isinstance(stated, dict) else None
            if not isinstance(schema, dict):
                raise bad_request("json_schema holds no schema", "response_format.json_schema.schema")
            if self._traits.schemas:
                form = {"type": "json_schema", "schema": closed_schema(schema)}
                body["output_config"] = {**body.get("output_config", {}), "format": form}
            else:
                system.append(f"{_JSON_ONLY} It must follow this JSON schema:\n{orjson.dumps(schema).decode()}")
                self.warnings.append(f"json_schema is asked for in words: {self._model} has no structured output")

    def _stop_and_user(self, body: JSON) -> None:
        stop = self._given.get("stop")
        stops = stop if isinstance(stop, list) else [stop] if stop else []
        usable = [each for each in stops if isinstance(each, str) and each.strip()]
        if len(usable) < len(stops):
            self._drop("a stop sequence", "whitespace alone is not taken")
        if usable:
            body["stop_sequences"] = usable
        if "user" in self._given:
            body["metadata"] = {"user_id": str(self._given["user"])}


def closed_schema(schema: Any) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """The schema as structured output takes it: objects closed, keywords that it does not know left out."""
    if isinstance(schema, list):
        return [closed_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed: JSON = {}
    for name, value in schema.items():
        if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            closed[name] = {each: closed_schema(inner) for each, inner in value.items()}
        elif name in ("enum", "const", "default", "examples", "required"):
            closed[name] = value
        elif name not in _UNSUPPORTED_KEYWORDS:
            closed[name] = closed_schema(value)
    if closed.get("type") == "object" or "properties" in closed:
        closed["additionalProperties"] = False
    return closed
