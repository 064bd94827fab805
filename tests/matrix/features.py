"""What callers ask for: one chat per feature, and what must reach the provider or be warned about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

JSON = dict[str, Any]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PICTURE_URL = "https://pictures.test/tape.png"
PICTURE = f"data:image/png;base64,{PNG}"
PDF = "JVBERi0xLjQKJcfs"
DOCUMENT_URL = "https://papers.test/filing.pdf"


class Kind(Enum):
    """What is to be answered."""

    TEXT = "text"
    CALLS = "calls"
    FORM = "JSON"


@dataclass(frozen=True)
class Feature:
    """A chat. `said`: by the parameter's name, any one of these must be found in what the provider is sent.

    What is not found must be named by a warning; what is in `needs` must be found.
    """

    chat: JSON
    said: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    needs: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    kind: Kind = Kind.TEXT
    choice: tuple[str, ...] | None = None


def _function(name: str, about: str) -> JSON:
    schema = {"type": "object", "properties": {f"{name}_city": {"type": "string"}}, "required": [f"{name}_city"]}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}


def _named(name: str) -> JSON:
    return {"type": "function", "function": {"name": name}}


def _allowed(mode: str, *names: str) -> JSON:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [_named(name) for name in names]}}


def _call(call_id: str, city: str) -> JSON:
    arguments = f'{{"get_weather_city":"{city}"}}'
    return {"id": call_id, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


def _result(call_id: str, content: Any) -> JSON:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


ASKED: JSON = {"role": "user", "content": "what about question-one?"}
HELLO: JSON = {"messages": [ASKED]}
TOOLS = [_function("get_weather", "about weather-one"), _function("get_news", "about news-one")]
OFFERED: JSON = {"messages": [ASKED], "tools": TOOLS}
TURN: JSON = {
    "role": "assistant",
    "content": "said-one",
    "tool_calls": [_call("call_1A", "Oslo"), _call("call_2B", "Bergen")],
}
ROUND = [ASKED, TURN, _result("call_1A", "result-one"), _result("call_2B", "result-two")]
LATER = [{"role": "assistant", "content": "said-two"}, {"role": "user", "content": "question-two"}]
_SPOKEN = ("question-one", "said-one", "Oslo", "Bergen", "result-one", "result-two")
SCHEMA: JSON = {
    "type": "object",
    "properties": {"age": {"type": "integer"}, "available": {"type": "boolean"}},
    "required": ["age", "available"],
    "additionalProperties": False,
}
FORM: JSON = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}
IN_JSON: JSON = {"messages": [{"role": "user", "content": "question-one, in JSON"}]}


def _texts(*texts: str) -> Mapping[str, tuple[Any, ...]]:
    return {f"messages {text}": (text,) for text in texts}


def _shown(*parts: JSON) -> JSON:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "question-one"}, *parts]}]}


def _image(url: str) -> JSON:
    return {"type": "image_url", "image_url": {"url": url}}


def _file(**file: str) -> JSON:
    return {"type": "file", "file": {"filename": "filing.pdf", **file}}


def _picture_result(url: str) -> JSON:
    content = [{"type": "text", "text": "result-one"}, _image(url)]
    calls = {"role": "assistant", "content": None, "tool_calls": [_call("call_1A", "Oslo"), _call("call_2B", "Bergen")]}
    results = [_result("call_1A", content), _result("call_2B", "result-two")]
    return {"messages": [ASKED, calls, *results], "tools": TOOLS}


def _colour(name: str, value: Any, *found: Any) -> Feature:
    return Feature(HELLO | {name: value}, {name: found or (value,)}, _texts("question-one"))


_HIGH = ("reasoning_effort=high", "effort=high", "thinkingLevel=high", "thinkingBudget=24576", "think=high")
_NONE = ("reasoning_effort=none", "effort=none", "type=disabled", "thinkingBudget=0", "think=False", "enabled=False")
_WEATHER = {"tools": ("about weather-one",)}
FEATURES: Mapping[str, Feature] = {
    "plain": Feature(HELLO | {"max_tokens": 7531}, needs={**_texts("question-one"), "max_tokens": (7531,)}),
    "system": Feature(
        {"messages": [{"role": "system", "content": "rule-one"}, ASKED]}, needs=_texts("rule-one", "question-one")
    ),
    "developer": Feature(
        {
            "messages": [
                {"role": "developer", "content": "rule-one"},
                ASKED,
                {"role": "assistant", "content": "said-one"},
                {"role": "developer", "content": "rule-two"},
                {"role": "user", "content": "question-two"},
            ]
        },
        needs=_texts("rule-one", "question-one", "said-one", "rule-two", "question-two"),
    ),
    "tools": Feature(OFFERED, needs=_WEATHER, kind=Kind.CALLS, choice=("auto",)),
    "tools_required": Feature(
        OFFERED | {"tool_choice": "required"}, needs=_WEATHER, kind=Kind.CALLS, choice=("required",)
    ),
    "tools_named": Feature(
        OFFERED | {"tool_choice": _named("get_weather")}, needs=_WEATHER, kind=Kind.CALLS, choice=("get_weather",)
    ),
    "tools_none": Feature(OFFERED | {"tool_choice": "none"}, needs=_texts("question-one"), choice=("none",)),
    "tools_allowed": Feature(
        OFFERED | {"tool_choice": _allowed("auto", "get_weather")}, needs=_WEATHER, kind=Kind.CALLS, choice=("auto",)
    ),
    "tools_allowed_required": Feature(
        OFFERED | {"tool_choice": _allowed("required", "get_weather")},
        needs=_WEATHER,
        kind=Kind.CALLS,
        choice=("required", "get_weather"),
    ),
    "tools_one_by_one": Feature(
        OFFERED | {"parallel_tool_calls": False},
        {"parallel_tool_calls": ("parallel_tool_calls=False", "disable_parallel_tool_use=True")},
        _WEATHER,
        Kind.CALLS,
        ("auto",),
    ),
    "tool_results": Feature({"messages": ROUND, "tools": TOOLS}, needs={**_WEATHER, **_texts(*_SPOKEN)}),
    "tool_history": Feature(
        {"messages": [*ROUND, *LATER], "tools": TOOLS},
        needs={**_WEATHER, **_texts(*_SPOKEN, "said-two", "question-two")},
    ),
    "tool_history_alone": Feature({"messages": [*ROUND, *LATER]}, needs=_texts(*_SPOKEN, "said-two", "question-two")),
    "results_then_words": Feature(
        {"messages": [*ROUND, {"role": "user", "content": "question-two"}], "tools": TOOLS},
        needs=_texts(*_SPOKEN, "question-two"),
    ),
    "picture_url": Feature(_shown(_image(PICTURE_URL)), needs={"messages": (PICTURE_URL, PNG)}),
    "picture": Feature(_shown(_image(PICTURE)), needs={"messages": (PNG,)}),
    "picture_result": Feature(
        _picture_result(PICTURE), needs={"messages": (PNG,), **_texts("result-one", "result-two")}
    ),
    "picture_result_url": Feature(
        _picture_result(PICTURE_URL), needs={"messages": (PICTURE_URL, PNG), **_texts("result-one", "result-two")}
    ),
    "document": Feature(_shown(_file(file_data=f"data:application/pdf;base64,{PDF}")), needs={"messages": (PDF,)}),
    "document_url": Feature(_shown(_file(file_url=DOCUMENT_URL)), needs={"messages": (DOCUMENT_URL,)}),
    "sound": Feature(
        _shown({"type": "input_audio", "input_audio": {"data": "UklGRiQAAABX", "format": "wav"}}),
        needs={"messages": ("UklGRiQAAABX",)},
    ),
    "json": Feature(
        IN_JSON | {"response_format": {"type": "json_object"}}, needs=_texts("question-one"), kind=Kind.FORM
    ),
    "schema": Feature(IN_JSON | {"response_format": FORM}, needs={"response_format": ("available",)}, kind=Kind.FORM),
    "schema_beside_tools": Feature(
        IN_JSON | {"response_format": FORM, "tools": TOOLS},
        needs={"response_format": ("available",), **_WEATHER},
        kind=Kind.FORM,
        choice=("auto",),
    ),
    "temperature": _colour("temperature", 0.4375),
    "top_p": _colour("top_p", 0.8125),
    "stop": _colour("stop", ["STOP-ONE"], "STOP-ONE"),
    "seed": _colour("seed", 424_242),
    "presence_penalty": _colour("presence_penalty", 0.3125),
    "frequency_penalty": _colour("frequency_penalty", 0.5625),
    "top_k": _colour("top_k", 37),
    "logit_bias": _colour("logit_bias", {"50256": -41}, -41),
    "user": _colour("user", "user-one"),
    "metadata": _colour("metadata", {"desk": "desk-one"}, "desk-one"),
    "effort_high": _colour("reasoning_effort", "high", *_HIGH),
    "effort_none": _colour("reasoning_effort", "none", *_NONE),
    "choices": Feature(HELLO | {"n": 2}, needs={"n": ("n=2", "candidateCount=2")}),
    "logprobs": Feature(
        HELLO | {"logprobs": True, "top_logprobs": 3},
        needs={"logprobs": ("logprobs=3", "top_logprobs=3")},
    ),
}
