"""What checking a value against a schema may cost at most, told before anything is checked.

The checker holds the interpreter's lock until it is done, and a few lines of references or alternatives can make that
hours, so that neither a thread nor a timer would help. The bound is: schemas that one place of the value can meet, with
the worst name at every level, times the places. Refs are followed as often as the value is deep, and no further.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

TOO_MUCH: Final = 1_000_000
"""Steps; a step is some 50 ns of checking."""

MOST_VALUES: Final = 20_000
"""Values that a schema may hold: compiling takes a microsecond each."""

_MOST_LOOKED_AT: Final = 20_000
_LONGEST_CHAIN: Final = 200
_PATTERN_STEPS: Final = 20
"""Characters of a text times states of a pattern that cost as much as one step."""

_HERE: Final = ("not", "if", "then", "else")
_HERE_LISTS: Final = ("allOf", "anyOf", "oneOf")
_HERE_MAPS: Final = ("dependentSchemas", "dependencies")
_ANYWHERE: Final = (
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
)
_REPEAT: Final = re.compile(r"\{(\d{0,6})(?:,(\d{0,6}))?\}")
_ENTRIES_PER_STEP: Final = 8
_MOST_DEPTHS: Final = 128


class Unbounded(ValueError):
    """The schema is larger, or more entangled, than anything that is checked."""


@dataclass(slots=True)
class _Walked:
    """What one walk has met, by identity and depth, and what it is in the midst of.

    Each walk has its own: a schema is shared by requests, and by threads.
    """

    known: dict[tuple[int, int], int] = field(default_factory=dict)
    under_way: set[tuple[int, int]] = field(default_factory=set)


class Weight:
    """A schema and what its checks cost; raises Unbounded for one that is too large or refers by other than a path.

    `has_alternatives`: a problem may have to be told with all that is wrong in each of them.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema
        self.has_alternatives = False
        self._pattern = 0
        # What moves the point that references count from; in the oldest drafts it was called otherwise.
        self._bases = ("$id", "id") if "draft-04" in str(schema.get("$schema")) else ("$id",)
        # By depth of a value, which is bounded where values are read.
        self._worst: dict[int, int] = {}
        for count, each in enumerate(_walk(schema)):
            if count >= MOST_VALUES:
                raise Unbounded(f"it holds more than {MOST_VALUES} values")
            if isinstance(each, dict):
                self._note(each, is_root=each is schema)

    def of(self, value: object) -> int:
        """The most steps that checking this value may take; more than TOO_MUCH is not counted to its end."""
        places, depth, text = _extent(value)
        worst = self._worst.get(depth)
        if worst is None:
            worst = self._met(self._root, depth, 0, _Walked())
            if len(self._worst) < _MOST_DEPTHS:
                self._worst[depth] = worst
        return worst * places + self._pattern * text // _PATTERN_STEPS

    def _note(self, node: Mapping[str, Any], *, is_root: bool) -> None:
        self.has_alternatives = self.has_alternatives or "anyOf" in node or "oneOf" in node
        if isinstance(node.get("pattern"), str):
            self._pattern += _states(node["pattern"])
        patterns = node.get("patternProperties")
        if isinstance(patterns, dict):
            self._pattern += sum(map(_states, patterns))
        if not is_root and any(isinstance(node.get(name), str) for name in self._bases):
            raise Unbounded("a part of it has an $id of its own")
        for name in ("$dynamicRef", "$recursiveRef"):
            if isinstance(node.get(name), str):
                raise Unbounded(f"it uses {name}")

    def _met(self, node: object, depth: int, chain: int, walked: _Walked) -> int:
        """How many schemas a value of this depth meets here and below, along its worst path."""
        if not isinstance(node, dict):
            return 1
        key = (id(node), depth)
        known = walked.known.get(key)
        if known is not None:
            return known
        if key in walked.under_way:
            return 0  # a reference to itself without a step down: the checker ends it too
        if chain > _LONGEST_CHAIN or len(walked.known) + len(walked.under_way) > _MOST_LOOKED_AT:
            return TOO_MUCH + 1
        walked.under_way.add(key)
        met = 1 + len(node["enum"]) // _ENTRIES_PER_STEP if isinstance(node.get("enum"), list) else 1
        for inner in self._here(node):
            met += self._met(inner, depth, chain + 1, walked)
        if depth > 0 and met <= TOO_MUCH:
            met += self._below(node, depth - 1, chain + 1, walked)
        walked.under_way.discard(key)
        walked.known[key] = met = min(met, TOO_MUCH + 1)
        return met

    def _here(self, node: Mapping[str, Any]) -> Iterator[object]:
        """Schemas that look at the same value."""
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield self._target(reference)
        yield from (node[name] for name in _HERE if name in node)
        for name in _HERE_LISTS:
            yield from _items(node.get(name))
        for name in _HERE_MAPS:
            yield from _members(node.get(name)).values()

    def _below(self, node: Mapping[str, Any], depth: int, chain: int, walked: _Walked) -> int:
        """What a value within meets: the worst name's, and all that looks at every one."""
        named: Counter[object] = Counter()
        for name, inner in _members(node.get("properties")).items():
            named[name] += self._met(inner, depth, chain, walked)
        for keyword in ("prefixItems", "items"):
            for place, inner in enumerate(_items(node.get(keyword))):
                named[place] += self._met(inner, depth, chain, walked)
        inside = [node[name] for name in _ANYWHERE if isinstance(node.get(name), dict)]
        inside.extend(_members(node.get("patternProperties")).values())
        anywhere = sum(self._met(inner, depth, chain, walked) for inner in inside)
        return max(named.values(), default=0) + anywhere

    def _target(self, reference: str) -> object:
        if reference == "#":
            return self._root
        if not reference.startswith("#/"):
            raise Unbounded("it refers to something else than a path within itself")
        at: Any = self._root
        for step in unquote(reference[2:]).split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(at, list) and name.isdecimal() and int(name[:9]) < len(at):
                at = at[int(name[:9])]
            else:
                at = at.get(name) if isinstance(at, dict) else None
        return at


def _states(pattern: str) -> int:
    """About how many states a pattern has; repeated groups multiply, so that this is rather too many."""
    repeats = [int(high or low or 1) or 1 for low, high in _REPEAT.findall(pattern)]
    factor = max(repeats, default=1)
    if "){" in pattern:
        for each in repeats:
            factor = min(factor * each, TOO_MUCH)
    return (len(pattern) + 1) * factor


def _extent(value: object) -> tuple[int, int, int]:
    """Places, depth and characters of a value that was read from JSON: of no type but JSON's own."""
    places = depth = text = 0
    level: list[Any] = [value]
    while level:
        inner: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is str:
                text += len(each)
            elif kind is dict:
                text += len("".join(each))
                inner += each.values()
            elif kind is list:
                inner += each
        places += len(level)
        depth += 1
        level = inner
    return places, depth, text


def _walk(value: object) -> Iterator[object]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        yield each
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _members(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
