"""A chat completion request as Ollama's native chat takes it. What cannot be honoured is in the warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.adapters.codec import HARMLESS, bad_request, unsupported
from app.adapters.ollama_messages import MessageWriter
from app.domain.chat import JSON, Call

# Their names are the same on both sides; the first are OpenAI's, the others an operator's own.
_OPTIONS: Final = frozenset(
    {"temperature", "top_p", "seed", "presence_penalty", "frequency_penalty"}
    | {"top_k", "min_p", "typical_p", "num_predict", "num_ctx", "num_keep", "num_batch", "num_gpu", "main_gpu"}
    | {"num_thread", "use_mmap", "repeat_penalty", "repeat_last_n", "mirostat", "mirostat_tau", "mirostat_eta"}
)
_OWN_FIELDS: Final = ("think", "keep_alive", "truncate", "shift")
_READ: Final = frozenset(
    {"max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "response_format", "reasoning_effort"}
    | {"logprobs", "top_logprobs", "stream", "stream_options", "options", "n", "modalities", "audio"}
    | {"functions", "function_call"}
    | _OPTIONS
    | set(_OWN_FIELDS)
)
_EFFORTS: Final[Mapping[str, bool | str]] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "max": "max",
}
_HARMLESS: Final = {**HARMLESS, "parallel_tool_calls": (True,)}
_ALWAYS_THINKS: Final = "gpt-oss"
_ANY_ARGUMENTS: Final[JSON] = {"type": "object", "properties": {}}


class OllamaRequest:
    """Writes one request; read `warnings` after `body`."""

    def __init__(self, call: Call) -> None:
        self._model = call.model
        self._messages = MessageWriter(call.request.messages)
        self._given = {name: value for name, value in call.request.parameters.items() if value is not None}
        self.warnings: list[str] = []

    def body(self, *, stream: bool) -> JSON:
        """The JSON to send."""
        self._refuse()
        given = self._given
        # By default the oldest messages beyond the context are lost without a word; this way there is an error.
        body: JSON = {"model": self._model, "messages": self._messages.written(), "stream": stream, "truncate": False}
        body |= {name: given[name] for name in _OWN_FIELDS if name in given}
        self._offer_tools(body)
        self._format(body)
        self._think(body)
        if given.get("logprobs"):
            body |= {name: given[name] for name in ("logprobs", "top_logprobs") if name in given}
        if options := self._options():
            body["options"] = options
        self._drop_unknown()
        self.warnings += self._messages.warnings
        return body

    def _drop(self, name: str, why: str) -> None:
        self.warnings.append(f"{name} was dropped: {why}")

    def _refuse(self) -> None:
        """What changes the answer's shape is never dropped."""
        given = self._given
        if given.get("n", 1) != 1:
            raise unsupported("Ollama gives one answer at a time", "n")
        if given.get("functions"):
            raise unsupported("Ollama is offered tools, not functions", "functions")
        modalities = given.get("modalities")
        if modalities is not None and modalities != ["text"]:
            raise unsupported("Ollama answers in text", "modalities")

    def _drop_unknown(self) -> None:
        for name in sorted(self._given.keys() - _READ):
            if self._given[name] not in _HARMLESS.get(name, ()):
                self._drop(name, "Ollama has no such parameter")

    def _options(self) -> JSON:
        given = self._given
        stated = given.get("options", {})
        if not isinstance(stated, dict):
            raise bad_request("options is no object", "options")
        options = {**stated, **{name: given[name] for name in sorted(_OPTIONS & given.keys())}}
        limit = given.get("max_completion_tokens", given.get("max_tokens"))
        if limit is not None:
            options["num_predict"] = limit
        stop = given.get("stop")
        if stop:
            options["stop"] = stop if isinstance(stop, list) else [stop]
        return options

    def _offer_tools(self, body: JSON) -> None:
        offered = self._given.get("tools") or ()
        if not isinstance(offered, list | tuple):
            raise bad_request("tools is no list", "tools")
        names = self._allowed() if offered else None
        tools = [self._tool(tool) for tool in offered]
        kept = [tool for tool in tools if names is None or tool["function"]["name"] in names]
        if kept:
            body["tools"] = kept

    def _allowed(self) -> frozenset[str] | None:
        """Names of the tools that may be called, None: any. It cannot be said that one must be."""
        choice = self._given.get("tool_choice")
        match choice:
            case None | "auto":
                return None
            case "none":
                return frozenset()
            case {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [*allowed]}}:
                functions = [tool.get("function") for tool in allowed if isinstance(tool, dict)]
                return frozenset(str(each.get("name")) for each in functions if isinstance(each, dict))
            case "required" | dict():
                raise unsupported("Ollama cannot be made to call a tool", "tool_choice")
            case _:
                raise bad_request(f"unknown tool_choice {str(choice)[:40]!r}", "tool_choice")

    def _tool(self, tool: Any) -> JSON:  # noqa: ANN401 - a wire body
        if isinstance(tool, dict) and tool.get("type", "function") != "function":
            raise unsupported(f"Ollama knows no tools of type {str(tool['type'])[:40]!r}", "tools")
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
            raise bad_request("a tool without a function name", "tools")
        if function.get("strict") and not any(each.startswith("strict") for each in self.warnings):
            self._drop("strict", "Ollama holds no model to a tool's schema")
        written = {name: value for name, value in function.items() if name != "strict" and value is not None}
        return {"type": "function", "function": {"parameters": _ANY_ARGUMENTS, **written}}

    def _format(self, body: JSON) -> None:
        wanted = self._given.get("response_format")
        match wanted:
            case None | {"type": "text"}:
                return
            case {"type": "json_object"}:
                body["format"] = "json"
            case {"type": "json_schema", "json_schema": dict(stated)}:
                schema = stated.get("schema")
                body["format"] = schema if isinstance(schema, dict) else "json"
            case _:
                raise unsupported("Ollama knows no such response_format", "response_format")

    def _think(self, body: JSON) -> None:
        effort = self._given.get("reasoning_effort")
        if effort is None or "think" in body:
            return
        if not isinstance(effort, str) or effort not in _EFFORTS:
            self._drop("reasoning_effort", f"Ollama knows no level {str(effort)[:20]!r}")
        elif effort == "none" and _ALWAYS_THINKS in self._model:
            body["think"] = "low"
            self.warnings.append(f"reasoning_effort none became low: {self._model} always thinks")
        else:
            body["think"] = _EFFORTS[effort]
