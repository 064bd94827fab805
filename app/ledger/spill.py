"""The spill: lines that wait on disk while the database is away.

Each process appends to a file of its own beside the configured path, and holds a lock on it for as long as it lives.
A file whose lock is free was left by a process that died: whoever looks next adopts it.

A write is in the kernel when it returns, so that it survives `kill -9`; only `sync` makes it survive a power cut.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class SpillFile:
    """One locked file of lines. Whoever has it open is the only one to read or write it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def created(cls, stem: Path) -> SpillFile:
        """A new file beside the stem, locked by us. Raises OSError."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        # Created under another name: a file that others can see is never without its lock.
        hidden = stem.with_name(f".{stem.name}.{secrets.token_hex(6)}")
        path = stem.with_name(hidden.name[1:])
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(path)
            _sync_folder(stem.parent)
        except OSError:
            os.close(descriptor)
            for name in (hidden, path):
                name.unlink(missing_ok=True)
            raise
        return cls(path, descriptor)

    @classmethod
    def adopted(cls, path: Path) -> SpillFile | None:
        """The file of a process that is gone; None when its owner lives or another was faster."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return cls(path, descriptor)
        except OSError:
            pass
        os.close(descriptor)
        return None

    def append(self, content: bytes) -> None:
        """Add whole lines. Raises OSError; a part of a line that was written then is taken back."""
        try:
            written = os.write(self._descriptor, content)
            if written != len(content):
                raise OSError("the disk took only a part of a line")
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(content)

    def sync(self) -> None:
        """Return when the disk has what was appended."""
        os.fsync(self._descriptor)

    def batches(self, length: int, read: Callable[[bytes], T]) -> Iterator[list[T]]:
        """What `read` makes of the lines, in batches; those that a crash cut (ValueError) are left out."""
        batch: list[T] = []
        with self.path.open("rb") as lines:
            for line in lines:
                with suppress(ValueError):
                    batch.append(read(line))
                if len(batch) == length:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def remove(self) -> None:
        """Delete the file and let go of it."""
        with suppress(OSError):
            self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go of the file; what is in it waits for the next process."""
        os.close(self._descriptor)


class Spill:
    """Where lines go that the database does not take now. At most `max_bytes` wait in this process's files."""

    def __init__(self, stem: Path, max_bytes: int) -> None:
        self._stem = stem
        self._max_bytes = max_bytes
        self._active: SpillFile | None = None
        self._sealed: list[SpillFile] = []
        self._refusal = ""
        # The loop appends what overflows while a thread appends a batch.
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether nothing of ours waits."""
        return self._active is None and not self._sealed

    @property
    def refusal(self) -> str:
        """Why the last line that was refused was: what the system said, or that the size is reached."""
        return self._refusal

    @property
    def size(self) -> int:
        """Bytes that wait in this process's files."""
        # Without the lock: who looks must not wait for a thread that waits for the disk.
        return self._waiting()

    def refuses(self) -> str:
        """Why nothing could be written here, as far as can be told without writing; empty when it can."""
        folder = self._stem.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            return _told(error)
        return "" if os.access(folder, os.W_OK | os.X_OK) else "its folder cannot be written"

    def append(self, lines: Iterable[bytes], *, sync: bool = False) -> int:
        """Store as many of these as there is room for, and say how many; the rest are lost.

        When a `sync` that was asked for fails, none of them is on disk for good: then it says 0.
        """
        stored = 0
        with self._lock:
            try:
                for line in lines:
                    if not self._append(line):
                        break
                    stored += 1
            except OSError as error:
                self._refusal = _told(error)
            try:
                if stored and sync and self._active is not None:
                    self._active.sync()
            except OSError as error:
                self._refusal = _told(error)
                return 0
        return stored

    def seal(self) -> list[SpillFile]:
        """The files to replay now; what is appended from here on goes to a new one."""
        with self._lock:
            if self._active is not None:
                self._sealed.append(self._active)
                self._active = None
            return list(self._sealed)

    def done(self, file: SpillFile) -> None:
        """Everything in a sealed file is stored: delete it."""
        with self._lock:
            self._sealed.remove(file)
            file.remove()

    def adopt(self) -> None:
        """Take over what processes that are gone have left."""
        with self._lock:
            ours = {file.path for file in (*self._sealed, *([self._active] if self._active else []))}
            for path in sorted(self._stem.parent.glob(f"{self._stem.name}.*")):
                if path not in ours and (file := SpillFile.adopted(path)) is not None:
                    self._sealed.append(file)

    def close(self) -> None:
        """Let go of all files; they wait for the next process."""
        with self._lock:
            for file in (*self._sealed, *([self._active] if self._active else [])):
                file.close()
            self._sealed, self._active = [], None

    def _append(self, line: bytes) -> bool:
        if self._waiting() + len(line) > self._max_bytes:
            self._refusal = f"{self._max_bytes} bytes wait there, as many as may"
            return False
        if self._active is None:
            self._active = SpillFile.created(self._stem)
        self._active.append(line)
        return True

    def _waiting(self) -> int:
        active = self._active
        return sum(file.size for file in tuple(self._sealed)) + (active.size if active else 0)


def _told(error: OSError) -> str:
    return error.strerror or str(error)


def _sync_folder(folder: Path) -> None:
    """A new file's name is the folder's content: without this a power cut leaves a synced file that nobody finds."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
