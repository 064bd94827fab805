"""OpenAI's Responses wire: a checked body in, an ask out, with the same request in the wire's own words beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.api.exchange import Exchange
from app.api.intent import Intent
from app.api.model_choice import ModelChoice, refuse_first
from app.api.responses_checks import PARAMETERS, unsupported, violations
from app.api.responses_items import Transcript, item_kind
from app.api.responses_reasoning import is_sealed
from app.domain.attempt import Ask
from app.domain.chat import JSON, ChatRequest, NativeBody, Wire
from app.domain.errors import Code, OutcryError, RequestRejected

LOGPROBS: Final = "message.output_text.logprobs"
_SAME: Final = (
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "temperature",
    "top_p",
    "user",
)
_OWN: Final = frozenset(("model", "models", "provider", "stream"))
_UNTRANSLATED: Final = frozenset(("max_tool_calls",))
_READ: Final = (PARAMETERS.keys() | _OWN | {"input", "conversation", "previous_response_id", "prompt"}) - _UNTRANSLATED


_RENAMED: Final = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "logprobs": "include",
}
"""Fields whose canonical name the caller never wrote."""


def told(error: OutcryError) -> OutcryError:
    """The error with the field that it names as this wire calls it; places inside a field cannot be told apart."""
    name = re.split(r"[.\[]", error.param or "", maxsplit=1)[0]
    error.param = _RENAMED.get(name, error.param)
    return error


def ask_of(body: Mapping[str, Any], intent: Intent, exchange: Exchange) -> Ask:
    """The completion that a body asks for. Raises RequestRejected with the path of the first wrong field."""
    for refused in unsupported(body):
        message = f"{refused.field} {refused.message}"
        raise RequestRejected(Code.UNSUPPORTED_PARAMETER, message, param=refused.field)
    refuse_first(violations(body))
    choice = ModelChoice.of(body)
    exchange.warnings += _untranslated(body)
    return choice.ask(request_of(body), intent, exchange, route="responses")


def request_of(body: Mapping[str, Any]) -> ChatRequest:
    """The chat that a checked body asks for. Raises RequestRejected when nothing in it is to be answered."""
    transcript = Transcript()
    if body.get("instructions") is not None:
        transcript.say("system", body["instructions"])
    stated = body["input"]
    if isinstance(stated, str):
        transcript.say("user", stated)
    else:
        for index, item in enumerate(stated):
            transcript.add(item, f"input[{index}]")
    messages = transcript.messages()
    if not messages and not transcript.only_here:
        raise RequestRejected(Code.INVALID_REQUEST, "input: holds nothing that could be answered", param="input")
    only_here = (*_server_tools(body), *transcript.only_here)
    native = NativeBody(Wire.RESPONSES, _native(body), only_here=only_here)
    return ChatRequest(messages, parameters_of(body), native)


def parameters_of(body: Mapping[str, Any]) -> JSON:
    """The parameters of a checked body in the words of Chat Completions."""
    parameters = {name: body[name] for name in _SAME if body.get(name) is not None}
    if body.get("max_output_tokens") is not None:
        parameters["max_completion_tokens"] = body["max_output_tokens"]
    effort = (body.get("reasoning") or {}).get("effort")
    if effort is not None:
        parameters["reasoning_effort"] = effort
    if body.get("tools"):
        parameters["tools"] = [_tool(tool) for tool in body["tools"]]
    if body.get("tool_choice") is not None:
        parameters["tool_choice"] = _choice(body["tool_choice"])
    if LOGPROBS in (body.get("include") or ()):
        parameters["logprobs"] = True
        if body.get("top_logprobs") is not None:
            parameters["top_logprobs"] = body["top_logprobs"]
    text = body.get("text") or {}
    if text.get("verbosity") is not None:
        parameters["verbosity"] = text["verbosity"]
    wanted = _format(text.get("format") or {})
    if wanted is not None:
        parameters["response_format"] = wanted
    return parameters


def _tool(tool: JSON) -> JSON:
    match tool["type"]:
        case "function":
            return {"type": "function", "function": _stated(tool, "name", "description", "parameters", "strict")}
        case "custom":
            custom = _stated(tool, "name", "description")
            form = tool.get("format") or {}
            if form.get("type") == "grammar":
                custom["format"] = {"type": "grammar", "grammar": _stated(form, "syntax", "definition")}
            elif form:
                custom["format"] = form
            return {"type": "custom", "custom": custom}
        case _:
            return tool


def _choice(choice: str | JSON) -> str | JSON:
    if isinstance(choice, str):
        return choice
    match choice["type"]:
        case "function" | "custom" as form:
            return {"type": form, form: {"name": choice["name"]}}
        case "allowed_tools":
            tools = [_named(tool) for tool in choice["tools"]]
            return {"type": "allowed_tools", "allowed_tools": {"mode": choice["mode"], "tools": tools}}
        case _:
            return choice


def _named(tool: JSON) -> JSON:
    form = tool.get("type")
    return {"type": form, form: {"name": tool.get("name")}} if form in ("function", "custom") else tool


def _format(wanted: JSON) -> JSON | None:
    match wanted.get("type"):
        case "json_schema":
            schema = _stated(wanted, "name", "description", "schema", "strict")
            return {"type": "json_schema", "json_schema": schema}
        case "json_object":
            return {"type": "json_object"}
        case _:
            return None


def _stated(source: Mapping[str, Any], *names: str) -> JSON:
    return {name: source[name] for name in names if source.get(name) is not None}


def _server_tools(body: Mapping[str, Any]) -> Iterator[str]:
    for index, tool in enumerate(body.get("tools") or ()):
        if tool["type"] not in ("function", "custom"):
            yield f"tools[{index}]"


def _native(body: Mapping[str, Any]) -> JSON:
    """The body for a provider of this dialect: nothing is stored there, and what only we can read stays here.

    With `store: false` a provider looks for reasoning without `encrypted_content` in its memory, in vain.
    """
    native = {name: value for name, value in body.items() if name not in _OWN and value is not None}
    native["store"] = False
    if isinstance(native["input"], list):
        native["input"] = [item for item in native["input"] if not _is_ours(item)]
    return native


def _is_ours(item: JSON) -> bool:
    secret = item.get("encrypted_content")
    return item_kind(item) == "reasoning" and (not secret or is_sealed(secret))


def _untranslated(body: Mapping[str, Any]) -> Iterator[str]:
    """What reaches providers of this dialect only, and what reaches nobody."""
    if body.get("store") is True:
        yield "store was dropped: nothing is kept between requests"
    for name, value in body.items():
        if value is not None and (name not in _READ or (name == "truncation" and value != "disabled")):
            yield f"{name[:64]} reaches only providers that are asked over the Responses API"
