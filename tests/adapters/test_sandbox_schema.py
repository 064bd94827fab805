from __future__ import annotations

import json
from typing import Any

import pytest

from app.adapters.sandbox import answer
from app.adapters.sandbox_schema import NoExample, example
from app.decisions.prompts import DECISION_SCHEMA
from app.domain.chat import ChatRequest
from app.text.schema import compiled, problems

NESTED = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 5},
        "days": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/day"}},
        "mood": {"enum": ["BUY", "SELL", "HOLD"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "ratio": {"type": ["number", "null"]},
        "when": {"type": "string", "format": "date"},
    },
    "required": ["city", "days", "mood", "note", "ratio", "when"],
    "additionalProperties": False,
    "$defs": {
        "day": {
            "allOf": [
                {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]},
                {"properties": {"wet": {"type": "boolean"}}, "required": ["wet"]},
            ]
        }
    },
}


def written(schema: dict[str, Any]) -> Any:
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    request = ChatRequest([{"role": "user", "content": "hello"}], {"response_format": form})
    return json.loads(answer("trend", request))


def test_a_stand_in_writes_in_the_callers_form() -> None:
    value = written(NESTED)

    assert problems(compiled(NESTED), value) == []
    assert (value["mood"], value["note"], value["ratio"]) == ("HOLD", None, None)
    assert value["days"] == [{"n": 3, "wet": False}] * 2


def test_our_own_form_is_written_as_ever() -> None:
    value = written(dict(DECISION_SCHEMA))

    assert (value["action"], value["confidence"]) == (None, None)
    assert "not a model" in value["reasoning"]


def test_what_is_known_stands_under_its_name() -> None:
    schema = {"type": "object", "properties": {"action": {"enum": ["BUY", "HOLD"]}, "size": {"type": "number"}}}

    assert example(schema, {"action": "BUY", "size": 0.5}, "x") == {"action": "BUY", "size": 0.5}


@pytest.mark.parametrize(
    ("bounds", "value"),
    [({}, 0), ({"minimum": 3}, 3), ({"exclusiveMinimum": 0}, 1), ({"maximum": -2}, -2), ({"exclusiveMaximum": 0}, -1)],
)
def test_numbers_keep_within_their_bounds(bounds: dict[str, int], value: int) -> None:
    assert example({"type": "integer", **bounds}, {}, "x") == value


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "marvel"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "minItems": 60, "items": {"$ref": "#/$defs/a"}}}},
    ],
)
def test_a_schema_without_an_example_is_no_end_of_us(schema: dict[str, Any]) -> None:
    with pytest.raises(NoExample):
        example(schema, {}, "x")
