"""JSON schemas as Anthropic's structured output takes them."""

from __future__ import annotations

from typing import Any, Final

from app.adapters.codec import bad_request, unsupported
from app.domain.chat import JSON

_PARAM: Final = "response_format.json_schema.schema"
_UNKNOWN_KEYWORDS: Final = frozenset(
    {"minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "pattern", "format"}
)
_BY_NAME: Final = ("properties", "$defs", "definitions")
_VALUES: Final = ("enum", "const", "default", "examples", "required")


def output_format(response_format: Any) -> tuple[JSON | None, list[str]]:  # noqa: ANN401 - a wire body
    """`output_config.format`, and the schema's keywords that it cannot hold; None for plain text."""
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if response_format is None or kind == "text":
        return None, []
    if kind != "json_schema":
        raise unsupported(f"the Messages API has no response format {str(kind)[:40]!r}", "response_format")
    stated = response_format.get("json_schema")
    schema = stated.get("schema") if isinstance(stated, dict) else None
    if not isinstance(schema, dict):
        raise bad_request("json_schema holds no schema", _PARAM)
    dropped: set[str] = set()
    return {"type": "json_schema", "schema": _closed(schema, dropped)}, sorted(dropped)


def _closed(schema: Any, dropped: set[str]) -> Any:  # noqa: ANN401 - any part of a JSON schema
    """Objects closed, keywords that structured output does not know left out.

    An object that names none of its properties, or may have others, raises: closed it would be another schema.
    """
    if isinstance(schema, list):
        return [_closed(each, dropped) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed: JSON = {}
    for name, value in schema.items():
        if name in _BY_NAME and isinstance(value, dict):
            closed[name] = {each: _closed(inner, dropped) for each, inner in value.items()}
        elif name in _VALUES:
            closed[name] = value
        elif name in _UNKNOWN_KEYWORDS:
            dropped.add(name)
        elif name != "additionalProperties":
            closed[name] = _closed(value, dropped)
    if _is_object(closed):
        if _is_open(schema):
            raise unsupported("structured output takes closed objects only, with their properties named", _PARAM)
        closed["additionalProperties"] = False
    return closed


def _is_object(schema: JSON) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _is_open(schema: JSON) -> bool:
    """Whether it asks for properties that it does not name; saying nothing about others is no such wish."""
    others = schema.get("additionalProperties")
    if others is False:
        return False
    composed = any(name in schema for name in ("properties", "$ref", "allOf", "anyOf", "oneOf"))
    return not composed or bool(others) or isinstance(others, dict)
