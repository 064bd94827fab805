"""Column types that keep a moment and a decimal exact on SQLite and PostgreSQL alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Numeric, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


class WrittenJSON(str):
    """JSON that was written already: a column takes it as it is, so that its hash and it are written once."""

    __slots__ = ()


def json_text(value: Any) -> str:  # noqa: ANN401 - JSON
    """What a JSON column stores: the engine's serializer."""
    return value if type(value) is WrittenJSON else json.dumps(value)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment, kept in UTC with microseconds; SQLite has no zones, so that it stores the naive form."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        # What SQLAlchemy would do in four steps: a decision has fourteen moments.
        return _text_in_sqlite if dialect.name == "sqlite" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _text_in_sqlite(moment: datetime | None) -> str | None:
    """A moment as SQLAlchemy's own type writes it there."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a moment without a time zone")
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:26]


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal with every digit it came with: NUMERIC without a scale, text in SQLite, whose numbers are floats."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        if value is None:
            return None
        if not value.is_finite():
            raise ValueError("a decimal that is not finite")
        return format(value, "f") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Decimal | str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else Decimal(value)


def storable(text: str) -> str:
    """Text that PostgreSQL takes: without NUL and lone surrogates."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
