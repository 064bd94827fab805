"""Outcomes in the database: versions of what became of a decision, each with its grades."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import THE_GATEWAY, Author, Entry, Kind
from app.domain.decision import Action
from app.domain.errors import NotFound
from app.domain.outcome import Basis, GradedOutcome, GradedVote, Horizon, HorizonState, Measured, Outcome, OutcomeKind
from app.domain.ports import Measure
from app.ledger.plain import plain
from app.storage.columns import storable
from app.storage.database import Database, reads, writes
from app.storage.states import PREFIX
from app.storage.tables import DECISIONS, GRADES, HORIZONS, OUTCOMES, VOTES
from app.storage.votes import grade_row, measured_in, vote_in

_O: Final = OUTCOMES.c
_H: Final = HORIZONS.c
_G: Final = GRADES.c
_OUTCOME: Final = tuple(Outcome.__dataclass_fields__)
_TEXTS: Final = ("id", "currency", "exit_reason", "source")
_MOST_OUTCOMES: Final = 100


class SqlOutcomeRepository:
    """Outcomes of decisions, one by one."""

    def __init__(self, database: Database, wall: Callable[[], datetime]) -> None:
        self._database = database
        self._wall = wall

    @writes
    async def record(
        self,
        session: AsyncSession,
        outcome: Outcome,
        measure: Measure,
        *,
        agent_id: int | None,
        by: Author = THE_GATEWAY,
    ) -> GradedOutcome:
        """Put an outcome on record and grade by it, as the next version where its id is known with another body."""
        basis = await _locked(session, outcome.decision_id, agent_id)
        said = cleaned(outcome)
        newest = (await newest_versions(session, [said.decision_id])).get((said.decision_id, said.id))
        if newest is not None and said == replace(newest, version=1):
            return (await _on_record(session, said.decision_id, said.id))[0]
        versioned = replace(said, version=1 if newest is None else newest.version + 1)
        graded = versioned, measure(basis, versioned)
        await write_outcomes(session, [graded], self._wall())
        self._database.chain.append(session, outcome_entry(*graded, by))
        written = (await _on_record(session, said.decision_id, said.id))[0]
        return replace(written, is_new=newest is None, is_changed=True)

    @reads
    async def of(
        self, session: AsyncSession, decision_id: str, agent_id: int | None
    ) -> tuple[Sequence[GradedOutcome], Horizon] | None:
        """The newest version of each outcome of a decision, the last observed first, and its horizon.

        None for one that is not there, or is another agent's.
        """
        if "\x00" in decision_id or not await _is_there(session, decision_id, agent_id, locks=False):
            return None
        row = (await session.execute(select(HORIZONS).where(_H.decision_id == decision_id))).mappings().one_or_none()
        if row is None:
            return await _on_record(session, decision_id), Horizon(HorizonState.NONE)
        horizon = Horizon(
            HorizonState(row["state"]),
            *(row[name] for name in ("reason", "length", "due_at", "latest_at", "expires_at")),
        )
        return await _on_record(session, decision_id), horizon


def cleaned(outcome: Outcome) -> Outcome:
    """The outcome with texts that a database takes."""
    texts = {name: getattr(outcome, name) for name in _TEXTS}
    fields: dict[str, Any] = {name: storable(text) for name, text in texts.items() if text is not None}
    return replace(outcome, **fields)


async def newest_versions(session: AsyncSession, decisions: Sequence[str]) -> dict[tuple[str, str], Outcome]:
    """The newest version of every outcome of these decisions, by decision and id."""
    wanted = select(OUTCOMES).where(_O.decision_id.in_(decisions)).order_by(_O.version)
    rows = (await session.execute(wanted)).mappings().all()
    return {(row["decision_id"], row["id"]): outcome_in(row) for row in rows}


async def write_outcomes(
    session: AsyncSession, outcomes: Sequence[tuple[Outcome, Measured | None]], now: datetime
) -> None:
    """Store these versions, at most one per decision, with a grade for each vote; the decisions are locked."""
    decisions = [outcome.decision_id for outcome, _ in outcomes]
    rows = {outcome.decision_id: _row(outcome, measured, now) for outcome, measured in outcomes}
    await session.execute(insert(OUTCOMES), list(rows.values()))
    wanted = select(VOTES.c.decision_id, VOTES.c.number, VOTES.c.action).where(VOTES.c.decision_id.in_(decisions))
    votes = (await session.execute(wanted)).mappings().all()
    grades = [grade_row(vote, vote["number"], vote["action"], rows[vote["decision_id"]]) for vote in votes]
    if grades:
        await session.execute(insert(GRADES), grades)
    await _choose(session, decisions)


def outcome_entry(outcome: Outcome, measured: Measured | None, by: Author) -> Entry:
    """What is put on record of an outcome: all that was said, and what every vote is graded by."""
    told = {"outcome": plain(outcome), "measured": plain(measured), "by": by.key_id, "request_id": by.request_id}
    return Entry(Kind.OUTCOME, f"{PREFIX}{outcome.decision_id}", by.key_id, told)


def outcome_in(row: Mapping[Any, Any]) -> Outcome:
    """The outcome of a row."""
    return Outcome(**{name: row[name] for name in _OUTCOME} | {"kind": OutcomeKind(row["kind"])})


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The one of a decision's outcomes that it is scored by; None where none of them may grade."""
    grading = [outcome for outcome in outcomes if outcome.may_grade]
    return max(grading, key=lambda one: (one.kind is OutcomeKind.REALIZED, one.observed_at, one.id), default=None)


async def _choose(session: AsyncSession, decisions: Sequence[str]) -> None:
    """Mark the outcome that each decision is scored by: a realized one before any other, then the last observed."""
    found = defaultdict[str, list[Outcome]](list)
    for (decision_id, _), outcome in (await newest_versions(session, decisions)).items():
        found[decision_id].append(outcome)
    await session.execute(update(OUTCOMES).where(_O.decision_id.in_(decisions), _O.counts).values(counts=False))
    for decision_id, outcomes in found.items():
        if (best := best_of(outcomes)) is None:
            continue
        chosen = (_O.decision_id == decision_id, _O.id == best.id, _O.version == best.version)
        await session.execute(update(OUTCOMES).where(*chosen).values(counts=True))


async def _locked(session: AsyncSession, decision_id: str, agent_id: int | None) -> Basis:
    """What the decision brings to its grades; nobody else writes its outcomes until the end. Raises NotFound."""
    if "\x00" in decision_id or not await _is_there(session, decision_id, agent_id, locks=True):
        raise NotFound(f"no decision {decision_id[:64]!r}")
    row = (await session.execute(select(HORIZONS).where(_H.decision_id == decision_id))).mappings().one()
    fields = {name: row[name] for name in Basis.__dataclass_fields__}
    return Basis(**fields | {"action": Action(row["action"])})


async def _is_there(session: AsyncSession, decision_id: str, agent_id: int | None, *, locks: bool) -> bool:
    wanted = select(DECISIONS.c.agent_id).where(DECISIONS.c.id == decision_id)
    row = (await session.execute(wanted.with_for_update() if locks else wanted)).one_or_none()
    return row is not None and agent_id in (None, row.agent_id)


async def _on_record(session: AsyncSession, decision_id: str, outcome_id: str | None = None) -> list[GradedOutcome]:
    wanted = select(OUTCOMES).where(_O.decision_id == decision_id).order_by(_O.version)
    if outcome_id is not None:
        wanted = wanted.where(_O.id == outcome_id)
    rows = {row["id"]: row for row in (await session.execute(wanted)).mappings().all()}
    newest = sorted(rows.values(), key=lambda row: (row["observed_at"], row["id"]), reverse=True)[:_MOST_OUTCOMES]
    votes = select(VOTES).where(VOTES.c.decision_id == decision_id).order_by(VOTES.c.number)
    cast = {row["number"]: vote_in(row) for row in (await session.execute(votes)).mappings().all()}
    grades = await _grades(session, decision_id, newest)
    found = []
    for row in newest:
        measured = measured_in(row)
        given = [
            GradedVote(cast[number], row["id"], row["version"], correct, *_figures(measured))
            for number, correct in grades[row["id"]]
        ]
        found.append(GradedOutcome(outcome_in(row), measured, tuple(given)))
    return found


async def _grades(
    session: AsyncSession, decision_id: str, outcomes: Sequence[Mapping[Any, Any]]
) -> Mapping[str, Sequence[tuple[int, bool | None]]]:
    found = defaultdict[str, list[tuple[int, bool | None]]](list)
    versions = tuple_(_G.outcome_id, _G.version).in_([(row["id"], row["version"]) for row in outcomes])
    wanted = select(GRADES).where(_G.decision_id == decision_id, versions).order_by(_G.number)
    for row in (await session.execute(wanted)).mappings().all():
        found[row["outcome_id"]].append((row["number"], row["correct"]))
    return found


def _figures(measured: Measured | None) -> tuple[float | None, float | None]:
    return (None, None) if measured is None else (measured.forward_return, measured.threshold)


def _row(outcome: Outcome, measured: Measured | None, now: datetime) -> dict[str, Any]:
    figures = dict(zip(("measured_return", "threshold"), _figures(measured), strict=True))
    return asdict(outcome) | {"kind": outcome.kind.value} | figures | {"recorded_at": now, "counts": False}
