"""A YAML or JSON file as plain values that still know their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from app.configuration.errors import ConfigurationError

MOST_BYTES: Final = 1024 * 1024
MOST_DEPTH: Final = 32
MOST_NODES: Final = 100_000

Place = tuple[str | int, ...]
"""Where a value is: keys and list positions from the top."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file's values, and the line (from 1) of every place in it."""

    name: str
    value: Any
    lines: dict[Place, int]

    def line_of(self, place: Sequence[str | int]) -> int:
        """The line of the place, or of the nearest thing around it that the file has."""
        for end in range(len(place), -1, -1):
            found = self.lines.get(tuple(place[:end]))
            if found is not None:
                return found
        return 1


def read_document(path: Path) -> Document:
    """The file, checked for size, encoding, syntax and repeated keys; raises ConfigurationError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise ConfigurationError(f"{path}: larger than {MOST_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path}:{line}: not UTF-8") from None
    if path.suffix == ".json" or text.lstrip().startswith("{"):
        # YAML reads JSON, but for tabs between its tokens; inside its strings a raw tab is not allowed anyway.
        text = text.replace("\t", " ")
    return _parse(str(path), text)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader in Python (the C one overflows its stack on deep nesting), with an end to the depth."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401  # PyYAML's own
        self._depth += 1
        if self._depth > MOST_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MOST_DEPTH} levels", problem_mark=mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _parse(name: str, text: str) -> Document:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        reader = _Reader(name, loader)
        return Document(name, None if node is None else reader.read(node, ()), reader.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigurationError(f"{name}:{mark.line + 1 if mark else 1}: {error.problem or 'not readable'}") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: not readable: {type(error).__name__}") from None


class _Reader:
    """Turns nodes into values. An alias is read again at each use, so what is read is counted."""

    def __init__(self, name: str, loader: _Loader) -> None:
        self.lines: dict[Place, int] = {}
        self._name = name
        self._loader = loader
        self._nodes = 0

    def read(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401  # any value a file can hold
        line = node.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._nodes += 1
        if self._nodes > MOST_NODES or len(place) > MOST_DEPTH:
            raise ConfigurationError(f"{self._name}:{line}: too much is repeated by aliases")
        match node:
            case yaml.MappingNode():
                return self._mapping(node, place)
            case yaml.SequenceNode():
                return [self.read(item, (*place, position)) for position, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node)
            case _:
                raise ConfigurationError(f"{self._name}:{line}: expected a mapping, a list or a value")

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigurationError(f"{self._name}:{line}: expected a text as key")
            key = str(key_node.value)
            if key in values:
                raise ConfigurationError(f"{self._name}:{line}: {dotted((*place, key))}: is there twice")
            self.lines[(*place, key)] = line
            values[key] = self.read(value_node, (*place, key))
        return values

    def _scalar(self, node: yaml.ScalarNode) -> Any:  # noqa: ANN401  # text, number, truth value or null
        kind = node.tag.rpartition(":")[2]
        if kind not in ("str", "int", "float", "bool", "null"):
            return node.value
        try:
            value = self._loader.construct_object(node)
        except ValueError:
            return node.value
        if isinstance(value, str) and not node.style:
            return _number(value)
        return value


def _number(text: str) -> str | float:
    """YAML 1.1 takes `1e-5` for a text; JSON and everybody else mean a number."""
    mantissa, e, exponent = text.lower().partition("e")
    if not (e and mantissa.lstrip("+-")[:1].isdigit() and exponent.lstrip("+-").isdigit()):
        return text
    try:
        return float(text)
    except ValueError:
        return text


def dotted(place: Sequence[str | int]) -> str:
    """`providers[2].rate_limit.burst_limit`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
