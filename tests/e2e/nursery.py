"""Gateways by fork from a process that has imported them already: the imports are four fifths of a start's CPU time.

`Nursery` is the tests' side, `main` the process's: a line of JSON in for each thing that is asked, one out.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

PROGRAM = "app.cli"
# What the program imports only once it serves.
LATER = (
    "aiosqlite",
    "app.main",
    "asyncpg",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvloop",
)


class Nursery:
    """Starts `python -m app.cli ...` as a process of its own, in a third of a second of CPU time instead of two.

    Its workers, where it has any, are forked from it in turn, which a Python of its own would spawn.

    Two processes are forked from in turn, so that neither replicas nor one and its restart share the seed of Python's
    hashes: what must not depend on it would pass otherwise.
    """

    def __init__(self, parents: Sequence[subprocess.Popen[bytes]]) -> None:
        self._turns = itertools.cycle(parents)

    def start(
        self, arguments: Sequence[str], *, folder: Path, env: Mapping[str, str], out: Path, err: Path | None = None
    ) -> Forked:
        """The running process; what it prints is appended to `out`, what it complains of to `err`, if there is one."""
        parent = next(self._turns)
        files = {"out": str(out), "err": str(err or out)}
        return Forked(
            parent, _answer(parent, {"arguments": arguments, "folder": str(folder), "env": dict(env), **files})
        )


class Forked:
    """One forked process, with what the tests use of a `Popen`."""

    def __init__(self, parent: subprocess.Popen[bytes], pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._parent = parent
        self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Its exit code, negative when a signal ended it; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        """The same once it has ended; TimeoutExpired after so many seconds."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(PROGRAM, timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float) -> int | None:
        if self.returncode is None and select.select([self._descriptor], [], [], seconds)[0]:
            self.returncode = _answer(self._parent, {"ended": self.pid})
            os.close(self._descriptor)
        return self.returncode


@contextmanager
def nursery(env: Mapping[str, str]) -> Iterator[Nursery]:
    """A nursery whose processes were started with this environment; each gateway gets one of its own."""
    command = [sys.executable, "-m", "tests.e2e.nursery"]
    with ExitStack() as stack:
        yield Nursery([stack.enter_context(_parent(command, env)) for _ in range(2)])


def is_possible() -> bool:
    """Whether this system can do it: Linux can."""
    return hasattr(os, "pidfd_open")


@contextmanager
def _parent(command: list[str], env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        yield parent
        assert parent.stdin is not None
        parent.stdin.close()  # which ends it


def _answer(parent: subprocess.Popen[bytes], question: dict[str, Any]) -> int:
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(json.dumps(question).encode() + b"\n")
    parent.stdin.flush()
    return int(parent.stdout.readline())


def main(orders: IO[bytes]) -> None:
    """Fork whenever asked to, until there is nobody to ask; the forked process ends in it."""
    program = importlib.import_module(PROGRAM)
    for name in LATER:
        importlib.import_module(name)
    _fork_workers()
    gc.collect()
    gc.freeze()  # or the first collection of each child copies every page
    for line in orders:
        order = json.loads(line)
        if "ended" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["ended"], 0)[1])
        elif (answer := os.fork()) == 0:
            _become(order)
            # As after `python -m app.cli`; multiprocessing looks there for what its children have to import.
            sys.modules["__main__"] = program
            sys.exit(program.app())
        print(answer, flush=True)


def _fork_workers() -> None:
    """Have uvicorn fork its workers, too. What spawned ones decide as they import, these decide once they are there."""
    importlib.import_module("uvicorn._subprocess").spawn = multiprocessing.get_context("fork")  # type: ignore[attr-defined]
    values = importlib.import_module("prometheus_client.values")

    def begun() -> None:
        values.ValueClass = values.get_value_class()  # type: ignore[attr-defined]

    os.register_at_fork(after_in_child=begun)


def _become(order: dict[str, Any]) -> None:
    adds = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    files = ((os.devnull, os.O_RDONLY), (order["out"], adds), (order["err"], adds))
    for number, (path, flags) in enumerate(files):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    sys.argv = [PROGRAM, *order["arguments"]]


if __name__ == "__main__":
    # Not through `sys.stdin`, whose buffer the forked ones would share.
    with open(0, "rb", closefd=False) as read:
        main(read)
