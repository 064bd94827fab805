"""Requests of the Responses API, out of canonical ones. What had to go is said in the warnings."""

from __future__ import annotations

from typing import Any, Final

from app.adapters.codec import HARMLESS, bad_request, unsupported
from app.adapters.openai_efforts import with_known_effort
from app.adapters.refusals import openai_refusals
from app.adapters.responses_input import split_input
from app.domain.chat import JSON, Call

_SAME: Final = (
    "parallel_tool_calls",
    "user",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "moderation",
)
_OWN: Final = frozenset(
    {"temperature", "top_p", "max_tokens", "max_completion_tokens", "reasoning_effort"}
    | {"response_format", "verbosity", "tools", "tool_choice", "stream", "stream_options"}
)
"""Parameters that are translated, or that the wire does without any loss."""
_NEVER_NATIVE: Final = frozenset({"stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias"})
_LEAST_OUTPUT: Final = 16
_REPLAY: Final = "reasoning.encrypted_content"


class ResponsesRequest:
    """Translates one call; `warnings` fill up on the way."""

    def __init__(self, call: Call) -> None:
        self._model = call.model
        self._messages = call.request.messages
        parameters, warnings = with_known_effort(call.model, call.request.parameters)
        self._parameters = {name: value for name, value in parameters.items() if value is not None}
        self.warnings = list(warnings)

    def body(self, *, stream: bool) -> JSON:
        """The JSON to send; raises ProviderError(UNSUPPORTED) for what the wire has no words for."""
        self._refuse_needs()
        body = {**self.prompt(), **self._colours(), **self._same()}
        body.update(store=False, include=[_REPLAY])
        if stream:
            body["stream"] = True
        self._say_what_is_dropped()
        return body

    def prompt(self) -> JSON:
        """All that makes up the prompt: messages, tools, the answer's format."""
        text = self._text()
        # JSON mode wants the word in the input: that it stands in the instructions does not count.
        is_json_mode = text.get("format", {}).get("type") == "json_object"
        instructions, items = split_input(self._messages, has_instructions=not is_json_mode)
        body: JSON = {"model": self._model, "input": items}
        if instructions is not None:
            body["instructions"] = instructions
        if any(message.get("name") is not None for message in self._messages):
            self._warn("messages[].name", "the Responses API has no names")
        tools = self._parameters.get("tools")
        if tools:
            body["tools"] = [_tool(each) for each in _list(tools, "tools")]
        if "tool_choice" in self._parameters:
            body["tool_choice"] = _choice(self._parameters["tool_choice"])
        if text:
            body["text"] = text
        return body

    def defaults(self) -> JSON:
        """What an agent or a provider may have put below a body in the wire's own words."""
        for name in sorted(_NEVER_NATIVE & self._parameters.keys()):
            self._warn(name, "the Responses API does not take it")
        return {**self._colours(), **self._same()}

    def _same(self) -> JSON:
        return {name: self._parameters[name] for name in _SAME if name in self._parameters}

    def _colours(self) -> JSON:
        given = self._parameters
        body: JSON = {}
        most = given.get("max_completion_tokens", given.get("max_tokens"))
        if most is not None:
            body["max_output_tokens"] = self._at_least(most)
        refused = openai_refusals(self._model, given)
        if "reasoning_effort" in given and "reasoning_effort" in refused:
            self._warn("reasoning_effort", f"{self._model} does not take it")
        elif "reasoning_effort" in given:
            body["reasoning"] = {"effort": given["reasoning_effort"]}
        for name in ("temperature", "top_p"):
            if name in given and name in refused:
                self._warn(name, f"{self._model} does not take it")
            elif name in given:
                body[name] = given[name]
        return body

    def _at_least(self, most: Any) -> Any:  # noqa: ANN401 - a wire value
        if isinstance(most, int) and most < _LEAST_OUTPUT:
            self.warnings.append(
                f"max_completion_tokens was raised to {_LEAST_OUTPUT}: the Responses API takes no less"
            )
            return _LEAST_OUTPUT
        return most

    def _text(self) -> JSON:
        text: JSON = {}
        wanted = self._parameters.get("response_format")
        if wanted is not None:
            text["format"] = _format(wanted)
        if "verbosity" in self._parameters:
            text["verbosity"] = self._parameters["verbosity"]
        return text

    def _refuse_needs(self) -> None:
        """Raise for what shapes an answer and cannot be said here: it is never left out."""
        given = self._parameters
        count = given.get("n")
        modalities = given.get("modalities")
        impossible = {
            "n": isinstance(count, int) and count > 1,
            "logprobs": bool(given.get("logprobs")),
            "modalities": isinstance(modalities, list) and "audio" in modalities,
            "functions": bool(given.get("functions")),
            "web_search_options": given.get("web_search_options") is not None,
        }
        for name, is_wanted in impossible.items():
            if is_wanted:
                raise unsupported(f"{self._model} is asked over the Responses API, which has no {name}", name)

    def _say_what_is_dropped(self) -> None:
        for name in sorted(self._parameters.keys() - _OWN - set(_SAME)):
            if self._parameters[name] not in HARMLESS.get(name, ()):
                self._warn(name, "the Responses API does not take it")

    def _warn(self, name: str, why: str) -> None:
        self.warnings.append(f"{name} was dropped: {why}")


def _tool(tool: Any) -> JSON:  # noqa: ANN401 - a wire body
    kind = tool.get("type") if isinstance(tool, dict) else None
    inner = tool.get(kind) if isinstance(kind, str) else None
    if kind == "function" and isinstance(inner, dict):
        return {
            "type": "function",
            "name": inner.get("name"),
            **({"description": inner["description"]} if inner.get("description") is not None else {}),
            "parameters": inner.get("parameters") or {"type": "object", "properties": {}},
            # Left out, it would be true there and false in Chat Completions.
            "strict": bool(inner.get("strict")),
        }
    if kind == "custom" and isinstance(inner, dict):
        return {
            "type": "custom",
            **{name: value for name, value in inner.items() if name != "format"},
            **_grammar(inner),
        }
    raise unsupported(f"the Responses API has no tool of type {str(kind)[:40]!r}", "tools")


def _grammar(custom: JSON) -> JSON:
    stated = custom.get("format")
    if not isinstance(stated, dict):
        return {}
    grammar = stated.get("grammar")
    return {"format": {"type": "grammar", **grammar} if isinstance(grammar, dict) else stated}


def _choice(choice: Any) -> Any:  # noqa: ANN401 - a wire body
    if isinstance(choice, str):
        return choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    inner = choice.get(kind) if isinstance(kind, str) else None
    if kind in ("function", "custom") and isinstance(inner, dict):
        return {"type": kind, "name": inner.get("name")}
    if kind == "allowed_tools" and isinstance(inner, dict):
        tools = [_choice(each) for each in _list(inner.get("tools"), "tool_choice")]
        return {"type": kind, "mode": inner.get("mode") or "auto", "tools": tools}
    raise unsupported(f"the Responses API has no tool choice of type {str(kind)[:40]!r}", "tool_choice")


def _format(wanted: Any) -> JSON:  # noqa: ANN401 - a wire body
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind in ("text", "json_object"):
        return {"type": kind}
    schema = wanted.get("json_schema") if kind == "json_schema" else None
    if not isinstance(schema, dict):
        raise unsupported(f"the Responses API has no format of type {str(kind)[:40]!r}", "response_format")
    named = {name: schema[name] for name in ("name", "description", "schema") if schema.get(name) is not None}
    return {"type": "json_schema", **named, "strict": bool(schema.get("strict"))}


def _list(value: Any, param: str) -> list[Any]:  # noqa: ANN401 - a wire body
    if not isinstance(value, list):
        raise bad_request(f"{param} must be an array", param)
    return value
