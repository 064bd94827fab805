"""Registered tools in the database; the values of their headers are ciphertext there and SecretStr outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.domain.audit import THE_GATEWAY, Author, change
from app.domain.errors import Conflict
from app.domain.tools import Tool
from app.ledger.changes import tool_fields
from app.storage.columns import storable
from app.storage.database import Database, reads, writes
from app.storage.errors import Undecryptable
from app.storage.revision import count_up, current_revision
from app.storage.tables import ToolRow
from app.storage.vault import Vault, tool_binding


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlToolRepository:
    """Tools by name. Every change counts the configuration's revision up in the same transaction."""

    def __init__(self, database: Database, vault: Vault, wall: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._vault = vault
        self._wall = wall

    @writes
    async def create(self, session: AsyncSession, tool: Tool, *, by: Author = THE_GATEWAY) -> Tool:
        """Store a new tool; raises Conflict when its name is taken."""
        await count_up(session, self._database)
        if await _row(session, tool.name) is not None:
            raise Conflict(f"a tool is already called {tool.name!r}", param="name")
        now = self._wall()
        row = ToolRow(
            name=tool.name,
            description=tool.description,
            parameters=dict(tool.parameters),
            url=tool.url,
            timeout=tool.timeout,
            header_names=list(tool.headers),
            enabled=tool.enabled,
            created_at=now,
            updated_at=now,
            **self._sealed(tool),
        )
        session.add(row)
        await session.flush()
        created = change(f"tool:{tool.name}", by, what="tool_created", before=None, after=tool_fields(tool))
        self._database.chain.append(session, created)
        names = tuple(tool.headers)
        return replace(tool, id=row.id or 0, header_names=names, created_at=now, updated_at=now)

    @reads
    async def get(self, session: AsyncSession, name: str) -> Tool | None:
        row = await _row(session, storable(name))
        return None if row is None else self._tool(row)

    @reads
    async def page(self, session: AsyncSession, *, limit: int, after: int = 0) -> list[Tool]:
        wanted = select(ToolRow).where(col(ToolRow.id) > after).order_by(col(ToolRow.id)).limit(limit)
        return [self._tool(row) for row in await session.scalars(wanted)]

    @writes
    async def delete(self, session: AsyncSession, name: str, *, by: Author = THE_GATEWAY) -> bool:
        await count_up(session, self._database)
        row = await _row(session, storable(name))
        if row is None:
            await session.rollback()
            return False
        fields = tool_fields(self._tool(row))
        self._database.chain.append(
            session, change(f"tool:{row.name}", by, what="tool_deleted", before=fields, after=None)
        )
        await session.delete(row)
        return True

    @reads
    async def everything(self, session: AsyncSession) -> tuple[int, list[Tool]]:
        """The revision and all tools, which are at least as new."""
        revision = await current_revision(session)
        rows = await session.scalars(select(ToolRow).order_by(col(ToolRow.id)))
        return revision, [self._tool(row) for row in rows]

    def _sealed(self, tool: Tool) -> dict[str, Any]:
        if not tool.headers:
            return {"headers_encrypted": None, "key_id": None}
        plain = {name: value.get_secret_value() for name, value in tool.headers.items()}
        sealed = SecretStr(orjson.dumps(plain).decode())
        ciphertext, key_id = self._vault.encrypt(sealed, binding=tool_binding(tool.name, _origin(tool.url)))
        return {"headers_encrypted": ciphertext, "key_id": key_id}

    def _opened(self, row: ToolRow) -> Mapping[str, SecretStr] | None:
        """The headers; None where they cannot be read."""
        if row.headers_encrypted is None:
            return {}
        try:
            opened = self._vault.decrypt(row.headers_encrypted, binding=tool_binding(row.name, _origin(row.url)))
        except Undecryptable:
            return None
        return {name: SecretStr(value) for name, value in orjson.loads(opened.get_secret_value()).items()}

    def _tool(self, row: ToolRow) -> Tool:
        headers = self._opened(row)
        return Tool(
            id=row.id or 0,
            name=row.name,
            description=row.description,
            parameters=row.parameters,
            url=row.url,
            timeout=row.timeout,
            headers=headers or {},
            header_names=tuple(row.header_names),
            undecryptable=headers is None,
            enabled=row.enabled,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


async def _row(session: AsyncSession, name: str) -> ToolRow | None:
    return (await session.scalars(select(ToolRow).where(col(ToolRow.name) == name))).first()


def _origin(url: str) -> str:
    """What the headers are stored for: they open for no other scheme, host or port."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"
