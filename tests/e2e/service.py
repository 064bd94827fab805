"""The real gateway as a process of its own, on a free loopback port, for tests that speak HTTP to it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import httpx

from tests.e2e.nursery import PROGRAM, Forked, Nursery

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 32.0
BEGUN = "Application startup complete"
"""What each worker logs once it takes connections."""
# What a child process needs of ours, and nothing else: no provider key of the machine may switch a provider on.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class ServiceFailed(AssertionError):
    """The gateway did not start, or did not end as promised; carries its output."""


class Service:
    """One gateway: `with Service(folder, providers=[...]) as gateway: gateway.client.post(...)`.

    `folder` becomes its working directory and holds its provider file, database and log. `config` is the whole
    provider file; `providers` is short for one with just these. With neither there is no file, and so the sandbox.
    `cpu` pins it to one core. With a `nursery` it is forked from there, else a Python of its own is started.
    """

    def __init__(
        self,
        folder: Path,
        *,
        providers: Iterable[Mapping[str, Any]] | None = None,
        config: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        database_url: str | None = None,
        cpu: int | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.encryption_key = new_encryption_key()
        self._folder = folder
        self._config = {"providers": list(providers)} if providers is not None else config
        self._log_path = folder / "gateway.log"
        self._database_url = database_url or f"sqlite+aiosqlite:///{folder / 'outcry.db'}"
        self._env = dict(env or {})
        self._cpu = cpu
        self._nursery = nursery
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._log: IO[bytes] | None = None
        self._client: httpx.Client | None = None

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(f"\n--- log of the gateway at {self.base_url}\n{self.log}", file=sys.stderr)
            self.kill()
            return
        self.stop()

    @property
    def client(self) -> httpx.Client:
        """A client that knows the base URL."""
        if self._client is None:
            self._client = plain_client(self.base_url)
        return self._client

    @property
    def pid(self) -> int:
        """The gateway's process id."""
        return self._running().pid

    @property
    def log(self) -> str:
        """All that it printed so far."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self._folder / "outcry.db"

    @property
    def database_url(self) -> str:
        """Where its database is."""
        return self._database_url

    def start(self) -> None:
        """Start it and return once it says that it is ready, all of its workers do."""
        begun = self.log.count(BEGUN)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._process = self._begun(self._environment())
        if self._cpu is not None:
            os.sched_setaffinity(self._process.pid, {self._cpu})
        try:
            self._until_ready(begun)
        except BaseException:
            self.kill()
            raise

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command of the command line beside it, in its folder and environment, once it has ended."""
        environ = self._environment()
        if self._nursery is None:
            command = [sys.executable, "-m", PROGRAM, *arguments]
            return subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                env=environ,
                cwd=self._folder,
                timeout=START_SECONDS,
            )
        with tempfile.TemporaryDirectory() as place:
            out, err = Path(place, "out"), Path(place, "err")
            process = self._nursery.start(arguments, folder=self._folder, env=environ, out=out, err=err)
            code = process.wait(START_SECONDS)
            return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())

    def terminate(self) -> None:
        """Ask it to end, as a supervisor of processes does."""
        self._running().send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        """How it ended, once it did; fails when that takes longer than promised."""
        try:
            code = self._running().wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServiceFailed(f"still running {STOP_SECONDS:.0f} s after SIGTERM\n{self.log}") from None
        self._close_log()
        return code

    def stop(self) -> None:
        """Ask it to end; fails unless it does so in time and with exit code 0."""
        self._close_client()
        if self._running().poll() is None:
            self.terminate()
        code = self.exit_code()
        if code != 0:
            raise ServiceFailed(f"exit code {code} after SIGTERM\n{self.log}")

    def kill(self, *others: int) -> None:
        """End it at once, whatever it is doing, and these processes with it."""
        self._close_client()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            for other in others:
                with suppress(ProcessLookupError):
                    os.kill(other, signal.SIGKILL)
            self._process.wait(10)
        self._close_log()

    def ends_by_itself(self, seconds: float = START_SECONDS) -> int:
        """Start it where it must refuse to, and return its exit code."""
        try:
            self.start()
        except ServiceFailed:
            return self.exit_code()
        self.kill()
        raise ServiceFailed(f"it started, though it should have refused to\n{self.log}")

    def _begun(self, environ: dict[str, str]) -> subprocess.Popen[bytes] | Forked:
        if self._nursery is not None:
            return self._nursery.start(["serve"], folder=self._folder, env=environ, out=self._log_path)
        command = [sys.executable, "-m", PROGRAM, "serve"]
        self._log = self._log_path.open("ab")
        return subprocess.Popen(command, cwd=self._folder, env=environ, stdout=self._log, stderr=self._log)

    def _environment(self) -> dict[str, str]:
        environ = bare_environment() | {
            "OUTCRY_HOST": "127.0.0.1",
            "OUTCRY_PORT": str(self.port),
            "DATABASE_URL": self._database_url,
            "ENCRYPTION_KEYS": self.encryption_key,
        }
        if self._config is not None:
            path = self._folder / "providers.json"
            path.write_text(json.dumps(self._config, indent=2))
            environ["OUTCRY_CONFIG"] = str(path)
        # An empty value takes a variable away again.
        return {name: value for name, value in (environ | self._env).items() if value}

    def _until_ready(self, begun: int) -> None:
        """`begun` is how many workers its log knows of earlier starts."""
        process = self._running()
        end = time.monotonic() + START_SECONDS
        last = "no answer"
        workers = int(self._env.get("OUTCRY_WORKERS", "1"))
        # Who answers a connection is anybody's guess: it must be said often enough for all to have said it.
        said, wanted = 0, 1 if workers == 1 else 8 * workers
        with plain_client(self.base_url, seconds=2) as client:
            while time.monotonic() < end:
                if process.poll() is not None:
                    raise ServiceFailed(f"exit code {process.returncode} at start\n{self.log}")
                try:
                    answer = client.get("/health/ready", headers={"connection": "close"})
                except httpx.HTTPError as error:
                    last = repr(error)
                else:
                    said = said + 1 if answer.status_code == 200 else 0
                    if said >= wanted and (workers == 1 or self.log.count(BEGUN) >= begun + workers):
                        return
                    last = f"{answer.status_code} {answer.text[:500]}"
                if not 0 < said < wanted:
                    time.sleep(0.02)
        raise ServiceFailed(f"not ready after {START_SECONDS:.0f} s: {last}\n{self.log}")

    def _running(self) -> subprocess.Popen[bytes] | Forked:
        if self._process is None:
            raise ServiceFailed("not started")
        return self._process

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


def bare_environment() -> dict[str, str]:
    """What every gateway's environment begins with."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return inherited | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def plain_client(base_url: str, *, seconds: float = 30) -> httpx.Client:
    """A client for plain HTTP: it reads no proxy variables, and no certificates, which take 20 ms of CPU each time."""
    return httpx.Client(base_url=base_url, timeout=seconds, trust_env=False, verify=False)


def new_encryption_key() -> str:
    """A fresh Fernet key."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
