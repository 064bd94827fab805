"""Anthropic's Messages wire: a checked body in, an ask out, with the same request in the wire's own words beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.api.anthropic_checks import PARAMETERS, violations
from app.api.anthropic_messages import Transcript
from app.api.exchange import Exchange
from app.api.intent import Intent, malformed
from app.api.model_choice import ModelChoice, refuse_first
from app.api.responses_reasoning import is_sealed
from app.domain.attempt import Ask
from app.domain.chat import JSON, ChatRequest, NativeBody, Wire
from app.domain.errors import OutcryError

_VERSIONS: Final = (b"2023-06-01", b"2026-10-21")
_BETAS: Final = re.compile(rb"[A-Za-z0-9._, -]{1,2048}")
_OWN: Final = frozenset(("model", "models", "provider", "stream"))
_READ: Final = PARAMETERS.keys() | _OWN | {"messages", "cache_control", "container", "inference_geo"}
_NEEDED: Final = ("mcp_servers", "container", "inference_geo")
"""Fields without which an answer would be another one, and that only Anthropic has."""

_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}
_TIERS: Final = {"standard_only": "default"}
_EFFORTS: Final = {"max": "xhigh"}
_RENAMED: Final[Mapping[str, str]] = {
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "response_format": "output_config.format",
    "reasoning_effort": "output_config.effort",
    "messages": "messages",
}
"""Fields whose canonical name the caller never wrote; places inside of messages differ."""

_LEAST_MEDIUM: Final = 2048
_LEAST_HIGH: Final = 8192


def ask_of(body: Mapping[str, Any], intent: Intent, exchange: Exchange, *, counts: bool = False) -> Ask:
    """The completion that a body asks for. Raises RequestRejected with the path of the first wrong field.

    `counts`: only its tokens are asked for.
    """
    refuse_first(violations(body, counts=counts))
    headers = _headers(exchange.headers)
    choice = ModelChoice.of(body)
    exchange.warnings += _untranslated(body)
    return choice.ask(request_of(body, headers), intent, exchange, route="messages")


def told(error: OutcryError, body: Mapping[str, Any]) -> OutcryError:
    """The error with the field that it names as the caller of this wire wrote it."""
    name = re.split(r"\.\d|[.\[]", error.param or "", maxsplit=1)[0]
    error.param = _RENAMED.get(name, error.param)
    if name == "reasoning_effort" and "effort" not in (body.get("output_config") or {}):
        error.param = "thinking"
    if name == "response_format" and body.get("output_format") is not None:
        error.param = "output_format"
    return error


def request_of(body: Mapping[str, Any], headers: Mapping[str, str]) -> ChatRequest:
    """The chat that a checked body asks for."""
    transcript = Transcript()
    if body.get("system"):
        transcript.instruct(body["system"])
    for index, message in enumerate(body["messages"]):
        transcript.add(message, f"messages[{index}]")
    only_here = (*_only_here(body), *transcript.only_here)
    native = NativeBody(Wire.MESSAGES, _native(body), headers, only_here)
    return ChatRequest(transcript.messages, parameters_of(body), native)


def parameters_of(body: Mapping[str, Any]) -> JSON:
    """The parameters of a checked body in the words of Chat Completions."""
    given = {name: value for name, value in body.items() if value is not None}
    parameters: JSON = {name: given[name] for name in ("max_tokens", "temperature", "top_p", "top_k") if name in given}
    if given.get("stop_sequences"):
        parameters["stop"] = given["stop_sequences"]
    if user := given.get("metadata", {}).get("user_id"):
        parameters["user"] = user
    if effort := _effort(given):
        parameters["reasoning_effort"] = effort
    if tier := given.get("service_tier"):
        parameters["service_tier"] = _TIERS.get(tier, tier)
    form = given.get("output_config", {}).get("format") or given.get("output_format")
    if form:
        schema = {"name": "answer", "schema": form["schema"]}
        parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
    if given.get("tools"):
        parameters["tools"] = [_tool(tool) for tool in given["tools"]]
        parameters |= _choice(given.get("tool_choice"))
    return parameters


def _effort(given: JSON) -> str | None:
    """How hard to think: what `effort` says, else what the budget amounts to."""
    stated: str | None = given.get("output_config", {}).get("effort")
    thinking = given.get("thinking", {})
    form = thinking.get("type")
    if form == "disabled":
        return "none"
    if stated is not None:
        return _EFFORTS.get(stated, stated)
    if form == "adaptive":
        return "medium"
    if form is None:
        return None
    budget = thinking["budget_tokens"]
    return "high" if budget >= _LEAST_HIGH else "medium" if budget >= _LEAST_MEDIUM else "low"


def _tool(tool: JSON) -> JSON:
    if tool.get("type") not in (None, "custom"):
        return tool
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    function |= {name: tool[name] for name in ("description", "strict") if tool.get(name) is not None}
    return {"type": "function", "function": function}


def _choice(choice: JSON | None) -> JSON:
    if choice is None:
        return {}
    named = {"type": "function", "function": {"name": choice.get("name")}}
    said: JSON = {"tool_choice": _CHOICES.get(choice["type"], named)}
    if choice.get("disable_parallel_tool_use") is not None:
        said["parallel_tool_calls"] = not choice["disable_parallel_tool_use"]
    return said


def _only_here(body: Mapping[str, Any]) -> Iterator[str]:
    yield from (name for name in _NEEDED if body.get(name))
    for index, tool in enumerate(body.get("tools") or ()):
        if tool.get("type") not in (None, "custom"):
            yield f"tools[{index}]"


def _native(body: Mapping[str, Any]) -> JSON:
    """The body for a provider of this dialect, without what only we can read."""
    native = {name: value for name, value in body.items() if name not in _OWN and value is not None}
    messages = [_without_seals(message) for message in native["messages"]]
    native["messages"] = [message for message in messages if message["content"] != []]
    return native


def _without_seals(message: JSON) -> JSON:
    content = message["content"]
    if not isinstance(content, list) or not any(_is_ours(block) for block in content):
        return message
    return {**message, "content": [block for block in content if not _is_ours(block)]}


def _is_ours(block: JSON) -> bool:
    return block["type"] == "redacted_thinking" and is_sealed(block["data"])


def _headers(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    travelling: dict[str, str] = {}
    version = headers.get(b"anthropic-version")
    if version in _VERSIONS:
        travelling["anthropic-version"] = version.decode()
    betas = headers.get(b"anthropic-beta")
    if betas:
        if not _BETAS.fullmatch(betas):
            raise malformed("anthropic-beta", "names of betas, separated by commas")
        travelling["anthropic-beta"] = betas.decode()
    return travelling


def _untranslated(body: Mapping[str, Any]) -> Iterator[str]:
    """What reaches providers of this dialect only."""
    for name, value in body.items():
        if value is not None and name not in _READ:
            yield f"{name[:64]} reaches only providers that are asked over the Messages API"
