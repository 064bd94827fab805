"""JSON schemas cut to the part of OpenAPI's that Google's older schema fields take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.adapters.codec import unsupported
from app.domain.chat import JSON

_COPIED: Final = (
    "title", "description", "nullable", "maxItems", "minItems", "minProperties", "maxProperties", "minLength",
    "maxLength", "pattern", "minimum", "maximum", "propertyOrdering", "required", "example", "default",
)  # fmt: skip
_FORMATS: Final = frozenset({"float", "double", "int32", "int64", "enum", "date-time"})
_UNIONS: Final = ("anyOf", "oneOf")
_MOST_NODES: Final = 2000
_DEEPEST: Final = 40


def openapi_schema(schema: Mapping[str, Any], param: str) -> JSON:
    """The schema without what the older fields refuse: references, constants, closed objects, lists of types.

    References are replaced by what they refer to; raises ProviderError(UNSUPPORTED) naming `param` for a schema that
    refers to itself, or that is too large once it is written out.
    """
    return _Cut(schema, param).node(schema, 0)


class _Cut:
    """One schema on its way; counts what it writes, because references can multiply."""

    def __init__(self, root: Mapping[str, Any], param: str) -> None:
        self._root = root
        self._param = param
        self._nodes = 0

    def node(self, schema: Any, depth: int) -> JSON:  # noqa: ANN401 - any part of a JSON schema
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            raise unsupported("the schema is too deep, too large or refers to itself", self._param)
        if not isinstance(schema, dict):
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            beside = {name: value for name, value in schema.items() if name != "$ref"}
            return self.node({**self._referred(reference), **beside}, depth + 1)
        parts = schema.get("allOf")
        if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict):
            rest = {name: value for name, value in schema.items() if name != "allOf"}
            return self.node({**parts[0], **rest}, depth + 1)
        cut = {name: schema[name] for name in _COPIED if name in schema}
        if schema.get("format") in _FORMATS:
            cut["format"] = schema["format"]
        cut |= _type(schema)
        cut |= _enumeration(schema)
        cut |= self._inner(schema, depth)
        return cut

    def _inner(self, schema: JSON, depth: int) -> JSON:
        inner: JSON = {}
        properties = schema.get("properties")
        if isinstance(properties, dict) and properties:
            inner["properties"] = {name: self.node(each, depth + 1) for name, each in properties.items()}
        if "items" in schema:
            inner["items"] = self.node(schema["items"], depth + 1)
        for name in _UNIONS:
            choices = schema.get(name)
            if isinstance(choices, list):
                inner |= self._union(choices, depth)
        return inner

    def _union(self, choices: list[Any], depth: int) -> JSON:
        real = [each for each in choices if not (isinstance(each, dict) and each.get("type") == "null")]
        nullable: JSON = {"nullable": True} if len(real) < len(choices) else {}
        if len(real) == 1:
            return {**self.node(real[0], depth + 1), **nullable}
        return {"anyOf": [self.node(each, depth + 1) for each in real], **nullable}

    def _referred(self, reference: str) -> JSON:
        found: Any = self._root
        for step in _steps(reference):
            found = found.get(step) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            raise unsupported(f"the schema refers to {reference[:80]!r}, which it does not hold", self._param)
        return found


def _steps(reference: str) -> Iterator[str]:
    for step in reference.removeprefix("#").split("/"):
        if step:
            yield step.replace("~1", "/").replace("~0", "~")


def _type(schema: JSON) -> JSON:
    stated = schema.get("type")
    if not isinstance(stated, list):
        return {"type": stated} if isinstance(stated, str) else {}
    real = [each for each in stated if isinstance(each, str) and each != "null"]
    nullable: JSON = {"nullable": True} if "null" in stated else {}
    if len(real) == 1:
        return {"type": real[0], **nullable}
    return {"anyOf": [{"type": each} for each in real], **nullable} if real else nullable


def _enumeration(schema: JSON) -> JSON:
    """Only texts can be enumerated there; a constant is an enumeration of one."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list):
        return {}
    texts = [value for value in values if isinstance(value, str)]
    if not texts or len(texts) < len([value for value in values if value is not None]):
        return {}
    return {"type": "string", "enum": texts} | ({"nullable": True} if None in values else {})
