"""What was said, apart from the rows that say that it was."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, LargeBinary, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import UTCDateTime


class PayloadRow(SQLModel, table=True):
    """One content of one subject (a decision's id); the hash stays when the content goes."""

    __tablename__ = "payloads"

    subject: str = Field(sa_column=Column(String(64), primary_key=True))
    part: str = Field(sa_column=Column(String(16), primary_key=True))
    form: str = Field(sa_column=Column(String(16), nullable=False))
    sha256: str = Field(sa_column=Column(String(64), nullable=False))
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    content: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    key_id: str | None = Field(default=None, sa_column=Column(String(8), nullable=True))
    erased_at: datetime | None = Field(default=None, sa_column=Column(UTCDateTime, nullable=True))
    erased_by: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    erased_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


PAYLOADS: Any = SQLModel.metadata.tables["payloads"]

# What is to be erased by age is looked for among what still has content.
Index(
    "ix_payloads_created_at",
    PAYLOADS.c.created_at,
    sqlite_where=PAYLOADS.c.content.is_not(None),
    postgresql_where=PAYLOADS.c.content.is_not(None),
)
