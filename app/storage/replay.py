"""Runs in the database: takes written in batches, found by their question, read in the order they began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.replay import Run, Take, TakeKind, TakeOutcome
from app.storage.database import Database, reads, writes
from app.storage.tables import REPLAY_RUNS, REPLAY_TAKES

_R: Final = REPLAY_RUNS.c
_T: Final = REPLAY_TAKES.c
_FORGOTTEN_AT_ONCE: Final = 100


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlTakeRepository:
    """What was recorded. A run is there as long as something is recorded in it from time to time."""

    def __init__(self, database: Database, wall: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._wall = wall

    @writes
    async def append(self, session: AsyncSession, takes: Sequence[Take], lost: Mapping[tuple[str, str], int]) -> None:
        """Store takes, and count those that were lost; one that comes again, by its id, changes nothing."""
        known = set(await session.scalars(select(_T.id).where(_T.id.in_([take.id for take in takes]))))
        fresh = [take for take in takes if take.id not in known]
        sizes: Counter[tuple[str, str]] = Counter()
        for take in fresh:
            sizes[(take.owner, take.run)] += take.size
        for run in {*sizes, *lost}:
            await self._grow(session, run, sizes[run], lost.get(run, 0))
        if fresh:
            await session.execute(REPLAY_TAKES.insert(), [_row_of(take) for take in fresh])

    async def _grow(self, session: AsyncSession, run: tuple[str, str], size: int, lost: int) -> None:
        dialect, now = sqlite if self._database.is_sqlite else postgresql, self._wall()
        owner, name = run
        row = {"owner": owner, "name": name, "created_at": now, "written_at": now, "size": size, "lost": lost}
        statement = dialect.insert(REPLAY_RUNS).values(row)
        grown = {"written_at": now, "size": _R.size + size, "lost": _R.lost + lost}
        await session.execute(statement.on_conflict_do_update(index_elements=["owner", "name"], set_=grown))

    @reads
    async def nth(
        self,
        session: AsyncSession,
        owner: str,
        run: str,
        *,
        kind: TakeKind,
        member: str,
        keys: Sequence[str],
        n: int,
    ) -> tuple[Take | None, int]:
        """The n-th take of a question that can answer, from the first again after the last; and how many there are."""
        mine = (_T.owner == owner, _T.run == run, _T.key.in_(keys), _T.kind == kind.value, _T.member == member)
        usable = (*mine, _T.outcome != TakeOutcome.CANCELLED.value)
        count = await session.scalar(select(func.count()).select_from(REPLAY_TAKES).where(*usable)) or 0
        if not count:
            return None, 0
        wanted = select(REPLAY_TAKES).where(*usable).order_by(_T.began_at, _T.id).offset(n % count).limit(1)
        row = (await session.execute(wanted)).mappings().one_or_none()
        return (None if row is None else _take_of(row)), count

    @reads
    async def runs(self, session: AsyncSession, name: str | None = None) -> list[Run]:
        """The runs of this name, or all, the newest first."""
        wanted = select(REPLAY_RUNS).order_by(_R.written_at.desc(), _R.owner, _R.name)
        if name is not None:
            wanted = wanted.where(_R.name == name)
        return [Run(**row) for row in (await session.execute(wanted)).mappings()]

    @reads
    async def size(self, session: AsyncSession, owner: str, run: str) -> int:
        """Bytes of everything in a run, 0 for one that is not there."""
        return await session.scalar(select(_R.size).where(_R.owner == owner, _R.name == run)) or 0

    @reads
    async def count(self, session: AsyncSession, owner: str, run: str) -> int:
        """How many questions a run holds."""
        mine = select(func.count()).select_from(REPLAY_TAKES).where(_T.owner == owner, _T.run == run)
        return await session.scalar(mine) or 0

    @reads
    async def page(self, session: AsyncSession, owner: str, run: str, *, after: Take | None, limit: int) -> list[Take]:
        """Takes of a run in the order they began, those after one."""
        wanted = select(REPLAY_TAKES).where(_T.owner == owner, _T.run == run).order_by(_T.began_at, _T.id).limit(limit)
        if after is not None:
            is_later = (_T.began_at > after.began_at) | ((_T.began_at == after.began_at) & (_T.id > after.id))
            wanted = wanted.where(is_later)
        return [_take_of(row) for row in (await session.execute(wanted)).mappings()]

    @writes
    async def remove(self, session: AsyncSession, owner: str, run: str) -> None:
        """Delete a run with all that is in it."""
        await self._remove(session, owner, run)

    @writes
    async def forget(self, session: AsyncSession, before: datetime) -> int:
        """Delete runs that nothing was recorded in since this moment, a hundred at most; how many it were."""
        old = select(_R.owner, _R.name).where(_R.written_at < before).limit(_FORGOTTEN_AT_ONCE)
        found = [(owner, name) for owner, name in (await session.execute(old)).all()]
        for owner, name in found:
            await self._remove(session, owner, name)
        return len(found)

    async def _remove(self, session: AsyncSession, owner: str, run: str) -> None:
        await session.execute(delete(REPLAY_TAKES).where(_T.owner == owner, _T.run == run))
        await session.execute(delete(REPLAY_RUNS).where(_R.owner == owner, _R.name == run))


def _row_of(take: Take) -> dict[str, Any]:
    return {name: getattr(take, name) for name in _T.keys()}  # noqa: SIM118 - a collection of columns, not a dict


def _take_of(row: Any) -> Take:  # noqa: ANN401 - a row's mapping
    return Take(**{**row, "kind": TakeKind(row["kind"]), "outcome": TakeOutcome(row["outcome"])})
