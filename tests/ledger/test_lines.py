"""A record survives its time on disk."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal

import pytest

from app.domain.attempt import AttemptOutcome, AttemptRecord
from app.domain.errors import Code
from app.domain.tools import ToolCallRecord, ToolCallStatus, ToolFailure
from app.domain.usage import Usage, UsageSource
from app.ledger.lines import line_of, record_of
from tests.ledger.conftest import MORNING, record

FULL = record(
    streamed=True,
    outcome=AttemptOutcome.ERROR,
    code=Code.PROVIDER_ERROR,
    upstream_status=500,
    message="it broke\n\x00\u4e70\u5165",
    time_to_first_token=0.1,
    usage=Usage(5, 4, 3, 2, 1, UsageSource.ESTIMATED, Decimal("0.10")),
    price_source="catalog",
    credential_id="0badcafe",
    agent_id=7,
    decision_id="dec-1",
    key_id="abcd",
    route="decisions",
)


CALL = ToolCallRecord(
    "req-1", 2, "get_price", "call_1", ToolCallStatus.FAILED, MORNING, 0.5, 500, ToolFailure.ERROR, "it broke", 20, 3, 7
)


@pytest.mark.parametrize("given", [FULL, record(), record(usage=None, cost_usd=None), CALL])
def test_a_record_comes_back_with_every_field(given: AttemptRecord | ToolCallRecord) -> None:
    line = line_of(given)
    found = record_of(line)

    assert line.count(b"\n") == 1
    assert type(found) is type(given)
    for field in fields(found):
        assert getattr(found, field.name) == getattr(given, field.name), field.name


def test_what_no_encoding_takes_is_tamed_and_the_record_kept() -> None:
    found = record_of(line_of(record(message="\ud800", usage=Usage(10**30, 1))))

    assert isinstance(found, AttemptRecord)
    assert found.message == "?"
    assert found.usage is not None
    assert found.usage.input_tokens == 10**12


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b"{}", line_of(FULL)[:-20]])
def test_a_cut_or_foreign_line_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        record_of(line)


def test_a_line_from_before_there_were_tools_is_an_attempt() -> None:
    line = line_of(FULL)

    assert b'"record"' not in line
    assert isinstance(record_of(line), AttemptRecord)
