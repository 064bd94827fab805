"""What is kept for a while: bounded in bytes and in time, the least recently used going first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class StoreRules:
    """At most `max_bytes` together and `max_entry` of one value; `ttl` seconds from its being put there."""

    max_bytes: int = 64 * 1024 * 1024
    max_entry: int = 1024 * 1024
    ttl: float = 300.0


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    size: int
    since: float


class Store(Generic[V]):
    """Values by key; what they weigh is for whoever puts them there to say, `now` is monotonic seconds."""

    def __init__(self, rules: StoreRules) -> None:
        self._rules = rules
        self._entries: OrderedDict[bytes, _Entry[V]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes; what everything weighs together."""
        return self._bytes

    def put(self, key: bytes, value: V, size: int, now: float) -> bool:
        """Whether it is kept, in place of what was there before; what weighs too much leaves things as they are."""
        if size > min(self._rules.max_entry, self._rules.max_bytes):
            return False
        self._forget(key)
        self._entries[key] = _Entry(value, size, now)
        self._bytes += size
        while self._bytes > self._rules.max_bytes:
            self._forget(next(iter(self._entries)))
        return True

    def get(self, key: bytes, now: float) -> tuple[V, float] | None:
        """The value and its age in seconds; None when there is none, or when it is too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        age = now - entry.since
        if age >= self._rules.ttl:
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return entry.value, age

    def _forget(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
