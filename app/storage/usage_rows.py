"""What single attempts and the lanes of roll-ups have in common: dimensions, filters, and what counts as unpriced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, case, cast, extract, func, literal_column, or_

from app.domain.attempt import AttemptOutcome
from app.domain.usage_query import UsageFilter
from app.storage.columns import storable
from app.storage.tables import ATTEMPTS, USAGE_LANES

_A: Final = ATTEMPTS.c

COLUMNS: Final = {
    "model": "model",
    "provider": "provider",
    "agent": "agent_id",
    "key": "key_id",
    "route": "route",
    "symbol": "symbol",
    "strategy": "strategy",
    "outcome": "outcome",
    "code": "code",
}
"""The column of each dimension, of an attempt and of a lane alike."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_UNSENT: Final = (AttemptOutcome.SKIPPED.value, AttemptOutcome.CACHED.value)

IS_SENT: Final = _A.outcome.not_in(_UNSENT)
# A failure without usage used nothing that anybody knows of; an answer without a price cost something.
_UNPRICED: Final = _A.cost_usd.is_(None) & or_(_A.outcome == AttemptOutcome.OK.value, _A.input_tokens.is_not(None))
UNPRICED: Final = case((_UNPRICED, literal_column("1")), else_=literal_column("0"))
LANE_UNPRICED: Final = case((USAGE_LANES.c.is_unpriced, literal_column("1")), else_=literal_column("0"))


def hour_of(*, is_sqlite: bool) -> ColumnElement[int]:
    """The number of the hour in which an attempt began."""
    # Literals: the same expression has to be in SELECT and GROUP BY, and two parameters are not the same.
    if is_sqlite:
        seconds = cast(func.strftime(literal_column("'%s'"), _A.started_at), BigInteger)
        return seconds // literal_column("3600", BigInteger)
    return cast(func.floor(extract("epoch", _A.started_at) / literal_column("3600")), BigInteger)


def matches(table: Any, wanted: UsageFilter) -> Iterator[ColumnElement[bool]]:  # noqa: ANN401 - columns have any type
    """The conditions on what attempts and lanes share."""
    for name, column in COLUMNS.items():
        value = getattr(wanted, name)
        if value is not None:
            yield table[column] == (storable(value) if isinstance(value, str) else value)


def matches_attempt(wanted: UsageFilter) -> Iterator[ColumnElement[bool]]:
    """All conditions on an attempt, but for the time."""
    yield from matches(_A, wanted)
    if wanted.request_id is not None:
        yield _A.request_id == storable(wanted.request_id)
    if wanted.decision_id is not None:
        yield _A.decision_id == storable(wanted.decision_id)


def began(since: datetime | None, until: datetime | None) -> Iterator[ColumnElement[bool]]:
    """The conditions that put an attempt between two moments."""
    if since is not None:
        yield _A.started_at >= since
    if until is not None:
        yield _A.started_at < until


def dimensions(table: Any, group: Sequence[str]) -> list[ColumnElement[Any]]:  # noqa: ANN401 - columns have any type
    """The columns of these dimensions, under the dimensions' names."""
    return [table[COLUMNS[name]].label(name) for name in group]


def hour_at(moment: datetime) -> int:
    """The number of the hour in which a moment lies."""
    return (moment - EPOCH) // _HOUR


def start_of(hour: int) -> datetime | None:
    """The moment at which an hour begins; None beyond what a date can be."""
    try:
        return EPOCH + hour * _HOUR
    except OverflowError:
        return None
