"""A record as one line of JSON, and back: the form in which it waits on disk."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import Code
from app.domain.target import Target
from app.domain.tools import ToolCallRecord, ToolCallStatus, ToolFailure
from app.domain.usage import Usage, UsageSource

Record = AttemptRecord | ToolCallRecord
"""What is put on record."""

_KIND: Final = "record"
_TOOL_CALL: Final = "tool_call"


def line_of(record: Record) -> bytes:
    """The record as a line with its newline; nothing of it is lost but what no encoding takes."""
    fields = asdict(record)
    if isinstance(record, ToolCallRecord):
        # Attempts bear no such mark: so they were written before there was anything else.
        fields[_KIND] = _TOOL_CALL
    try:
        return orjson.dumps(fields, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # A lone surrogate or a number beyond 64 bits, from what a provider sent.
        return orjson.dumps(_tamed(fields), default=str, option=orjson.OPT_APPEND_NEWLINE)


def record_of(line: bytes) -> Record:
    """The record of a line; raises ValueError for one that was cut or is not ours."""
    try:
        fields = orjson.loads(line)
        return _tool_call(fields) if fields.pop(_KIND, None) == _TOOL_CALL else _attempt(fields)
    except (TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise ValueError("not a record of ours") from error


def _attempt(fields: dict[str, Any]) -> AttemptRecord:
    return AttemptRecord(
        **fields
        | {
            "target": Target(**fields["target"]),
            "kind": AttemptKind(fields["kind"]),
            "outcome": AttemptOutcome(fields["outcome"]),
            "started_at": datetime.fromisoformat(fields["started_at"]),
            "code": None if fields["code"] is None else Code(fields["code"]),
            "usage": None if fields["usage"] is None else _usage(fields["usage"]),
            "cost_usd": _money(fields["cost_usd"]),
        }
    )


def _tool_call(fields: dict[str, Any]) -> ToolCallRecord:
    return ToolCallRecord(
        **fields
        | {
            "status": ToolCallStatus(fields["status"]),
            "started_at": datetime.fromisoformat(fields["started_at"]),
            "code": None if fields["code"] is None else ToolFailure(fields["code"]),
        }
    )


def _usage(fields: dict[str, Any]) -> Usage:
    source, cost = UsageSource(fields["source"]), _money(fields["reported_cost"])
    return Usage(**fields | {"source": source, "reported_cost": cost})


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _tamed(value: Any) -> Any:  # noqa: ANN401 - any part of a record
    if isinstance(value, dict):
        return {name: _tamed(part) for name, part in value.items()}
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(value, 0), 2**63 - 1)
    return value
