"""Usage records on disk while the database is away: appended as lines, replayed in batches, capped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from app.domain.attempt import AttemptRecord

_RECORD: TypeAdapter[AttemptRecord] = TypeAdapter(AttemptRecord)


class Spill:
    """A file of this process's own beside those that earlier processes left behind. Blocks; call it from a thread.

    A batch is on disk (fsync) when `append` returns. `max_bytes` bounds the file; what does not fit is refused.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path.with_name(f"{path.stem}.{os.getpid()}{path.suffix}")
        self._pattern = f"{path.stem}.*{path.suffix}"
        self._max_bytes = max_bytes

    def append(self, records: Sequence[AttemptRecord]) -> int:
        """Write what fits; returns how many records are on disk now."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with self._path.open("ab") as file:
            for record in records:
                line = _RECORD.dump_json(record) + b"\n"
                if file.tell() + len(line) > self._max_bytes:
                    break
                file.write(line)
                written += 1
            file.flush()
            os.fsync(file.fileno())
        return written

    def waiting(self) -> list[Path]:
        """The files to replay: our own, and those of processes that are gone."""
        return [path for path in sorted(self._path.parent.glob(self._pattern)) if self._is_ours(path)]

    def batches(self, path: Path, size: int) -> Iterator[list[AttemptRecord]]:
        """What a file holds; a line that a crash cut short is passed over."""
        batch: list[AttemptRecord] = []
        with path.open("rb") as file:
            for line in file:
                try:
                    batch.append(_RECORD.validate_json(line))
                except ValidationError:
                    continue
                if len(batch) >= size:
                    yield batch
                    batch = []
        if batch:
            yield batch

    def _is_ours(self, path: Path) -> bool:
        pid = path.suffixes[-2].lstrip(".") if len(path.suffixes) > 1 else ""
        return path == self._path or (pid.isdigit() and not _is_alive(int(pid)))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
