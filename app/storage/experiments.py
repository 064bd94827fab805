"""Experiments in the database, and what is on record of their arms' completions."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.domain.attempt import AttemptKind, AttemptOutcome
from app.domain.audit import Author, change
from app.domain.errors import Conflict
from app.domain.experiment import Arm, ArmRequest, ArmRequests, Experiment, PromptTemplate, Traffic
from app.storage.columns import storable
from app.storage.cursors import cursor_at, older_than
from app.storage.database import Database, reads, writes
from app.storage.revision import count_up, current_revision
from app.storage.tables import ATTEMPTS, EXPERIMENTS, ExperimentRow

_A: Final = ATTEMPTS.c
_E: Final = EXPERIMENTS.c
_PAGE: Final = 2_000
"""Attempts that are read without giving way to anybody else."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlExperimentRepository:
    """Experiments by id. Every change counts the configuration's revision up and is on record, by whom."""

    def __init__(self, database: Database, wall: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._wall = wall

    @writes
    async def create(self, session: AsyncSession, experiment: Experiment) -> Experiment:
        # First of all: its row lock is why no other can slip in after the look.
        await count_up(session, self._database)
        await _check_free(session, experiment)
        made = replace(experiment, id=f"exp_{secrets.token_hex(8)}", created_at=self._wall())
        session.add(ExperimentRow(**_values(made)))
        self._on_record(session, "created", made.created_by, made, before=None, after=_told(made))
        return made

    @reads
    async def get(self, session: AsyncSession, experiment_id: str) -> Experiment | None:
        row = await session.get(ExperimentRow, storable(experiment_id))
        return None if row is None else _experiment(row)

    @reads
    async def page(
        self, session: AsyncSession, *, limit: int, cursor: str | None, agent_id: int | None
    ) -> tuple[list[Experiment], str | None]:
        """The newest first, and the cursor of what comes after."""
        wanted = select(ExperimentRow).order_by(_E.created_at.desc(), _E.id.desc()).limit(limit + 1)
        if agent_id is not None:
            wanted = wanted.where(col(ExperimentRow.agent_id) == agent_id)
        if cursor is not None:
            wanted = wanted.where(older_than(cursor, _E.created_at, _E.id))
        rows = list(await session.scalars(wanted))
        found = [_experiment(row) for row in rows[:limit]]
        following = cursor_at(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None
        return found, following

    @writes
    async def stop(self, session: AsyncSession, experiment_id: str, by: str) -> Experiment | None:
        """The experiment, stopped: now, or when it was."""
        await count_up(session, self._database)
        row = await session.get(ExperimentRow, storable(experiment_id))
        before = None if row is None else _experiment(row)
        if row is None or before is None or not before.is_running:
            await session.rollback()
            return before
        row.stopped_at, row.stopped_by = self._wall(), by
        stopped = _experiment(row)
        self._on_record(session, "stopped", by, stopped, before=_told(before), after=_told(stopped))
        return stopped

    @writes
    async def delete(self, session: AsyncSession, experiment_id: str, by: str) -> bool:
        """Whether it was there; what its arms did stays on record under their names."""
        await count_up(session, self._database)
        row = await session.get(ExperimentRow, storable(experiment_id))
        if row is None:
            await session.rollback()
            return False
        gone = _experiment(row)
        await session.delete(row)
        self._on_record(session, "deleted", by, gone, before=_told(gone), after=None)
        return True

    @reads
    async def everything(self, session: AsyncSession) -> tuple[int, list[Experiment]]:
        revision = await current_revision(session)
        running = select(ExperimentRow).where(col(ExperimentRow.stopped_at).is_(None))
        rows = await session.scalars(running.order_by(col(ExperimentRow.created_at), col(ExperimentRow.id)))
        return revision, [_experiment(row) for row in rows]

    def _on_record(
        self,
        session: AsyncSession,
        what: str,
        by: str,
        experiment: Experiment,
        *,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        done = change(f"experiment:{experiment.id}", Author(by), what=f"experiment_{what}", before=before, after=after)
        self._database.chain.append(session, done)


class SqlArmRecords:
    """Completions by the arm that they belong to, a page of attempts at a time."""

    def __init__(self, database: Database, page: int = _PAGE) -> None:
        self._database = database
        self._length = page

    async def requests(self, variant: str) -> AsyncGenerator[ArmRequests]:
        """A caller who repeats a request id makes one request; what the cache answered is none."""
        after: str | None = None
        while True:
            rows = await self._page(variant, after)
            groups = [(key, list(group)) for key, group in groupby(rows, key=lambda row: row["request_id"])]
            # The last request of a full page may go on in the next; one that fills a page by itself is cut off there.
            whole = groups[:-1] if len(rows) == self._length and len(groups) > 1 else groups
            yield [request for _, group in whole if (request := _request(group)) is not None]
            if len(rows) < self._length:
                return
            after = whole[-1][0]

    @reads
    async def _page(self, session: AsyncSession, variant: str, after: str | None) -> Sequence[Mapping[Any, Any]]:
        wanted = (
            select(_A.request_id, _A.kind, _A.outcome, _A.duration, _A.cost_usd, _A.usage_source)
            .where(_A.variant == variant, _A.decision_id.is_(None))
            .where(_A.outcome != AttemptOutcome.CACHED.value)
            .order_by(_A.request_id)
            .limit(self._length)
        )
        if after is not None:
            wanted = wanted.where(_A.request_id > after)
        return (await session.execute(wanted)).mappings().all()


def _request(attempts: Iterable[Mapping[Any, Any]]) -> ArmRequest | None:
    """The request of these attempts; None for one that its caller broke off, which says nothing of an arm."""
    rows = list(attempts)
    is_answered = any(row["outcome"] == AttemptOutcome.OK for row in rows)
    if not is_answered and any(row["outcome"] == AttemptOutcome.CANCELLED for row in rows):
        return None
    return ArmRequest(
        is_answered,
        sum(row["duration"] for row in rows if row["kind"] != AttemptKind.HEDGE),
        sum((row["cost_usd"] for row in rows if row["cost_usd"] is not None), Decimal(0)),
        any(row["cost_usd"] is None and row["usage_source"] is not None for row in rows),
    )


async def _check_free(session: AsyncSession, wanted: Experiment) -> None:
    """Raises Conflict where a running experiment of the agent splits the same traffic."""
    of_agent = select(ExperimentRow).where(
        col(ExperimentRow.agent_id) == wanted.agent_id, col(ExperimentRow.stopped_at).is_(None)
    )
    for row in await session.scalars(of_agent):
        both = sorted({traffic.value for traffic in wanted.applies_to} & set(row.applies_to))
        if both:
            raise Conflict(
                f"the experiment {row.id} already splits {' and '.join(both)} of agent {wanted.agent_id}",
                param="agent_id",
            )


def _values(experiment: Experiment) -> dict[str, Any]:
    return {
        "id": experiment.id,
        "name": storable(experiment.name),
        "agent_id": experiment.agent_id,
        "arms": [
            {
                "name": arm.name,
                "share": arm.share,
                "config_id": arm.config_id,
                "language": arm.language,
                "template": None if arm.template is None else arm.template.value,
            }
            for arm in experiment.arms
        ],
        "sticky_by": storable(experiment.sticky_by),
        "applies_to": [traffic.value for traffic in experiment.applies_to],
        "shadow": [storable(name) for name in experiment.shadow],
        "created_at": experiment.created_at,
        "created_by": experiment.created_by,
        "stopped_at": experiment.stopped_at,
        "stopped_by": experiment.stopped_by,
    }


def _told(experiment: Experiment) -> dict[str, Any]:
    """What the record says of it."""
    told = _values(experiment)
    moments = ("created_at", "stopped_at")
    return told | {name: None if told[name] is None else told[name].isoformat() for name in moments}


def _experiment(row: ExperimentRow) -> Experiment:
    return Experiment(
        name=row.name,
        agent_id=row.agent_id,
        arms=tuple(_arm(stored) for stored in row.arms),
        sticky_by=row.sticky_by,
        applies_to=tuple(Traffic(word) for word in row.applies_to),
        shadow=tuple(row.shadow),
        id=row.id,
        created_at=row.created_at,
        created_by=row.created_by,
        stopped_at=row.stopped_at,
        stopped_by=row.stopped_by,
    )


def _arm(stored: Mapping[str, Any]) -> Arm:
    template = stored["template"]
    return Arm(
        stored["name"],
        stored["share"],
        stored["config_id"],
        stored["language"],
        None if template is None else PromptTemplate(template),
    )
