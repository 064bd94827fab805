"""What the record keeps of a decision's answer beside it: each member's vote, and what its grades start from.

Both are read from the answer's JSON, so that a decision that waited on disk and votes that came late go the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

from app.domain.decision import Action, Role, VoteStatus
from app.domain.outcome import Basis, CastVote

E = TypeVar("E", bound=StrEnum)
_LONGEST_WORD: Final = 64
HORIZON: Final = "horizon_s"
"""The name in a decision's metadata under which its caller states a horizon."""


def cast_votes(decision_id: str, answer: Mapping[str, Any]) -> tuple[CastVote, ...]:
    """The members' votes in the order of the panel. A risk officer objects and does not vote."""
    return tuple(_votes(decision_id, answer))


def basis_of(decision_id: str, created_at: datetime, answer: Mapping[str, Any], request: Mapping[str, Any]) -> Basis:
    """What the decision brings to its grades."""
    market = _part(request, "market")
    stated = [_moment(market.get("as_of")), _moment(request.get("as_of"))]
    intent = answer.get("intent")
    return Basis(
        decision_id,
        _member(Action, answer.get("action")) or Action.HOLD,
        min([created_at, *(moment for moment in stated if moment is not None)]),
        intent if isinstance(intent, str) else None,
        positive(_part(market, "price").get("last")),
        positive(_part(_part(market, "indicators"), "atr").get("value")),
        answer.get("replayed") is True,
    )


def grounds_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """What grades need of the request: figures, moments and the venue's name, and nothing that anybody wrote."""
    market, metadata = _part(request, "market"), _part(request, "metadata")
    grounds: dict[str, Any] = {}
    if market:
        venue = market.get("venue")
        grounds["market"] = {
            "as_of": market.get("as_of"),
            "timeframe": market.get("timeframe"),
            "venue": venue[:_LONGEST_WORD] if isinstance(venue, str) else None,
            "price": {"last": _part(market, "price").get("last")},
            "indicators": {"atr": {"value": _part(_part(market, "indicators"), "atr").get("value")}},
        }
    if HORIZON in metadata:
        grounds["metadata"] = {HORIZON: positive(metadata[HORIZON])}
    return grounds


def positive(value: object) -> float | None:
    """The number, if it is a finite one above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number > 0 and math.isfinite(number) else None


def _votes(decision_id: str, answer: Mapping[str, Any]) -> Iterator[CastVote]:
    votes = answer.get("votes")
    for number, vote in enumerate(votes if isinstance(votes, list) else [], start=1):
        if not isinstance(vote, dict) or vote.get("role") == Role.RISK_OFFICER:
            continue
        status = _member(VoteStatus, vote.get("status"))
        if status is None:
            continue
        is_vote = status in (VoteStatus.OK, VoteStatus.REPAIRED)
        latency = _number(vote.get("latency_ms"))
        yield CastVote(
            decision_id,
            number,
            provider=str(vote.get("provider")),
            model=str(vote.get("model")),
            status=status,
            action=_member(Action, vote.get("action")) if is_vote else None,
            confidence=_number(vote.get("confidence")) if is_vote else None,
            reason=None if is_vote else _word(vote.get("reason")),
            weight=_number(vote.get("weight")),
            family=vote["family"] if isinstance(vote.get("family"), str) else None,
            latency=None if latency is None else latency / 1000,
            cost_usd=_money(vote.get("cost_usd")),
            is_shadow=vote.get("shadow") is True,
        )


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, dict) else {}


def _member(kind: type[E], value: object) -> E | None:
    # The same as to call it, in a third of the time.
    found: Any = kind._value2member_map_.get(value) if isinstance(value, str) else None
    return found  # type: ignore[no-any-return] # the map's values are members of `kind`


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None


def _number(value: object) -> float | None:
    if type(value) is float:
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _word(reason: object) -> str | None:
    """The code in front of a reason's text."""
    return reason.split(":", 1)[0].strip()[:_LONGEST_WORD] if isinstance(reason, str) else None


def _money(value: object) -> Decimal | None:
    try:
        amount = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
    return amount if amount is not None and amount.is_finite() else None
