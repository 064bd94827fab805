from __future__ import annotations

import pytest

from app.text.schema import BadSchema, compiled, problems

SCHEMA = {
    "type": "object",
    "properties": {"action": {"enum": ["BUY", "SELL"]}, "size": {"type": "number"}},
    "required": ["action"],
    "additionalProperties": False,
}


def test_a_value_that_follows_has_no_problems() -> None:
    assert problems(compiled(SCHEMA), {"action": "BUY", "size": 0.5}) == []


def test_problems_name_the_place() -> None:
    found = problems(compiled(SCHEMA), {"action": "BUY", "size": "half"})

    assert found == ['size: "half" is not of type "number"']


def test_only_the_first_few_problems_are_named() -> None:
    assert len(problems(compiled({"items": {"type": "string"}}), list(range(100)))) == 3


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere"},
        {"pattern": "(?<=a)b"},
        {"properties": 5},
    ],
)
def test_a_schema_that_cannot_be_used_is_said_to_be_bad_and_nothing_is_fetched(schema: dict[str, object]) -> None:
    with pytest.raises(BadSchema):
        compiled(schema)


def test_a_schema_without_end_is_no_end_of_us() -> None:
    deep: dict[str, object] = {}
    at = deep
    for _ in range(5_000):
        inner: dict[str, object] = {}
        at["properties"] = {"a": inner}
        at = inner

    with pytest.raises(BadSchema):
        compiled(deep)
    assert problems(compiled({"$ref": "#"}), {"a": 1}) == []


def test_a_pattern_cannot_run_away() -> None:
    assert problems(compiled({"pattern": "^(a+)+$"}), "a" * 5_000 + "b") != []
