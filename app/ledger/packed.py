"""A cassette's file, packed with gzip or plain: which of both it is shows in its first bytes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from app.ledger.cassette import BadCassette

PACKED: Final = ".gz"
"""How a file's name ends that is written packed."""

_MAGIC: Final = b"\x1f\x8b"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The lines of a cassette, unpacked as they are read. Raises BadCassette where the packing is broken."""
    with path.open("rb") as file:
        is_packed = file.read(len(_MAGIC)) == _MAGIC
        file.seek(0)
        if not is_packed:
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast("BinaryIO", unpacked)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BadCassette(f"the file is no whole gzip: {error}") from None


@contextmanager
def written(path: Path, *, is_packed: bool) -> Iterator[BinaryIO]:
    """A new file to write a cassette to; packed, the same lines always give the same bytes."""
    with path.open("wb") as file:
        if not is_packed:
            yield file
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) as packing:
            yield cast("BinaryIO", packing)
