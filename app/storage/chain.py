"""This process's chain: entries are linked and stored by the transaction that does what they are about.

Whatever a transaction puts on record is linked last of all, right before its commit, and nobody else's is linked until
that has returned. So two sessions never take the same place, what is rolled back leaves no gap, and a lock on the chain
never waits for one in the database. The end of the chain is known by heart: no query asks for it.

When a commit was cut off, nobody knows whether the chain has its entries. It is left as it is, whole either way, and
the next entry begins a chain of its own, which names it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Final

import anyio
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import __version__
from app.domain.audit import GATEWAY, Entry, Head, Kind, Link
from app.ledger.chain import linked
from app.storage.columns import storable
from app.storage.sheaf import flush, put
from app.storage.tables import AUDIT_CHAINS, AUDIT_CHECKPOINTS, AUDIT_ENTRIES, AUDIT_PAYLOADS

_ENTRIES: Final = "outcry_entries"
_LINK: Final = tuple(Link.__dataclass_fields__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Chain:
    """The one chain of one process, begun with its first entry."""

    def __init__(self, wall: Callable[[], datetime] = _utc_now) -> None:
        self._wall = wall
        self._turn = anyio.Lock(fast_acquire=True)
        self._head: Head | None = None
        self._left: Head | None = None
        self._appended = 0

    @property
    def head(self) -> Head | None:
        """The last link that is certain to be stored; None before the first."""
        return self._head

    @property
    def appended(self) -> int:
        """How many entries this process has committed."""
        return self._appended

    def append(self, session: AsyncSession, *entries: Entry | None) -> None:
        """Put these on record with this transaction, in this order; a method that @writes may call it at any point.

        None is a change that changed nothing.

        Only whoever rolls back by himself and goes on, instead of raising, must not have called it before.
        """
        session.info.setdefault(_ENTRIES, []).extend(entry for entry in entries if entry is not None)

    @asynccontextmanager
    async def committing(self, session: AsyncSession) -> AsyncGenerator[None]:
        """Around the commit of a transaction: its entries are stored on entering, and part of the chain afterwards."""
        entries: list[Entry] = session.info.pop(_ENTRIES, [])
        if not entries:
            await flush(session)
            yield
            return
        # Who waits for a turn has what he needs of the database by then, so that whoever has the turn never waits.
        await session.flush()
        if (await session.connection()).dialect.name != "sqlite":
            # In SQLite whoever writes waits for nobody any more: his rows and his entries can go together.
            await flush(session)
        async with self._turn:
            head = await self._store(session, entries)
            try:
                yield
            except BaseException:
                self._left, self._head = self._head or self._left, None
                raise
            self._head = head
            self._appended += len(entries)

    async def _store(self, session: AsyncSession, entries: Sequence[Entry]) -> Head:
        now, head = self._wall().astimezone(UTC), self._head
        at = f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
        chain = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}" if head is None else head.chain
        if head is None:
            await session.execute(insert(AUDIT_CHAINS).values(chain=chain, begun_at=now, sealed=0))
            entries = [await self._beginning(session, chain), *entries]
        links: list[dict[str, Any]] = []
        payloads: list[dict[str, Any]] = []
        for entry in entries:
            entry = replace(entry, subject=storable(entry.subject), by=storable(entry.by))  # noqa: PLW2901
            link, text = linked(entry, chain, head, at)
            links.append({name: getattr(link, name) for name in _LINK})
            if text is not None:
                payloads.append({"chain": chain, "seq": link.seq, "body": text})
            head = Head(chain, link.seq, link.hash)
        put(session, AUDIT_ENTRIES, links)
        put(session, AUDIT_PAYLOADS, payloads)
        await flush(session)
        if head is None:
            raise AssertionError("a chain has its beginning")
        return head

    async def _beginning(self, session: AsyncSession, chain: str) -> Entry:
        """The first entry, which ties the chain to what was there before it."""
        number, digest = AUDIT_CHECKPOINTS.c.number, AUDIT_CHECKPOINTS.c.hash
        last = (await session.execute(select(number, digest).order_by(number.desc()).limit(1))).one_or_none()
        payload = {
            "checkpoint": None if last is None else {"number": last.number, "hash": last.hash},
            "follows": None if self._left is None else asdict(self._left),
            "version": __version__,
        }
        return Entry(Kind.START, f"chain:{chain}", GATEWAY, payload)
