"""An attempt as a row: every column in its place, with what its type would have made of the value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import Code
from app.domain.target import Target
from app.domain.usage import Usage, UsageSource
from app.storage.attempts import COLUMNS, row_of
from app.storage.columns import storable
from app.storage.tables import ATTEMPTS

_RECORD: Final = AttemptRecord(
    "req_1", 1, Target("alpha", "m"), AttemptKind.RETRY, AttemptOutcome.ERROR, datetime(2026, 11, 20, tzinfo=UTC), 0.5,
    code=Code.PROVIDER_TIMEOUT,
)  # fmt: skip
_SQLITE: Final = sqlite.dialect()
_ZONES: Final = st.timedeltas(timedelta(hours=-14), timedelta(hours=14)).map(timezone) | st.just(UTC)
_TEXTS: Final = st.text(st.characters(), max_size=20)
_COUNTS: Final = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


def _row(**fields: Any) -> dict[str, Any]:
    return dict(zip(COLUMNS, row_of(replace(_RECORD, **fields)), strict=True))


def _stored(name: str, value: Any) -> Any:
    process = ATTEMPTS.c[name].type.dialect_impl(_SQLITE).bind_processor(_SQLITE)
    assert process is not None
    return process(value)


def test_every_column_is_written_but_the_mark_of_the_roll_up() -> None:
    assert sorted((*COLUMNS, "is_rolled")) == sorted(column.name for column in ATTEMPTS.c)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=_ZONES))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_moment_is_written_as_its_column_writes_it(moment: datetime) -> None:
    assert _row(started_at=moment)["started_at"] == _stored("started_at", moment)


@given(st.decimals(-(10**20), 10**20))
def test_money_is_written_to_its_last_digit(dollars: Decimal) -> None:
    assert _row(cost_usd=dollars)["cost_usd"] == _stored("cost_usd", dollars)


@pytest.mark.parametrize("amount", ["0E-30", "1E-18", "1E+5", "-0", "-2.50", "12345678901234567890.000000000000000001"])
def test_no_amount_is_written_in_powers_of_ten(amount: str) -> None:
    assert _row(cost_usd=Decimal(amount))["cost_usd"] == format(Decimal(amount), "f")


@pytest.mark.parametrize("amount", ["NaN", "NaN12", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_unknown(amount: str) -> None:
    assert _row(cost_usd=Decimal(amount))["cost_usd"] is None


@given(_TEXTS, _TEXTS, _TEXTS, _TEXTS)
def test_texts_are_stored_without_what_no_database_takes(provider: str, model: str, request: str, key: str) -> None:
    row = _row(target=Target(provider, model), request_id=request, key_id=key)

    stored = [row["provider"], row["model"], row["request_id"], row["key_id"]]
    assert stored == [storable(text) for text in (provider, model, request, key)]


@given(*[st.none() | _TEXTS] * 3)
def test_a_text_that_is_not_there_stays_so(symbol: str | None, strategy: str | None, message: str | None) -> None:
    row = _row(symbol=symbol, strategy=strategy, message=message)

    stored = [row["symbol"], row["strategy"], row["message"]]
    assert stored == [None if text is None else storable(text) for text in (symbol, strategy, message)]


@given(st.tuples(*[st.integers(-(2**70), 2**70)] * 5), st.sampled_from(UsageSource), st.none() | st.decimals(0, 10**12))
def test_counts_are_in_their_places_and_never_below_zero(
    counts: tuple[int, ...], source: UsageSource, cost: Decimal | None
) -> None:
    row = _row(usage=Usage(**dict(zip(_COUNTS, counts, strict=True)), source=source, reported_cost=cost))

    assert [row[name] for name in _COUNTS] == [min(max(count, 0), 10**12) for count in counts]
    assert row["usage_source"] == source.value
    assert row["reported_cost"] == (None if cost is None else _stored("reported_cost", cost))


def test_the_words_of_an_attempt_are_plain_strings() -> None:
    # For anything else SQLite's driver looks for an adapter first.
    row = _row()

    words = [row[name] for name in ("kind", "outcome", "code")]
    assert words == ["retry", "error", "provider_timeout"]
    assert {type(word) for word in words} == {str}
