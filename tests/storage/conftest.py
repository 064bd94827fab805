"""Databases on both engines, empty or at the newest revision."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.storage.database import Database, open_database
from app.storage.migrations import migrate


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def empty_url(engine_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database without any table."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path}/outcry.db"
        return
    server = request.getfixturevalue("postgres")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file at the newest revision, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "outcry.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def url(engine_name: str, tmp_path: Path, migrated_file: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database at the newest revision."""
    if engine_name == "sqlite":
        shutil.copy(migrated_file, tmp_path / "outcry.db")
        yield f"sqlite:///{tmp_path}/outcry.db"
        return
    server = request.getfixturevalue("postgres")
    url = server.migrated()
    yield url
    server.drop(url)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with open_database(url) as database:
        yield database
