"""What is asked about usage, in a query string, and its export as CSV or JSON lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import MAX_ID
from app.api.errors import field_errors
from app.api.exports import Pages, csv_lines
from app.api.times import WRITTEN_OUT
from app.domain.attempt import AttemptOutcome
from app.domain.errors import Code, Violation
from app.domain.usage_query import GROUPS, UsageFilter

COLUMNS: Final = (
    "started_at", "id", "request_id", "ordinal", "provider", "model", "kind", "outcome", "code", "upstream_status",
    "message", "route", "agent_id", "config_id", "key_id", "decision_id", "symbol", "strategy", "variant", "streamed",
    "latency_ms", "time_to_first_token_ms", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "usage_source", "reported_cost", "cost_usd", "price_source", "price_dated", "credential_id",
)  # fmt: skip
"""The columns of an export; a JSON line has the same names, and everything that `GET /usage` has."""

Name = Annotated[str | None, Field(max_length=512)]
Moment = Annotated[datetime | None, WRITTEN_OUT]


class Bucket(StrEnum):
    """How long a row of the summary is."""

    HOUR = "hour"
    DAY = "day"


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"


class FilterQuery(BaseModel):
    """Which attempts: those that match everything that is given. A parameter that is none of these is refused."""

    # A misspelt filter that is passed over would tell of everything.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    since: Moment = Field(None, description="ISO 8601 with offset; from the first attempt when absent")
    until: Moment = Field(None, description="ISO 8601 with offset, not included; until now when absent")
    model: Name = None
    provider: Name = None
    agent: int | None = Field(None, ge=1, le=MAX_ID, description="The agent's id")
    key: Name = Field(None, description="The key's public name, `local` for callers without one")
    route: Name = None
    symbol: Name = None
    strategy: Name = None
    outcome: AttemptOutcome | None = None
    code: Code | None = None
    request_id: Name = None
    decision_id: Name = None

    def wanted(self) -> UsageFilter:
        """The filter. Raises RequestRejected for a moment that is none in UTC, or a time that ends as it begins."""
        since, until = _in_utc("since", self.since), _in_utc("until", self.until)
        if since is not None and until is not None and since >= until:
            raise field_errors([Violation("since", "must be before `until`")])
        chosen = {name: getattr(self, name) for name in (*GROUPS, "request_id", "decision_id")}
        plain: dict[str, Any] = {
            name: value.value if isinstance(value, StrEnum) else value for name, value in chosen.items()
        }
        return UsageFilter(since=since, until=until, **plain)


class PageQuery(FilterQuery):
    """A page of attempts."""

    limit: int = Field(50, ge=1, le=1_000)
    cursor: str | None = Field(None, max_length=512)


class SummaryQuery(FilterQuery):
    """A summary."""

    by: Bucket = Bucket.DAY
    group: str = Field("", max_length=256, description=f"Any of {', '.join(GROUPS)}; comma-separated")

    @property
    def groups(self) -> list[str]:
        """The names in `group`, each once."""
        return list(dict.fromkeys(name.strip() for name in self.group.split(",") if name.strip()))


class ExportQuery(FilterQuery):
    """An export."""

    format: Format = Format.CSV


class NoQuery(BaseModel):
    """Nothing can be asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)


async def as_csv(pages: Pages) -> AsyncGenerator[bytes]:
    """A line of names, then one per attempt, a piece per page."""
    head: list[tuple[str, ...]] = [COLUMNS]
    async for page in pages:
        yield csv_lines([*head, *([row.get(name) for name in COLUMNS] for row in page)])
        head = []


async def as_lines(pages: Pages) -> AsyncGenerator[bytes]:
    """A JSON object per line and attempt, a piece per page."""
    async for page in pages:
        yield b"".join(orjson.dumps(row) + b"\n" for row in page)


def _in_utc(name: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise field_errors([Violation(name, "is no moment of the years 1 to 9999 in UTC")]) from None
