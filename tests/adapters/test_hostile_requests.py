"""Requests with one node replaced: the edge checks the outline, the codecs must survive the rest."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.presets import PRESETS
from app.domain.chat import Call, ChatRequest
from app.domain.errors import ProviderError
from app.domain.provider import ProviderType
from tests.adapters.test_hostile_answers import ODD, paths_of, replaced
from tests.golden import golden_json

IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}]}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {}}}}}
EXTRAS = {"response_format": SCHEMA, "stop": ["x"], "reasoning_effort": "high", "temperature": 0.3, "logprobs": True}
GIVEN: dict[str, Any] = golden_json("openai/request_canonical_tools.json") | EXTRAS
GIVEN["messages"] = [*GIVEN["messages"], IMAGE]
MODELS = ["m", "claude-haiku-4-5", "claude-opus-5-5", "o3", "openai/gpt-oss-120b", "qwen3.8", "grok-4.7"]
MODELS += ["gemini-2.0-flash", "gemini-3.8-flash"]
# A message that is no object, and messages that are no list, never leave the edge.
PATHS = [path for path in paths_of(GIVEN) if len(path) > (2 if path[:1] == ("messages",) else 1)]
PATHS += [(name,) for name in GIVEN if name not in ("messages", "model", "stream")]


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(sorted(PRESETS)),
    st.sampled_from(MODELS),
    st.sampled_from(PATHS),
    ODD,
)
def test_a_request_with_one_odd_node(type_: ProviderType, model: str, path: tuple[Any, ...], odd: Any) -> None:
    body = replaced(GIVEN, path, odd)
    parameters = {name: value for name, value in body.items() if name not in ("messages", "model", "stream")}
    with contextlib.suppress(ProviderError):
        PRESETS[type_].codec.encode(Call(model, ChatRequest(body["messages"], parameters)), stream=True)
