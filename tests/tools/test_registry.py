"""What a chat may name, and what a tool must look like to be named."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from app.domain.errors import RequestRejected, StorageUnavailable
from app.tools.registry import ToolRegistry
from app.tools.rules import check
from tests.fakes_tools import SCHEMA, tool


def registry(*names: str) -> ToolRegistry:
    found = ToolRegistry()
    found.load(1, [tool(name, id=number) for number, name in enumerate(names, start=1)])
    return found


def test_before_the_first_snapshot_nobody_knows_which_tools_there_are() -> None:
    with pytest.raises(StorageUnavailable):
        ToolRegistry().why_not("get_price")


def test_an_unknown_name_is_told_with_the_closest_ones() -> None:
    why = registry("get_price", "list_symbols").why_not("get_prise")

    assert why == "names the tool 'get_prise', which is not registered; closest: get_price"
    assert "known are get_price" in (registry("get_price").why_not("zzz") or "")
    assert "none is" in (registry().why_not("zzz") or "")
    assert registry("get_price").why_not("get_price") is None


def test_a_tool_that_is_not_enabled_cannot_be_named() -> None:
    found = ToolRegistry()
    found.load(1, [tool(enabled=False)])

    assert found.get("get_price") is None
    assert "not enabled" in (found.why_not("get_price") or "")


def test_an_older_snapshot_changes_nothing() -> None:
    found = registry("get_price")

    found.load(0, [])

    assert found.get("get_price") is not None


def test_a_schema_is_compiled_once_for_as_long_as_it_stays_the_same() -> None:
    found = registry("get_price")
    before = found.get("get_price")

    found.load(2, [tool(description="another")])
    same = found.get("get_price")
    found.load(3, [tool(parameters={**SCHEMA, "required": []})])
    other = found.get("get_price")

    assert before is not None
    assert same is not None
    assert other is not None
    assert same.schema is before.schema
    assert other.schema is not before.schema
    assert other.wrong({}) == []


def test_arguments_too_deep_to_check_spoil_nothing_for_those_after_them() -> None:
    nested: dict[str, Any] = {"type": "object", "properties": {f"p{n}": {"$ref": "#"} for n in range(600)}}
    found = ToolRegistry()
    found.load(1, [tool(parameters=nested)])
    entry = found.get("get_price")
    assert entry is not None
    deep: dict[str, Any] = {}
    for _ in range(60):
        deep = {"p1": deep}

    assert entry.wrong(deep)
    assert entry.wrong({"p599": {"p1": {}}}) == []


def wrong_fields(**changes: Any) -> list[str]:
    try:
        check(tool(**changes), lambda url: None if url.startswith("https") else "must be https")
    except RequestRejected as error:
        return [violation.field for violation in error.violations]
    return []


def test_a_good_tool_is_taken() -> None:
    assert wrong_fields() == []
    assert wrong_fields(headers={"authorization": SecretStr("Bearer a b"), "X-Key": SecretStr("k")}) == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": "a b"}, ["name"]),
        ({"name": "n" * 65}, ["name"]),
        ({"name": "a\n"}, ["name"]),
        ({"url": "http://x.test"}, ["url"]),
        ({"timeout": 0.0}, ["timeout_ms"]),
        ({"timeout": 121.0}, ["timeout_ms"]),
        ({"parameters": {}}, ["parameters.type"]),
        ({"parameters": {"type": ["object"]}}, ["parameters.type"]),
        ({"parameters": {"type": "object", "description": "x" * 70_000}}, ["parameters"]),
        ({"parameters": {"type": "object", "required": "symbol"}}, ["parameters"]),
        ({"parameters": {"type": "object", "$ref": "file:///etc/passwd"}}, ["parameters"]),
        ({"parameters": {"type": "object", "allOf": [{"$dynamicRef": "#a"}]}}, ["parameters"]),
        ({"headers": {"Content-Length": SecretStr("1")}}, ["headers.Content-Length"]),
        ({"headers": {"x-outcry-hop": SecretStr("0")}}, ["headers.x-outcry-hop"]),
        ({"headers": {"a": SecretStr("1"), "A": SecretStr("2")}}, ["headers.a", "headers.A"]),
        ({"headers": {"a b": SecretStr("1")}}, ["headers.a b"]),
        ({"headers": {"a": SecretStr("x\r\nhost: y")}}, ["headers.a"]),
        ({"headers": {"a": SecretStr("")}}, ["headers.a"]),
        ({"name": "", "timeout": -1.0, "url": "x"}, ["name", "timeout_ms", "url"]),
    ],
)
def test_every_wrong_field_is_named(changes: dict[str, Any], fields: list[str]) -> None:
    assert wrong_fields(**changes) == fields


def test_a_refusal_shows_no_secret() -> None:
    with pytest.raises(RequestRejected) as raised:
        check(tool(headers={"a": SecretStr("canary\x00")}), lambda _: None)

    assert "canary" not in f"{raised.value.message} {raised.value.violations}"
