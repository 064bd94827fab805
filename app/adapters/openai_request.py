"""Requests of OpenAI's dialect, cut to what one provider takes. What had to go is said in the warnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.adapters.codec import HARMLESS, unsupported
from app.adapters.openai_messages import OPENAIS_MESSAGES, MessageRules, messages_for
from app.adapters.openai_results import MOVED, shown_apart
from app.adapters.openai_tools import OPENAIS_TOOLS, ToolRules, put_tools_right
from app.domain.chat import JSON

Refusals = Callable[[str, Mapping[str, Any]], frozenset[str]]
"""Parameters that a model refuses, given its name and the request's parameters."""

Efforts = Callable[[str], Mapping[str, JSON]]
"""What a model is sent for each level of `reasoning_effort`; a level that is missing cannot be said."""

Finishing = Callable[[str, JSON], Sequence[str]]
"""A provider's last word on a body that is otherwise done, given the model; returns warnings."""

OPENAI_ONLY: Final = frozenset(
    {"store", "metadata", "service_tier", "prediction", "verbosity", "safety_identifier"}
    | {"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "moderation", "web_search_options"}
    | {"modalities", "audio"}
)
"""What hardly anybody but OpenAI takes."""

OPEN_SAMPLING: Final = frozenset({"top_k", "top_a", "min_p", "typical_p", "repetition_penalty", "repeat_penalty"})
"""What OpenAI and those nearest to it never took: servers of open models do, and the Messages API knows `top_k`."""

# Without these an answer is another one: they are refused, never dropped.
_NEEDS: Final = ("n", "logprobs")


def refuses_nothing(model: str, parameters: Mapping[str, Any]) -> frozenset[str]:
    """For providers without such models."""
    del model, parameters
    return frozenset()


def leaves_alone(model: str, body: JSON) -> Sequence[str]:
    """For providers whose options say everything."""
    del model, body
    return ()


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """How one provider's requests differ from OpenAI's.

    `max_tokens_field`: the one name it knows, None: as given. `allowed`: the only fields it takes, None: all but
    `dropped`. `efforts`: its words for `reasoning_effort`, None: as given. `most`: how many entries a list may have.
    `highest`: the largest values of numbers. `keeps_stream_options`: the caller's own stay beside ours.
    """

    max_tokens_field: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    refuses: Refusals = refuses_nothing
    efforts: Efforts | None = None
    most: Mapping[str, int] = field(default_factory=dict)
    highest: Mapping[str, float] = field(default_factory=dict)
    has_developer_role: bool = False
    has_stream_usage: bool = True
    keeps_stream_options: bool = False
    stop_is_list: bool = False
    logprobs_is_count: bool = False
    messages: MessageRules = OPENAIS_MESSAGES
    tools: ToolRules = OPENAIS_TOOLS
    finishing: Finishing = leaves_alone


class RequestWriter:
    """Writes one request; `warnings` fill up on the way."""

    def __init__(self, provider: str, options: RequestOptions) -> None:
        self._provider = provider
        self._options = options
        self.warnings: list[str] = []

    def body(self, model: str, messages: Sequence[JSON], parameters: Mapping[str, Any], *, stream: bool) -> JSON:
        """The JSON to send; the caller's own objects are never changed. Raises ProviderError(UNSUPPORTED)."""
        options = self._options
        body = {name: value for name, value in parameters.items() if value is not None}
        stated = body.pop("stream_options", None)
        body.pop("stream", None)
        self._name_max_tokens(body)
        self._drop_refused(body, model)
        self._adapt_values(body, model)
        self._rename_and_drop(body)
        body["model"] = model
        messages, has_moved = shown_apart(messages)
        if has_moved:
            self.warnings.append(MOVED)
        holds_place = options.messages.placeholder is not None and _binds_reasoning(body, messages)
        body["messages"] = messages_for(
            messages, options.messages, has_developer_role=options.has_developer_role, holds_place=holds_place
        )
        if stream:
            body["stream"] = True
            if options.has_stream_usage:
                kept = stated if options.keeps_stream_options and isinstance(stated, dict) else {}
                body["stream_options"] = {**kept, "include_usage": True}
        self.warnings += options.finishing(model, body)
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
            self._drop(body, name, f"{model} does not take it")

    def _drop(self, body: JSON, name: str, why: str) -> None:
        value = body.pop(name)
        if value in HARMLESS.get(name, ()):
            return
        if name in _NEEDS:
            raise unsupported(f"{name}: {why}", name)
        self._warn(name, why)

    def _adapt_values(self, body: JSON, model: str) -> None:
        options = self._options
        if options.efforts is not None and "reasoning_effort" in body:
            self._adapt_effort(body, model, options.efforts(model))
        if options.stop_is_list and isinstance(body.get("stop"), str):
            body["stop"] = [body["stop"]]
        for name, most in options.most.items():
            if isinstance(body.get(name), list) and len(body[name]) > most:
                raise unsupported(f"{self._provider} takes at most {most} entries in {name}", name)
        for name, highest in options.highest.items():
            if isinstance(body.get(name), int | float) and body[name] > highest:
                body[name] = highest
                self.warnings.append(f"{name} was lowered: {self._provider} takes at most {highest:g}")
        if options.logprobs_is_count:
            count = body.pop("top_logprobs", 1)
            if body.pop("logprobs", False):
                body["logprobs"] = count
        put_tools_right(body, options.tools)
        if "tool_choice" in options.dropped and body.get("tool_choice") == "none":
            # A provider that cannot be told "no tools" is not told of any.
            body.pop("tools", None)
            del body["tool_choice"]

    def _adapt_effort(self, body: JSON, model: str, efforts: Mapping[str, JSON]) -> None:
        effort = str(body.pop("reasoning_effort"))[:40]
        fields = efforts.get(effort)
        if fields is None:
            self._warn("reasoning_effort", f"{model} at {self._provider} knows no level {effort!r}")
            return
        if effort == "none" and fields.get("reasoning_effort", "none") != "none":
            self.warnings.append(f"reasoning_effort was raised: {model} always reasons")
        for name, value in fields.items():
            body.setdefault(name, value)

    def _rename_and_drop(self, body: JSON) -> None:
        options = self._options
        for name, new in options.renamed.items():
            if name in body:
                body[new] = body.pop(name)
        unknown = options.dropped if options.allowed is None else body.keys() - options.allowed
        for name in sorted(unknown & body.keys()):
            self._drop(body, name, f"{self._provider} does not take it")


def _binds_reasoning(body: JSON, messages: Sequence[JSON]) -> bool:
    """Whether assistant messages must carry their reasoning: tools are about, and thinking is not switched off."""
    if body.get("thinking") == {"type": "disabled"}:
        return False
    return bool(body.get("tools")) or any(message.get("tool_calls") for message in messages)
