"""Votes, and what a decision's grades start from, as rows beside the decision: written in its transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.casting import basis_of, cast_votes
from app.domain.decision import Action, Filing, VoteStatus
from app.domain.horizons import Horizons
from app.domain.outcome import Basis, CastVote, Horizon, Measured
from app.domain.symbols import market_of
from app.storage.columns import storable
from app.storage.sheaf import Sheaf
from app.storage.tables import DECISIONS, GRADES, HORIZONS, OUTCOMES, VOTES

_D: Final = DECISIONS.c
_V: Final = VOTES.c
_VOTE: Final = tuple(CastVote.__dataclass_fields__)
_VALUES: Final = attrgetter(*_VOTE)


def put_votes(into: Sheaf, filing: Filing, answer: Mapping[str, Any]) -> None:
    """The votes of a new decision."""
    into.put(VOTES, vote_rows(filing.id, filing.created_at, filing.symbol, filing.agent_id, answer))


def put_horizon(
    into: Sheaf, filing: Filing, answer: Mapping[str, Any], request: Mapping[str, Any], horizons: Horizons
) -> None:
    """What the grades of a new decision start from, and until when it waits for a price."""
    basis = basis_of(filing.id, filing.created_at, answer, request)
    market = request.get("market")
    venue = market.get("venue") if isinstance(market, dict) else None
    base, quote = market_of(filing.symbol)
    row = basis_row(basis) | _fields(horizons.of(basis, filing.created_at, request))
    row |= {"base": storable(base), "quote": storable(quote), "venue": venue_key(venue)}
    into.put(HORIZONS, [row])


def basis_row(basis: Basis) -> dict[str, Any]:
    """What the grades of a decision start from, as its row has it."""
    return _fields(basis) | {"intent": None if basis.intent is None else storable(basis.intent)}


async def rewrite_votes(session: AsyncSession, decision_id: str, answer: Mapping[str, Any]) -> None:
    """The votes of a decision that is there, whose row is locked: those that came late too, graded where it was."""
    wanted = select(_D.created_at, _D.symbol, _D.agent_id).where(_D.id == decision_id)
    decision = (await session.execute(wanted)).one_or_none()
    if decision is None:
        return
    rows = vote_rows(decision_id, decision.created_at, decision.symbol, decision.agent_id, answer)
    await session.execute(delete(VOTES).where(_V.decision_id == decision_id))
    await session.execute(delete(GRADES).where(GRADES.c.decision_id == decision_id))
    if not rows:
        return
    await session.execute(insert(VOTES), rows)
    outcomes = (await session.execute(select(OUTCOMES).where(OUTCOMES.c.decision_id == decision_id))).mappings().all()
    grades = [grade_row(row, row["number"], row["action"], outcome) for outcome in outcomes for row in rows]
    if grades:
        await session.execute(insert(GRADES), grades)


def grade_row(
    decision: Mapping[Any, Any], number: int, action: str | None, outcome: Mapping[Any, Any]
) -> dict[str, Any]:
    """What an outcome's row says of a vote."""
    measured = measured_in(outcome)
    return {
        "decision_id": decision["decision_id"],
        "outcome_id": outcome["id"],
        "version": outcome["version"],
        "number": number,
        "correct": None if measured is None or action is None else measured.is_right(Action(action)),
    }


def measured_in(outcome: Mapping[Any, Any]) -> Measured | None:
    """What was measured when this row of an outcome was written; None where there was nothing to measure."""
    if outcome["measured_return"] is None:
        return None
    return Measured(outcome["measured_return"], outcome["threshold"])


def vote_in(row: Mapping[Any, Any]) -> CastVote:
    """The vote of a row."""
    fields = {name: row[name] for name in _VOTE}
    action = row["action"]
    fields |= {"status": VoteStatus(row["status"]), "action": None if action is None else Action(action)}
    return CastVote(**fields)


def venue_key(venue: str | None) -> str:
    """How a venue is compared; none is `""`."""
    return storable(venue or "").strip().lower()[:64]


def vote_rows(
    decision_id: str, decided_at: datetime, symbol: str, agent_id: int | None, answer: Mapping[str, Any]
) -> Sequence[dict[str, Any]]:
    """The votes of a decision as rows, by its answer."""
    consensus = answer.get("consensus")
    method = consensus.get("method") if isinstance(consensus, dict) else None
    variant = answer.get("variant")
    decision = {
        "decided_at": decided_at,
        "symbol": symbol,
        "agent_id": agent_id,
        "method": str(method),
        "consensus": str(answer.get("action")),
        "variant": storable(variant) if isinstance(variant, str) else None,
        "is_replayed": answer.get("replayed") is True,
    }
    return [_row(vote, decision) for vote in cast_votes(decision_id, answer)]


def _row(vote: CastVote, decision: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **dict(zip(_VOTE, _VALUES(vote), strict=True)),
        "provider": storable(vote.provider),
        "model": storable(vote.model),
        "status": vote.status._value_,
        "action": None if vote.action is None else vote.action._value_,
        "reason": None if vote.reason is None else storable(vote.reason),
        "family": None if vote.family is None else storable(vote.family),
        **decision,
    }


def _fields(flat: CastVote | Basis | Horizon) -> dict[str, Any]:
    """By name; `asdict` would copy every value, too."""
    return {name: getattr(flat, name) for name in flat.__dataclass_fields__}
