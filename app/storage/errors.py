"""What storage itself can find wrong, and the one place that translates what drivers raise."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from app.domain.errors import Conflict, StorageUnavailable


class DatabaseUnusable(Exception):
    """The database can never work as it is: corrupt, read-only, not there. A start ends with it."""


class DatabaseDamaged(DatabaseUnusable, StorageUnavailable):
    """The database's file is damaged: at the start it is unusable, to callers it is unavailable."""


class WrongEncryptionKey(Exception):
    """Stored keys were encrypted under another key; `key_id` names the wanted one, never bytes of it."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"the stored keys need the encryption key {key_id}, which is not in ENCRYPTION_KEYS")
        self.key_id = key_id


class Undecryptable(Exception):
    """A ciphertext that none of the keys opens, or that was made for another row."""


class ValueRefused(ValueError):
    """The database can never take this value: trying again would not help."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what drivers raise into StorageUnavailable, Conflict or ValueRefused, without any value in the text."""
    try:
        yield
    except (IntegrityError, sqlite3.IntegrityError) as error:
        raise Conflict("a row of the same identity, or one that this row needs, changed meanwhile") from error
    except (DataError, sqlite3.DataError, OverflowError, UnicodeEncodeError) as error:
        raise ValueRefused(f"the database cannot store a value ({_reason(error)})") from error
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, sqlite3.Error, OSError) as error:
        if _is_damage(error):
            raise DatabaseDamaged(f"the database is damaged ({_reason(error)})") from error
        raise StorageUnavailable(f"the database is unavailable ({_reason(error)})") from error


def _is_damage(error: BaseException) -> bool:
    name = getattr(getattr(error, "orig", error), "sqlite_errorname", None) or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def _reason(error: BaseException) -> str:
    """The driver's own class of error: its texts may carry values."""
    while isinstance(inner := getattr(error, "orig", None) or error.__cause__, BaseException):
        error = inner
    return type(error).__name__
