"""Any inbound wire reaches any provider: the request in its dialect, the answer in the caller's, nothing in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import orjson
import pytest

from tests.matrix.features import FEATURES, Feature, Kind
from tests.matrix.house import FORMED, served
from tests.matrix.reading import heard, warnings_of
from tests.matrix.saying import WIRES, Unsayable, Wire
from tests.matrix.upstreams import UPSTREAMS

JSON = dict[str, Any]

_ANTHROPICS: Final = {"anthropic", "anthropic_thinking"}
_REASONERS: Final = {"openai_reasoning", "openai_newer", "openai_responses"}
_UNFORCED: Final = {"anthropic_thinking", "ollama"}
_TEXT_AND_PICTURES: Final = {"ollama", "deepseek", "groq", "xai", "together", "localai"}
IMPOSSIBLE: Final[Mapping[str, set[str]]] = {
    "tools_required": _UNFORCED,
    "tools_named": _UNFORCED,
    "tools_allowed_required": _UNFORCED,
    "document": _TEXT_AND_PICTURES | {"vllm"},
    "document_url": _TEXT_AND_PICTURES
    | {"azure_dated", "gemini", "gemini_older", "openrouter", "vllm", "openai_compatible"},
    "sound": _TEXT_AND_PICTURES | _ANTHROPICS | {"openai_responses"},
    "choices": _ANTHROPICS | _REASONERS | {"ollama", "deepseek", "groq", "openrouter"},
    "logprobs": _ANTHROPICS | _REASONERS | {"deepseek", "groq"},
}
"""What a provider has no words for, and so is said to be: a 400 that names the field."""

_NATIVE: Final = {
    "responses": {"openai", "openai_reasoning", "openai_newer", "openai_responses", "azure"},
    "messages": _ANTHROPICS,
}
"""Where both ends speak alike: what a caller may say there is the provider's to judge."""

_UNASKED: Final = {("anthropic", "effort_none")}
"""What a provider does anyway, so that nothing need be said."""

_NAMES: Final = {"reasoning_effort": ("reasoning", "thinking")}
STREAMED: Final = ("plain", "tools", "tool_results", "picture", "effort_high")
_FINISH: Final = {Kind.TEXT: "stop", Kind.CALLS: "tool_calls", Kind.FORM: "stop"}


def _is_sayable(wire: Wire, feature: Feature) -> bool:
    try:
        wire.says(feature.chat)
    except Unsayable:
        return False
    return True


CASES = [
    pytest.param(wire, upstream, name, id=f"{wire.name}-{upstream}-{name}")
    for wire in WIRES
    for upstream in UPSTREAMS
    for name, feature in FEATURES.items()
    if _is_sayable(wire, feature)
]


async def asked(wire: Wire, upstream: str, kind: Kind, body: JSON) -> httpx.Response:
    app, provider = served(upstream)
    provider.expect(kind)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8080") as client:
        return await client.post(wire.path, json=body)


@pytest.mark.parametrize(("wire", "upstream", "name"), CASES)
async def test_a_request_arrives_in_the_providers_words_or_is_refused_in_the_callers(
    wire: Wire, upstream: str, name: str
) -> None:
    feature, body = FEATURES[name], wire.says(FEATURES[name].chat)

    response = await asked(wire, upstream, feature.kind, body)

    is_native = upstream in _NATIVE.get(wire.name, ())
    if upstream in IMPOSSIBLE.get(name, ()) and not (is_native and response.status_code == 200):
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (400, "caller_unsupported_parameter"), error
        assert error["param"].partition(".")[0].partition("[")[0] in body, error
        return
    assert response.status_code == 200, response.text
    [(spoken, sent)] = served(upstream)[1].sent
    assert list(spoken.complaints(sent)) == []
    leaves = list(_leaves(sent))
    for param, alternatives in feature.needs.items():
        assert _is_found(alternatives, leaves), f"{param} did not arrive: {sent}"
    warnings = warnings_of(wire.name, response.headers, response.text, streamed=False)
    for param, alternatives in feature.said.items():
        names = (param, *_NAMES.get(param, ()))
        is_told = any(warning.startswith(names) for warning in warnings) or (upstream, name) in _UNASKED
        assert is_told or _is_found(alternatives, leaves), f"{param} was lost: {sent} {warnings}"
    if feature.choice is not None:
        assert spoken.choice(sent) in feature.choice
    answer = heard(wire.name, response.text, streamed=False)
    assert answer.finish == _FINISH[feature.kind]
    assert bool(answer.calls) is (feature.kind is Kind.CALLS)
    if feature.kind is Kind.FORM:
        assert orjson.loads(answer.text) == orjson.loads(FORMED)


@pytest.mark.parametrize(
    ("wire", "upstream", "name"),
    [pytest.param(*case.values, id=case.id) for case in CASES if case.values[2] in STREAMED],
)
async def test_a_stream_says_what_a_whole_answer_says(wire: Wire, upstream: str, name: str) -> None:
    feature = FEATURES[name]
    body = {**wire.says(feature.chat), "stream": True}
    if wire.name == "chat_completions":
        body["stream_options"] = {"include_usage": True}

    streamed = await asked(wire, upstream, feature.kind, body)
    [(spoken, sent)] = served(upstream)[1].sent
    whole = await asked(wire, upstream, feature.kind, wire.says(feature.chat))

    assert list(spoken.complaints(sent)) == []
    answer = heard(wire.name, streamed.text, streamed=True)
    assert answer.finish == _FINISH[feature.kind]
    assert answer.prompt_tokens > 0
    assert bool(answer.calls) is (feature.kind is Kind.CALLS)
    assert answer.text or answer.calls
    assert warnings_of(wire.name, streamed.headers, streamed.text, streamed=True) == warnings_of(
        wire.name, whole.headers, whole.text, streamed=False
    )


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every plain value of a body with the name it stands under."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, key)
            yield key, None
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each, name)
    else:
        yield name, value


def _is_found(alternatives: tuple[Any, ...], leaves: list[tuple[str, Any]]) -> bool:
    return any(_is(wanted, name, value) for wanted in alternatives for name, value in leaves)


def _is(wanted: Any, name: str, value: Any) -> bool:
    """A number is the whole value, a text is part of one; `name=value` is both."""
    if not isinstance(wanted, str):
        return type(wanted) is type(value) and bool(wanted == value)
    return wanted in (name, f"{name}={value}") or (isinstance(value, str) and wanted in value)
