from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.gemini import GeminiCodec
from app.adapters.gemini_schema import openapi_schema
from app.domain.errors import FailureKind, ProviderError
from tests.adapters.streams import a_call

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["object", "null", "string", "#", "#/$defs/a", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "items", "anyOf", "oneOf", "allOf", "$ref", "enum", "const", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)
REFUSED = {"$ref", "$defs", "const", "additionalProperties", "oneOf", "allOf", "$schema", "definitions"}


def keywords(schema: Any) -> set[str]:
    """Every keyword in a schema; names of properties are none."""
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for each in (schema.get("properties") or {}).values():
        found |= keywords(each)
    for each in [schema.get("items"), *(schema.get("anyOf") or ())]:
        found |= keywords(each)
    return found


@pytest.mark.parametrize(
    ("schema", "cut"),
    [
        (
            {"$schema": "x", "type": "object", "additionalProperties": False, "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        ({"type": ["string", "null"], "format": "uri"}, {"type": "string", "nullable": True}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"type": ["string", "integer"]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"const": "buy"}, {"type": "string", "enum": ["buy"]}),
        ({"enum": ["buy", "sell", None]}, {"type": "string", "enum": ["buy", "sell"], "nullable": True}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer"}),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, {"type": "number", "nullable": True}),
        (
            {"oneOf": [{"type": "number"}, {"type": "string"}], "title": "t"},
            {"title": "t", "anyOf": [{"type": "number"}, {"type": "string"}]},
        ),
        (
            {"$defs": {"S": {"type": "string"}}, "type": "array", "items": {"$ref": "#/$defs/S", "description": "d"}},
            {"type": "array", "items": {"type": "string", "description": "d"}},
        ),
        ({"allOf": [{"type": "string"}], "description": "d"}, {"type": "string", "description": "d"}),
    ],
)
def test_a_schema_is_cut_to_what_the_older_field_takes(schema: dict[str, Any], cut: dict[str, Any]) -> None:
    assert openapi_schema(schema, "tools") == cut


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"N": {"properties": {"next": {"$ref": "#/$defs/N"}}}}, "$ref": "#/$defs/N"},
        {"$ref": "#"},
        {"$ref": "#/$defs/missing"},
        # Each level is written twice as often as the one above.
        {
            "$defs": {f"a{i}": {"properties": {n: {"$ref": f"#/$defs/a{i + 1}"} for n in "xy"}} for i in range(12)}
            | {"a12": {"type": "string"}},
            "$ref": "#/$defs/a0",
        },
    ],
)
def test_a_schema_that_does_not_end_is_not_supported(schema: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        openapi_schema(schema, "response_format")
    assert (caught.value.kind, caught.value.param) == (FailureKind.UNSUPPORTED, "response_format")


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["type", "properties", "items", "anyOf", "$ref", "const"]), VALUES))
def test_nothing_that_is_refused_is_left_of_any_schema(schema: dict[str, Any]) -> None:
    with contextlib.suppress(ProviderError):
        assert not keywords(openapi_schema(schema, "tools")) & REFUSED


@pytest.mark.parametrize(
    ("model", "parameters", "declared"),
    [
        ("gemini-2.0-flash", {"type": "object", "properties": {"a": {"const": "x"}}, "additionalProperties": False}
         , {"parameters": {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}}}),
        ("gemini-2.0-flash", {"type": "object", "properties": {}}, {}),
        ("gemini-2.5-flash", {"type": "object", "additionalProperties": False}
         , {"parametersJsonSchema": {"type": "object", "additionalProperties": False}}),
        ("gemini-3.8-flash", None, {}),
    ],
)  # fmt: skip
def test_parameters_are_a_json_schema_where_that_is_taken(model: str, parameters: Any, declared: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    body = orjson.loads(GeminiCodec().encode(a_call(model, tools=tools), stream=False).body)
    assert body["tools"] == [{"functionDeclarations": [{"name": "f", **declared}]}]
