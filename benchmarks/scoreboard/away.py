"""Databases that can be taken away from a gateway and given back: one crashed, one locked by another process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from benchmarks.scoreboard.process import resident
from tests.e2e.service import Service
from tests.postgres import Cluster


class Store(Protocol):
    """A database that can be away."""

    name: str
    url: str | None

    def leave(self) -> None: ...

    def come_back(self) -> None: ...


class Crashed:
    """A PostgreSQL server that is crashed, and recovers when it is started again."""

    name = "PostgreSQL crashed"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.url: str | None = cluster.url

    def fresh(self, name: str) -> str:
        """The URL of an empty database on it."""
        return self._cluster.created(name)

    def leave(self) -> None:
        self._cluster.stop(is_crash=True)

    def come_back(self) -> None:
        self._cluster.start()


class Locked:
    """An SQLite file whose write lock another process, which is us, does not give back."""

    name = "SQLite locked"
    url: str | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def leave(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute("BEGIN IMMEDIATE")
        self._connection = connection

    def come_back(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def away(store: Store) -> Iterator[None]:
    """Away for as long as the context lasts."""
    store.leave()
    try:
        yield
    finally:
        store.come_back()


@dataclass
class Held:
    """The most that a gateway held at once: bytes of memory, and of its spills."""

    memory: int = 0
    spill: int = 0

    def look(self, gateway: Service, folder: Path) -> None:
        """Measure once."""
        self.memory = max(self.memory, resident(gateway.pid))
        spills = (folder / ".outcry").glob("usage-spill.jsonl.*")
        self.spill = max(self.spill, sum(path.stat().st_size for path in spills if path.exists()))


def decided(client: httpx.Client, body: dict[str, object]) -> tuple[int, str]:
    """Status of one decision, and its id or the code of its error."""
    answer = client.post("/decisions", json=body)
    said = answer.json()
    return answer.status_code, said["id"] if answer.status_code == 200 else said["error"]["code"]
