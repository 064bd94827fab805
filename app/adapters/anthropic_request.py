"""A chat completion request as Anthropic's Messages API takes it. What cannot be honoured is in the warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.adapters.anthropic_messages import split_system, turns_of
from app.adapters.anthropic_models import ModelTraits, Thinking, traits_of
from app.adapters.anthropic_schema import output_format
from app.adapters.anthropic_thinking import SAMPLING, effort_beside_force, sampling, think, thinks
from app.adapters.anthropic_tools import allowed, chosen, is_forced, offered, tools_of_history
from app.adapters.codec import HARMLESS, bad_request, unsupported
from app.domain.chat import JSON, Call

_ROOM_FOR_THINKING: Final = 4096
_OWN_FIELDS: Final = frozenset(
    {"thinking", "output_config", "cache_control", "container", "mcp_servers", "context_management", "speed"}
    | {"inference_geo"}
)
_READ: Final = frozenset(
    {"max_tokens", "max_completion_tokens", "stop", "user", "safety_identifier", "tools", "tool_choice"}
    | {"parallel_tool_calls", "response_format", "reasoning_effort", "service_tier", "stream", "stream_options"}
    | {"n", "logprobs", "top_logprobs", "modalities", "functions", "function_call", *SAMPLING, *_OWN_FIELDS}
)
_TIERS: Final[Mapping[Any, str]] = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


class AnthropicRequest:
    """Writes one request; read `warnings` after `body`."""

    def __init__(self, call: Call, traits: ModelTraits | None = None) -> None:
        self._model = call.model
        self._messages = call.request.messages
        self._given = {name: value for name, value in call.request.parameters.items() if value is not None}
        self._traits = traits_of(call.model) if traits is None else traits
        self.warnings: list[str] = []

    def body(self, *, stream: bool) -> JSON:
        """The JSON to send. Raises ProviderError for what has no counterpart."""
        self._refuse_the_unsayable()
        system, rest = split_system(self._messages)
        turns, warnings = turns_of(rest, late_system=self._traits.late_system, offset=len(self._messages) - len(rest))
        self.warnings += warnings
        if not turns:
            raise bad_request("there is no message with content besides the system's", "messages")
        self._end_with_user(turns)
        body: JSON = {"model": self._model, "max_tokens": self._max_tokens(), "messages": turns}
        if system:
            body["system"] = system
        body |= {name: value for name, value in self._given.items() if name in _OWN_FIELDS}
        self._offer_tools(body)
        self._think(body)
        self._sample(body)
        self._format(body)
        self._stop(body)
        self._say_who(body)
        for name in self._given.keys() - _READ:
            if self._given[name] not in HARMLESS.get(name, ()):
                self._drop(name, "the Messages API has no such field")
        if stream:
            body["stream"] = True
        return body

    def _refuse_the_unsayable(self) -> None:
        """What changes an answer's shape and has no words here; routing knows, so this is the last line of defence."""
        given = self._given
        if given.get("n") not in (None, 1):
            raise unsupported("the Messages API gives one answer", "n")
        for name in ("logprobs", "top_logprobs"):
            if given.get(name):
                raise unsupported("the Messages API tells no probabilities", name)
        modalities = given.get("modalities")
        if isinstance(modalities, list) and "audio" in modalities:
            raise unsupported("the Messages API answers in text", "modalities")
        if given.get("functions"):
            raise unsupported("the Messages API has tools, not the functions of old", "functions")

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

    def _offer_tools(self, body: JSON) -> None:
        choice = self._given.get("tool_choice")
        tools = allowed(offered(self._given.get("tools")), choice)
        if tools:
            body["tools"] = tools
            said = chosen(choice, self._given.get("parallel_tool_calls"))
            if said is not None:
                body["tool_choice"] = said
        elif stand_ins := tools_of_history(body["messages"]):
            body["tools"] = stand_ins
            body["tool_choice"] = {"type": "none"}

    def _think(self, body: JSON) -> None:
        effort = self._given.get("reasoning_effort")
        if is_forced(body.get("tool_choice")):
            effort = effort_beside_force(body, effort, self._traits, self.warnings)
        has_room = not self._given.keys() & {"max_tokens", "max_completion_tokens"}
        think(body, effort, self._traits, has_room=has_room, warnings=self.warnings)

    def _sample(self, body: JSON) -> None:
        if not (self._traits.samples and thinks(body)):
            body |= sampling(self._given, self._model, self._traits, self.warnings)
            return
        for name in SAMPLING:
            if name in self._given:
                self._drop(name, "thinking fixes it")

    def _format(self, body: JSON) -> None:
        form, dropped = output_format(self._given.get("response_format"))
        if form is None:
            return
        if not self._traits.schemas:
            raise unsupported(f"{self._model} has no structured output", "response_format")
        if dropped:
            self.warnings.append(f"the schema's {', '.join(dropped)} cannot be held by the provider")
        stated = body.get("output_config")
        body["output_config"] = {**(stated if isinstance(stated, dict) else {}), "format": form}

    def _stop(self, body: JSON) -> None:
        stop = self._given.get("stop")
        stops = stop if isinstance(stop, list) else [stop] if stop else []
        usable = [each for each in stops if isinstance(each, str) and each.strip()]
        if len(usable) < len(stops):
            self._drop("a stop sequence", "whitespace alone is not taken")
        if usable:
            body["stop_sequences"] = usable

    def _say_who(self, body: JSON) -> None:
        user = self._given.get("user", self._given.get("safety_identifier"))
        if user is not None:
            body["metadata"] = {"user_id": str(user)}
        tier = self._given.get("service_tier")
        if isinstance(tier, str) and tier in _TIERS:
            body["service_tier"] = _TIERS[tier]
        elif tier is not None:
            self._drop("service_tier", f"{str(tier)[:40]!r} is none of Anthropic's")
