"""This process's chain: entries are linked and stored by the transaction that does what they are about.

Whatever a transaction puts on record is linked last of all, right before its commit, and nobody else's is linked until
that has returned. So two sessions never take the same place, what is rolled back leaves no gap, and a lock on the chain
never waits for one in the database. The end of the chain is known by heart: no query asks for it.

When a commit was cut off, nobody knows whether the chain has its entries. It is left as it is, whole either way, and
the next entry begins a chain of its own, which names it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, Final

import anyio
from sqlalchemy import insert, select
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncSession

from app import __version__
from app.domain.audit import GATEWAY, Entry, Head, Kind, Link
from app.ledger.chain import linked
from app.storage.columns import storable
from app.storage.sheaf import Sheaf, flush, lay_in_sqlite, sheaf_of
from app.storage.tables import AUDIT_CHAINS, AUDIT_CHECKPOINTS, AUDIT_ENTRIES, AUDIT_PAYLOADS

Transact = Callable[[Callable[[sqlite3.Connection], None]], Awaitable[None]]
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
        sheaf_of(session).entries.extend(entry for entry in entries if entry is not None)

    @asynccontextmanager
    async def committing(self, session: AsyncSession) -> AsyncGenerator[None]:
        """Around the commit of a transaction: its entries are stored on entering, and part of the chain afterwards."""
        sheaf = sheaf_of(session)
        if not sheaf.entries:
            await flush(session)
            yield
            return
        entries, sheaf.entries = sheaf.entries, []
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
                self._leave()
                raise
            self._head = head
            self._appended += len(entries)

    async def commit_in_sqlite(self, sheaf: Sheaf, dialect: Dialect, transact: Transact) -> None:
        """Have all of a sheaf committed by one function in SQLite's thread; the chain must have begun.

        Everything is in the driver's form when the thread hears of it, which would only share this one's processor.
        """
        async with self._turn:
            if self._head is None:
                raise AssertionError("a chain begins in a session")
            links, head = _links(sheaf.entries, self._head.chain, self._head, self._now())
            script = sheaf.script(dialect) + links.script(dialect)
            is_laid = False

            def work(connection: sqlite3.Connection) -> None:
                nonlocal is_laid
                lay_in_sqlite(connection, sheaf.demands, script)
                is_laid = True

            try:
                await transact(work)
            except Exception:
                # What fails before its commit is undone, and the chain goes on as if it had never been.
                if is_laid:
                    self._leave()
                raise
            except BaseException:
                self._leave()
                raise
            self._head = head
            self._appended += len(sheaf.entries)

    def _leave(self) -> None:
        """Begin another with the next entry: nobody knows how this one ends."""
        self._left, self._head = self._head or self._left, None

    def _now(self) -> datetime:
        return self._wall().astimezone(UTC)

    async def _store(self, session: AsyncSession, entries: Sequence[Entry]) -> Head:
        now, before = self._now(), self._head
        chain = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(6)}" if before is None else before.chain
        if before is None:
            await session.execute(insert(AUDIT_CHAINS).values(chain=chain, begun_at=now, sealed=0))
            entries = [await self._beginning(session, chain), *entries]
        links, head = _links(entries, chain, before, now)
        if head is None:
            raise AssertionError("a chain has its beginning")
        sheaf_of(session).take(links)
        await flush(session)
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


def _links(entries: Sequence[Entry], chain: str, head: Head | None, now: datetime) -> tuple[Sheaf, Head | None]:
    """The rows of these entries, linked to what is there, and where the chain ends with them."""
    at = f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
    links: list[dict[str, Any]] = []
    payloads: list[dict[str, Any]] = []
    for entry in entries:
        subject, by = storable(entry.subject), storable(entry.by)
        if (subject, by) != (entry.subject, entry.by):
            entry = replace(entry, subject=subject, by=by)  # noqa: PLW2901
        link, text = linked(entry, chain, head, at)
        links.append({name: getattr(link, name) for name in _LINK})
        if text is not None:
            payloads.append({"chain": chain, "seq": link.seq, "body": text})
        head = Head(chain, link.seq, link.hash)
    rows = Sheaf()
    rows.put(AUDIT_ENTRIES, links)
    rows.put(AUDIT_PAYLOADS, payloads)
    return rows, head
