from __future__ import annotations

import pytest

from app.text.schema import BadSchema, compiled, problems
from app.text.schema_cost import Weight

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


def doubled(levels: int) -> dict[str, object]:
    """A schema of a few lines that asks for the same thing 2^levels times."""
    defs: dict[str, object] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**defs, f"d{levels}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def forked() -> dict[str, object]:
    """A schema that meets every level of a value twice as often as the one above."""
    fork = [{"properties": {"n": {"$ref": "#"}}, "required": [name]} for name in ("x", "y")]
    return {"anyOf": fork}


def nested(levels: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(levels):
        value = {"n": value}
    return value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubled(40), 1),
        (forked(), nested(60)),
        ({"pattern": "^[ab]*a[ab]{500}c"}, "ab" * 500_000),
        ({"$dynamicRef": "#a"}, 1),
        ({"$ref": "#a", "$defs": {"a": {"$anchor": "a"}}}, 1),
        ({"items": {"enum": [f"{n}" for n in range(10_000)]}}, ["no"] * 10_000),
        ({"$defs": {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(900)}, "$ref": "#/$defs/d0"}, {}),
    ],
)
def test_what_would_take_too_long_to_check_is_said_and_not_begun(schema: dict[str, object], value: object) -> None:
    with pytest.raises(BadSchema):
        problems(compiled(schema), value)


def test_a_schema_with_too_many_values_is_not_compiled() -> None:
    with pytest.raises(BadSchema, match="more than 20000 values"):
        compiled({"enum": list(range(30_000))})


def test_recursion_and_alternatives_of_honest_schemas_are_checked() -> None:
    assert problems(compiled(forked()), nested(3)) != []
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}, "required": ["kids"]}
    leaf: dict[str, object] = {"kids": []}
    assert problems(compiled(tree), {"kids": [leaf, {"kids": [leaf] * 50}]}) == []
    assert problems(compiled(tree), {"kids": [leaf, {}]}) == ['kids.1: "kids" is a required property']


def test_of_many_problems_of_a_large_value_the_first_is_named() -> None:
    assert problems(compiled({"items": {"type": "string"}}), list(range(50_000))) == ['0: 0 is not of type "string"']


def test_problems_of_a_large_value_with_alternatives_are_found_but_not_named() -> None:
    either = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert problems(compiled({"items": either}), list(range(50_000))) == ["$: somewhere it is not as the schema says"]


def test_a_schema_that_comes_again_is_not_compiled_again() -> None:
    wanted = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}

    assert compiled(wanted) is compiled({**wanted})
    assert compiled(wanted) is not compiled({**wanted, "required": []})


def test_what_was_checked_before_does_not_change_what_a_check_costs() -> None:
    wanted = {"properties": {"a": {"$ref": "#"}, "b": {"items": {"$ref": "#"}}}}
    values: list[object] = [{"a": {"a": {"b": [{"a": 1}]}}}, 1, {"b": [[]]}]
    fresh = [Weight(wanted).of(value) for value in values]
    shared = Weight(wanted)

    assert [shared.of(value) for value in (*values, *reversed(values))] == [*fresh, *reversed(fresh)]
