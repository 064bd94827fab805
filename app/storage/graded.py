"""What became of decisions, as their rows have it, compared with what is on record: outcomes, votes and grades.

An outcome is on record itself. Votes, and what grades start from, follow from the decision's answer and request, whose
hashes are on record; grades follow from all of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import InvalidOperation
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.casting import basis_of
from app.ledger.plain import plain
from app.storage.outcomes import best_of, outcome_in
from app.storage.tables import DECISIONS, GRADES, HORIZONS, OUTCOMES, VOTES
from app.storage.votes import basis_row, grade_row, measured_in, vote_rows

_D: Final = DECISIONS.c
_AT_ONCE: Final = 400
_GARBLED: Final = "what is stored of what became of it cannot be read"
_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, InvalidOperation, OverflowError)


@dataclass(slots=True)
class _Case:
    """A decision, and the rows about it."""

    decision: Mapping[Any, Any] | None = None
    outcomes: list[Mapping[Any, Any]] = field(default_factory=list)
    votes: list[Mapping[Any, Any]] = field(default_factory=list)
    grades: list[Mapping[Any, Any]] = field(default_factory=list)
    starts: list[Mapping[Any, Any]] = field(default_factory=list)

    def about(self, told: Mapping[str, Any]) -> str | None:
        """What is wrong with the outcome that was told so."""
        said = told["outcome"]
        same = [row for row in self.outcomes if (row["id"], row["version"]) == (said["id"], said["version"])]
        if not same:
            return "the outcome it is about is gone"
        if (plain(outcome_in(same[0])), plain(measured_in(same[0]))) != (said, told["measured"]):
            return "the outcome it is about was changed"
        return None

    def about_the_rest(self) -> str | None:
        """What is wrong with what follows from outcomes that are in order."""
        if self._chosen != [(row["id"], row["version"]) for row in self.outcomes if row["counts"]]:
            return "another outcome is said to count"
        return self._about_grades()

    @property
    def _chosen(self) -> list[tuple[str, int]]:
        newest = {row["id"]: outcome_in(row) for row in sorted(self.outcomes, key=lambda row: row["version"])}
        best = best_of(list(newest.values()))
        return [] if best is None else [(best.id, best.version)]

    def _about_grades(self) -> str | None:
        if self.decision is None:
            return None
        decision = dict(self.decision)
        made, answer = (decision["decision_id"], decision["decided_at"]), decision["answer"]
        basis = basis_row(basis_of(*made, answer, decision.pop("request")))
        if basis not in [{name: row[name] for name in basis} for row in self.starts]:
            return "what its grades start from was changed"
        cast = {vote["number"]: vote for vote in vote_rows(**decision)}
        if cast != {vote["number"]: dict(vote) for vote in self.votes}:
            return "the votes that it grades were changed"
        due = [grade_row(vote, number, vote["action"], row) for row in self.outcomes for number, vote in cast.items()]
        stored = [dict(grade) for grade in self.grades]
        return None if _ordered(due) == _ordered(stored) else "the grades that follow from it were changed"


async def amiss(session: AsyncSession, told: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[int, str]]:
    """By decision, which of the outcomes that were told of it have something wrong with them: its place, and what."""
    found: dict[str, dict[int, str]] = {}
    ids = sorted(told)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        cases: Mapping[str, _Case | None]
        try:
            cases = await _cases(session, some)
        except _UNREADABLE:
            # Somebody wrote what no row can hold: which one it was shows one by one.
            cases = {one: await _readable(session, one) for one in some}
        for one in some:
            found[one] = _wrong(cases[one], told[one])
    return found


async def _readable(session: AsyncSession, decision_id: str) -> _Case | None:
    try:
        return (await _cases(session, [decision_id]))[decision_id]
    except _UNREADABLE:
        return None


def _wrong(case: _Case | None, told: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    if case is None:
        return {0: _GARBLED}
    try:
        reasons = {place: reason for place, each in enumerate(told) if (reason := case.about(each)) is not None}
        rest = None if reasons else case.about_the_rest()
    except _UNREADABLE:
        return {0: _GARBLED}
    return reasons if rest is None else {0: rest}


async def _cases(session: AsyncSession, ids: Sequence[str]) -> dict[str, _Case]:
    cases = defaultdict[str, _Case](_Case, {one: _Case() for one in ids})
    made = (_D.id.label("decision_id"), _D.created_at.label("decided_at"))
    columns = (*made, _D.symbol, _D.agent_id, _D.answer, _D.request)
    for row in (await session.execute(select(*columns).where(_D.id.in_(ids)))).mappings():
        cases[row["decision_id"]].decision = row
    for table, name in ((OUTCOMES, "outcomes"), (VOTES, "votes"), (GRADES, "grades"), (HORIZONS, "starts")):
        for row in (await session.execute(select(table).where(table.c.decision_id.in_(ids)))).mappings():
            getattr(cases[row["decision_id"]], name).append(row)
    return cases


def _ordered(grades: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(grades, key=lambda grade: (grade["outcome_id"], grade["version"], grade["number"]))
