"""A chat completion request as Google's generateContent takes it. What cannot be honoured is in the warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.adapters.codec import HARMLESS, bad_request, unsupported
from app.adapters.gemini_contents import Contents
from app.adapters.gemini_models import Thinking, traits_of
from app.adapters.gemini_schema import openapi_schema
from app.adapters.gemini_tools import offered
from app.domain.chat import JSON, Call

_BUDGETS: Final[Mapping[str, int]] = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
_LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh")
_EFFORTS: Final = ("none", *_LEVELS, "max")
_SAMPLING: Final[Mapping[str, str]] = {"temperature": "temperature", "top_p": "topP", "top_k": "topK"}
_PENALTIES: Final[Mapping[str, str]] = {
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
# Google's own fields, for callers who know them: OpenAI's spelling, Google's, and where they go.
_OWN: Final[Mapping[str, str]] = {
    "safety_settings": "safetySettings",
    "safetySettings": "safetySettings",
    "cached_content": "cachedContent",
    "cachedContent": "cachedContent",
}
_OWN_GENERATION: Final[Mapping[str, str]] = {
    "thinking_config": "thinkingConfig",
    "thinkingConfig": "thinkingConfig",
    "media_resolution": "mediaResolution",
    "mediaResolution": "mediaResolution",
}
_READ: Final = frozenset(
    {"max_tokens", "max_completion_tokens", "stop", "n", "seed", "logprobs", "top_logprobs", "response_format"}
    | {"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "reasoning_effort"}
    | {"stream", "stream_options", "modalities", "google", "extra_body"}
    | {*_SAMPLING, *_PENALTIES, *_OWN, *_OWN_GENERATION}
)
_MOST_STOPS: Final = 5
_MOST_CHOICES: Final = 8
_SEEDS: Final = 2**31


class GeminiRequest:
    """Writes one request; read `warnings` after `body`."""

    def __init__(self, call: Call) -> None:
        self._model = call.model
        self._messages = call.request.messages
        stated = {name: value for name, value in call.request.parameters.items() if value is not None}
        self._given = {**_googles_own(stated), **stated}
        self._traits = traits_of(call.model)
        self.warnings: list[str] = []

    def body(self) -> JSON:
        """The JSON to send; whether it is streamed is the path's matter."""
        self._refuse_audio()
        body = self.prompt()
        body |= {field: self._given[name] for name, field in _OWN.items() if name in self._given}
        generation = self._limits() | self._sampling() | self._format() | self._thinking()
        generation |= {field: self._given[name] for name, field in _OWN_GENERATION.items() if name in self._given}
        if generation:
            body["generationConfig"] = generation
        for name in sorted(self._given.keys() - _READ):
            if self._given[name] not in HARMLESS.get(name, ()):
                self._drop(name, "generateContent has no such field")
        return body

    def prompt(self) -> JSON:
        """What counts as the prompt: instructions, contents and tools."""
        contents = Contents(self._messages, self._traits)
        self.warnings += contents.warnings
        body: JSON = {"systemInstruction": {"parts": contents.system}} if contents.system else {}
        body["contents"] = contents.turns
        return body | offered(self._given, self._traits, self.warnings)

    def _drop(self, name: str, why: str) -> None:
        self.warnings.append(f"{name} was dropped: {why}")

    def _refuse_audio(self) -> None:
        modalities = self._given.get("modalities")
        if isinstance(modalities, list) and "audio" in modalities:
            raise unsupported("this API answers in text only", "modalities")

    def _limits(self) -> JSON:
        limits: JSON = {}
        given = self._given
        most = given.get("max_completion_tokens", given.get("max_tokens"))
        if most is not None:
            limits["maxOutputTokens"] = _whole(most, "max_tokens")
        stop = given.get("stop")
        stops = stop if isinstance(stop, list) else [stop] if stop else []
        usable = [each for each in stops if isinstance(each, str) and each]
        if len(usable) > _MOST_STOPS:
            self.warnings.append(f"stop was cut to its first {_MOST_STOPS} sequences, the most that this API takes")
        if usable:
            limits["stopSequences"] = usable[:_MOST_STOPS]
        if "n" in given:
            limits["candidateCount"] = _whole(given["n"], "n")
            if limits["candidateCount"] > _MOST_CHOICES:
                raise unsupported(f"at most {_MOST_CHOICES} choices can be asked for", "n")
        if "seed" in given:
            seed = given["seed"]
            if not isinstance(seed, int) or isinstance(seed, bool):
                raise bad_request("seed must be a whole number", "seed")
            limits["seed"] = seed if -_SEEDS <= seed < _SEEDS else seed % _SEEDS
            if limits["seed"] != seed:
                self.warnings.append(f"seed became {limits['seed']}: this API takes 32 bits")
        return limits

    def _sampling(self) -> JSON:
        given, traits = self._given, self._traits
        sampling: JSON = {}
        for name, field in _SAMPLING.items():
            if name in given and traits.samples:
                sampling[field] = given[name]
            elif name in given:
                self._drop(name, f"{self._model} ignores it")
        for name, field in _PENALTIES.items():
            if name in given and traits.penalties:
                sampling[field] = given[name]
            elif name in given and given[name] not in HARMLESS[name]:
                self._drop(name, f"{self._model} does not take it")
        if given.get("logprobs"):
            sampling["responseLogprobs"] = True
            if given.get("top_logprobs"):
                sampling["logprobs"] = _whole(given["top_logprobs"], "top_logprobs")
        return sampling

    def _format(self) -> JSON:
        wanted = self._given.get("response_format")
        kind = wanted.get("type") if isinstance(wanted, dict) else None
        if wanted is None or kind == "text":
            return {}
        if not isinstance(wanted, dict) or kind not in ("json_object", "json_schema"):
            raise bad_request(f"unknown response_format {str(kind)[:40]!r}", "response_format")
        if not self._traits.has_json:
            raise unsupported(f"{self._model} has no JSON mode", "response_format")
        if self._given.get("tools") and not self._traits.json_beside_tools:
            raise unsupported(f"{self._model} has no JSON mode beside tools", "response_format")
        form: JSON = {"responseMimeType": "application/json"}
        if kind == "json_object":
            return form
        stated = wanted.get("json_schema")
        schema = stated.get("schema") if isinstance(stated, dict) else None
        if not isinstance(schema, dict):
            raise bad_request("json_schema holds no schema", "response_format.json_schema.schema")
        if self._traits.json_schema:
            return {**form, "responseJsonSchema": schema}
        return {**form, "responseSchema": openapi_schema(schema, "response_format")}

    def _thinking(self) -> JSON:
        """Level and budget are never sent together: a stated thinking_config stands for both."""
        effort = self._given.get("reasoning_effort")
        if effort is None or "thinking_config" in self._given or "thinkingConfig" in self._given:
            return {}
        if not isinstance(effort, str) or effort not in _EFFORTS or self._traits.thinking is Thinking.NONE:
            self._drop("reasoning_effort", f"{self._model} knows no level {str(effort)[:20]!r}")
            return {}
        named = self._level(effort) if self._traits.thinking is Thinking.LEVEL else self._budget(effort)
        return {"thinkingConfig": named | ({} if effort == "none" else {"includeThoughts": True})}

    def _level(self, effort: str) -> JSON:
        quietest = str(self._traits.quietest)
        if effort == "none":
            self._became(effort, quietest, f"{self._model} always thinks a little")
            return {"thinkingLevel": quietest}
        if effort == "minimal" and quietest != effort:
            self._became(effort, quietest, f"the least that {self._model} knows")
            return {"thinkingLevel": quietest}
        if effort not in _LEVELS:
            self._became(effort, _LEVELS[-1], f"the most that {self._model} knows")
            return {"thinkingLevel": _LEVELS[-1]}
        return {"thinkingLevel": effort}

    def _budget(self, effort: str) -> JSON:
        if effort == "none":
            quietest = self._traits.quietest
            if quietest != 0:
                self._became(effort, f"{quietest} tokens", f"{self._model} always thinks a little")
            return {"thinkingBudget": quietest}
        if effort not in _BUDGETS:
            self._became(effort, "high", f"the most that {self._model} knows")
        return {"thinkingBudget": _BUDGETS.get(effort, _BUDGETS["high"])}

    def _became(self, effort: str, other: str, why: str) -> None:
        self.warnings.append(f"reasoning_effort {effort} became {other}: {why}")


def _googles_own(stated: Mapping[str, Any]) -> JSON:
    """Fields of `google`, where callers of Google's OpenAI-compatible endpoint put what OpenAI has no name for."""
    beside = stated.get("extra_body")
    own = beside.get("google") if isinstance(beside, dict) else stated.get("google")
    known = (*_OWN, *_OWN_GENERATION)
    return {name: own[name] for name in known if own.get(name) is not None} if isinstance(own, dict) else {}


def _whole(value: Any, name: str) -> int:  # noqa: ANN401 - a wire body
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise bad_request(f"{name} must be a whole number", name)
    return value
