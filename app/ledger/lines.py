"""An attempt as one line of JSON, and back: the form in which it waits on disk."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import Code
from app.domain.target import Target
from app.domain.usage import Usage, UsageSource


def line_of(record: AttemptRecord) -> bytes:
    """The record as a line with its newline; nothing of it is lost but what no encoding takes."""
    fields = asdict(record)
    try:
        return orjson.dumps(fields, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # A lone surrogate or a number beyond 64 bits, from what a provider sent.
        return orjson.dumps(_tamed(fields), default=str, option=orjson.OPT_APPEND_NEWLINE)


def record_of(line: bytes) -> AttemptRecord:
    """The record of a line; raises ValueError for one that was cut or is not ours."""
    try:
        fields = orjson.loads(line)
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
    except (TypeError, KeyError, ArithmeticError) as error:
        raise ValueError("not a record of an attempt") from error


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
