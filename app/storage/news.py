"""What processes tell each other of providers' trouble: a row for what holds now, not for what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.news import About, News, NewsKind
from app.storage.bell import ring
from app.storage.clock import shared_clock
from app.storage.columns import storable
from app.storage.database import Database, reads, writes
from app.storage.leases import CHANNEL
from app.storage.tables import PROVIDER_NEWS

_N: Final = PROVIDER_NEWS.c
_KEYS: Final = ("kind", "provider", "model", "credential_id")
_MOST: Final = 10_000


class SqlNewsRepository:
    """One row per thing that is told of, from whoever said last how long it holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    async def heard(self, session: AsyncSession, origin: str) -> list[News]:
        """What the others say, the latest first; at most 10,000."""
        clock = await shared_clock(self._database, session)
        wanted = select(PROVIDER_NEWS).where(_N.origin != origin, _N.until > clock)
        rows = await session.execute(wanted.order_by(_N.said_at.desc()).limit(_MOST))
        return [_news_of(row, clock) for row in rows.mappings()]

    @writes
    async def say(self, session: AsyncSession, origin: str, news: Sequence[News]) -> None:
        """Tell the others, in this order. A reset takes back what was said before it."""
        clock = await shared_clock(self._database, session)
        await session.execute(delete(PROVIDER_NEWS).where(_N.until < clock))
        for one in sorted(news, key=lambda one: one.about.kind is not NewsKind.RESET):
            if one.about.kind is NewsKind.RESET:
                await session.execute(_taken_back(one.about))
            await self._put(session, origin, one, clock)
        await ring(self._database, session, CHANNEL)

    async def _put(self, session: AsyncSession, origin: str, one: News, clock: float) -> None:
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = dialect.insert(PROVIDER_NEWS).values(
            kind=one.about.kind.value,
            provider=one.about.provider,
            model=storable(one.about.model),
            credential_id=one.about.credential_id,
            origin=origin,
            said_at=clock,
            until=clock + one.seconds,
        )
        values = {name: row.excluded[name] for name in ("origin", "said_at", "until")}
        await session.execute(
            row.on_conflict_do_update(index_elements=_KEYS, set_=values, where=row.excluded["until"] > _N.until)
        )


def _taken_back(reset: About) -> Any:  # noqa: ANN401 - SQLAlchemy's Delete
    rows = delete(PROVIDER_NEWS).where(_N.provider == reset.provider, _N.kind != NewsKind.RESET.value)
    # Keys are the whole provider's.
    return rows.where(or_(_N.model == storable(reset.model), _N.model == "")) if reset.model else rows


def _news_of(row: Any, clock: float) -> News:  # noqa: ANN401 - a RowMapping, whose values have any type
    about = About(NewsKind(row["kind"]), row["provider"], row["model"], row["credential_id"])
    return News(about, row["until"] - clock, row["said_at"])
