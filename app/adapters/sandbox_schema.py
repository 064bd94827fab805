"""The smallest value that follows a schema: what a stand-in writes when it is asked for a form it has no opinion on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_DEEPEST: Final = 24
_MOST: Final = 64
_LARGEST: Final = 2_000
# A stand-in that has to choose chooses to do nothing.
_QUIET: Final = ("HOLD", "hold", "NONE", "none", "unknown", "UNKNOWN")
_FORMATS: Final = {
    "date-time": "1970-01-01T00:00:00Z",
    "date": "1970-01-01",
    "time": "00:00:00Z",
    "email": "sandbox@example.com",
    "uri": "https://example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class NoExample(ValueError):
    """The schema is deeper than we follow, or says nothing that can be followed."""


def example(schema: Mapping[str, Any], known: Mapping[str, Any], text: str) -> Any:  # noqa: ANN401 - any JSON value
    """A value of this schema; `known` has values by property name, `text` stands where a text is wanted.

    Null where that is allowed. Raises NoExample; the value follows the commonest keywords and may still break others.
    """
    return _Example(schema, known, text).of(schema, "", 0)


class _Example:
    def __init__(self, root: Mapping[str, Any], known: Mapping[str, Any], text: str) -> None:
        self._root = root
        self._known = known
        self._text = text
        self._left = _LARGEST

    def of(self, schema: Any, name: str, depth: int) -> Any:  # noqa: ANN401
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            raise NoExample("too deep or too large")
        if not isinstance(schema, Mapping):
            return None
        schema = self._resolved(schema, depth)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), Sequence) and schema["enum"]:
            return self._chosen(schema["enum"], name)
        for branch in ("anyOf", "oneOf"):
            if isinstance(schema.get(branch), Sequence) and schema[branch]:
                return self._branch(schema[branch], name, depth)
        kinds = schema.get("type", "object" if "properties" in schema else "null")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        return self._typed(schema, kinds, name, depth)

    def _typed(self, schema: Mapping[str, Any], kinds: Sequence[Any], name: str, depth: int) -> Any:  # noqa: ANN401
        stated = self._known.get(name)
        if stated is not None and _kind(stated) & set(map(str, kinds)):
            return stated
        if "null" in kinds:
            return None
        match kinds[0] if kinds else None:
            case "object":
                return self._object(schema, depth)
            case "array":
                least = min(int(schema.get("minItems") or 0), _MOST)
                return [self.of(schema.get("items", {}), name, depth + 1) for _ in range(least)]
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._number(schema)
            case "boolean":
                return False
        raise NoExample("no type that is known")

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        wanted = schema.get("required") or []
        names = [each for each in [*wanted, *(n for n in properties if n in self._known)] if isinstance(each, str)]
        return {each: self.of(properties.get(each, {}), each, depth + 1) for each in dict.fromkeys(names)}

    def _string(self, schema: Mapping[str, Any]) -> str:
        text = _FORMATS.get(str(schema.get("format")), self._text)
        least, most = schema.get("minLength"), schema.get("maxLength")
        if isinstance(least, int) and len(text) < least <= 10_000:
            text = text.ljust(least, ".")
        return text[:most] if isinstance(most, int) and most >= 0 else text

    def _number(self, schema: Mapping[str, Any]) -> float:
        for name, step in (("minimum", 0), ("exclusiveMinimum", 1), ("maximum", 0), ("exclusiveMaximum", -1)):
            bound = schema.get(name)
            if isinstance(bound, int | float) and not isinstance(bound, bool):
                is_low = name.endswith("inimum")
                if (is_low and bound + step > 0) or (not is_low and bound + step < 0):
                    return bound + step
        return 0

    def _chosen(self, values: Sequence[Any], name: str) -> Any:  # noqa: ANN401
        stated = self._known.get(name)
        if stated is not None and stated in values:
            return stated
        return next((quiet for quiet in (None, *_QUIET) if quiet in values), values[0])

    def _branch(self, branches: Sequence[Any], name: str, depth: int) -> Any:  # noqa: ANN401
        if self._known.get(name) is None and any(
            isinstance(each, Mapping) and each.get("type") == "null" for each in branches
        ):
            return None
        typed = [each for each in branches if isinstance(each, Mapping) and each.get("type") != "null"]
        return self.of(typed[0] if typed else {}, name, depth + 1)

    def _resolved(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """The schema with its local reference followed and its parts (`allOf`) laid over each other."""
        for _ in range(_DEEPEST):
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                break
            schema = self._at(reference)
        else:
            raise NoExample("a reference to itself")
        parts = schema.get("allOf")
        if not isinstance(parts, Sequence) or depth > _DEEPEST:
            return schema
        merged = {name: value for name, value in schema.items() if name != "allOf"}
        for part in parts[:_MOST]:
            if isinstance(part, Mapping):
                inner = self._resolved(part, depth + 1)
                properties = {**merged.get("properties", {}), **inner.get("properties", {})}
                required = [*merged.get("required", []), *inner.get("required", [])]
                merged = {**merged, **inner, "properties": properties, "required": required}
        return merged

    def _at(self, reference: str) -> Mapping[str, Any]:
        place: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else []:
            place = place.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(place, Mapping) else None
        if not isinstance(place, Mapping):
            raise NoExample(f"nothing at {reference[:80]!r}")
        return place


def _kind(value: object) -> set[str]:
    match value:
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"}
        case float():
            return {"number"}
        case str():
            return {"string"}
        case list():
            return {"array"}
    return {"object"}
