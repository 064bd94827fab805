"""Nested groups of settings: the tunables of the mechanisms, each with the name and default it has there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Horizon = Annotated[float, Field(gt=0, le=3660 * 86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class BreakerSettings(Group):
    """When a target is ejected, and for how long."""

    failures: Count = Field(5, description="Failures in a row that open a circuit.")
    ratio: Share = Field(0.5, description="Share of failures in the window that opens it.")
    minimum: Count = Field(20, description="Attempts in the window before the share counts.")
    window: Seconds = Field(10.0, description="Seconds the share looks back on.")
    open_seconds: Seconds = Field(30.0, description="Seconds of the first ejection; the next last longer.")
    max_open_seconds: Seconds = Field(300.0, description="The longest ejection, in seconds.")
    successes: Count = Field(2, description="Successes in half-open that close it.")
    last_resort: Seconds = Field(5.0, description="Seconds between single requests while every circuit is open.")


class RetrySettings(Group):
    """How often, how long and how eagerly a request is tried again."""

    max_retries: int = Field(2, ge=0, le=20, description="Attempts after the first, over all targets together.")
    base: Seconds = Field(0.2, description="Seconds of the first backoff, before jitter.")
    cap: Seconds = Field(5.0, description="The longest backoff, in seconds.")
    budget_ratio: Share = Field(0.2, description="Share of a target's traffic that may be retries.")
    budget_floor: int = Field(3, ge=0, le=1_000_000, description="Retries that are allowed beside that share.")
    budget_window: Seconds = Field(10.0, description="Seconds the share looks back on.")
    patience: Seconds = Field(2.0, description="A longer Retry-After than this means another target at once.")
    least_remaining: Seconds = Field(0.5, description="No further attempt starts with fewer seconds left.")
    share: Share = Field(0.6, description="Share of the remaining time one attempt may take while targets are left.")


class HedgingSettings(Group):
    """Whether a second target starts beside a slow first one, and how often at most."""

    enabled: bool = Field(
        default=False, description="Hedge every request that does not refuse it; else those that ask for it."
    )
    share: Annotated[float, Field(ge=0, le=0.05, allow_inf_nan=False)] = Field(
        0.05, description="Share of all requests that may be hedged, at most 0.05; 0 hedges none, whoever asks for it."
    )
    samples: Count = Field(
        20, le=64, description="Recent successes of a target before its p95 says when to hedge; at most 64."
    )


class HealthSettings(Group):
    """How often providers are checked."""

    interval: Seconds = Field(60.0, description="Seconds between free probes of a provider without traffic.")
    open_interval: Seconds = Field(30.0, description="The same while a circuit of it is open.")
    window: Seconds = Field(300.0, description="Seconds that success rates and percentiles look back on.")
    jitter: Annotated[float, Field(ge=0, le=1)] = Field(0.1, description="Share by which a probe may come earlier.")
    probe_timeout: Seconds = Field(5.0, description="Seconds one probe may take.")


class HistorySettings(Group):
    """What is kept of the providers' health over time."""

    interval: Seconds = Field(60.0, description="Seconds between samples of each provider.")
    retention_days: Annotated[float, Field(gt=0, le=3660, allow_inf_nan=False)] = Field(
        30.0, description="Days after which a sample is deleted."
    )
    queue: Count = Field(10_000, description="Samples that may wait in memory while the database is away.")


class ScoreSettings(Group):
    """What graded votes say of a model, and of one that has none yet."""

    prior_hit_rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        0.5, description="Share of right votes that is expected of a model before its own are graded."
    )
    prior_votes: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = Field(
        20.0, description="How many graded votes that expectation is worth beside its own."
    )
    enough: Count = Field(20, description="Graded votes of its own before they count at all.")
    half_life_days: Annotated[float, Field(gt=0, le=36_600, allow_inf_nan=False)] = Field(
        30.0, description="Days after which a graded vote counts half."
    )
    exploration: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        0.05, description="Share of the requests of accuracy_first that go to another than the best first."
    )
    lookback_days: int = Field(180, ge=1, le=3660, description="Days of decisions that are looked at.")
    refresh: Seconds = Field(5.0, description="Seconds between looks at the record.")


class LedgerSettings(Group):
    """How usage records reach the database."""

    queue: Count = Field(10_000, description="Records that may wait in memory.")
    batch: Count = Field(500, description="Records written in one transaction.")
    interval: Seconds = Field(0.25, description="Seconds between writes.")
    spill_path: Path = Field(
        Path(".outcry/usage-spill.jsonl"), description="File that records go to while the database is away."
    )
    spill_max_bytes: Count = Field(64 * 1024 * 1024, description="Size at which that file takes no more.")
    decision_spill_path: Path = Field(
        Path(".outcry/decision-spill.jsonl"),
        description="File, of the same size, that decisions go to when their commit does not return in time.",
    )


class AuditSettings(Group):
    """When a checkpoint of the record is drawn up."""

    checkpoint_seconds: Seconds = Field(60.0, description="Seconds after which new entries are in a checkpoint.")
    checkpoint_entries: Count = Field(1_000, description="New entries after which one is drawn up sooner.")


class RecordSettings(Group):
    """What is kept of what was said in decisions: prompts, answers, the callers' requests."""

    payloads: Literal["plain", "encrypted", "hashed"] | None = Field(
        None, description="plain, encrypted or hashed; encrypted where there are ENCRYPTION_KEYS, else plain."
    )
    retention_days: Annotated[float, Field(gt=0, le=36_600, allow_inf_nan=False)] | None = Field(
        None, description="Days after which what was said is erased, its hash kept; without a number never."
    )


class UsageSettings(Group):
    """How usage is rolled up, and how long it is kept."""

    rollup_interval: Seconds = Field(5.0, description="Seconds between looks for attempts to roll up.")
    # A projection looks back a week, to the second.
    attempts_days: Annotated[float, Field(ge=8, le=36_600, allow_inf_nan=False)] = Field(
        400.0, description="Days after which single attempts are deleted; their sums stay."
    )
    # A budget of a month that is set anew counts what the month has cost so far.
    rollups_days: Annotated[float, Field(ge=32, le=36_600, allow_inf_nan=False)] = Field(
        3660.0, description="Days after which the sums of a day are deleted too; not before its attempts."
    )


class CacheSettings(Group):
    """What the response cache keeps, in the memory of each process."""

    max_bytes: Annotated[int, Field(ge=0, le=2**40)] = Field(
        64 * 1024 * 1024, description="Bytes of all answers together; one may take a mebibyte. 0 keeps none."
    )
    ttl: Seconds = Field(300.0, description="Seconds an answer is kept.")


class OutcomeSettings(Group):
    """When a decision has turned out right or wrong, where its caller states no `horizon_s`."""

    scalping: Horizon = Field(900.0, description="Seconds after which a scalping decision is graded by a price.")
    intraday: Horizon = Field(14_400.0, description="The same for an intraday decision, or one without a timeframe.")
    swing: Horizon = Field(432_000.0, description="The same for a swing decision.")
    position: Horizon = Field(2_592_000.0, description="The same for a position decision.")
    patience: Horizon = Field(
        604_800.0, description="Seconds that a decision waits for its price after that, and after it was made."
    )


class ReplaySettings(Group):
    """How much of recorded runs is kept, and for how long."""

    max_question: Count = Field(4 * 1024 * 1024, description="Bytes of one recorded question with its answers.")
    max_run: Count = Field(512 * 1024 * 1024, description="Bytes of one run; what comes after is not recorded.")
    max_waiting: Count = Field(64 * 1024 * 1024, description="Bytes that may wait in memory to be written.")
    retention_days: Annotated[float, Field(gt=0, le=3660, allow_inf_nan=False)] = Field(
        90.0, description="Days after which a run in which nothing more was recorded is deleted."
    )


class TransportSettings(Group):
    """The connection pool to providers, and what is read from them."""

    max_connections: Count = Field(1000, description="Connections to all providers together.")
    max_connections_per_host: Count = Field(200, description="Connections to one host.")
    keepalive: Seconds = Field(20.0, description="Seconds an idle connection is kept.")
    dns_ttl: Count = Field(10, description="Seconds a resolved address is used again.")
    max_body: Count = Field(20 * 1024 * 1024, description="Bytes of the largest answer that is read.")
    max_header_line: Count = Field(16 * 1024, description="Bytes of the longest header line that is read.")


class TimeoutSettings(Group):
    """How long one attempt may wait; a provider's own timers go before these."""

    connect: Seconds = Field(2.0, description="Seconds for TCP and TLS.")
    first_token: Seconds = Field(15.0, description="Seconds to the first content of a stream.")
    idle: Seconds = Field(20.0, description="Seconds between two chunks of a stream.")
    total: Seconds = Field(30.0, description="Seconds for one whole attempt.")
    reasoning_first_token: Seconds = Field(60.0, description="first_token for models that think before they answer.")
    reasoning_total: Seconds = Field(60.0, description="total for models that think before they answer.")


class ToolSettings(Group):
    """How far a chat may go with registered tools."""

    max_rounds: int = Field(5, ge=1, le=20, description="Rounds of calls in one request; then the model has to answer.")
    max_calls: int = Field(32, ge=1, le=1000, description="Calls of registered tools in one request.")
    parallel: int = Field(8, ge=1, le=100, description="Calls of one round that are under way at a time.")


class DatabaseSettings(Group):
    """How long the database may keep a caller waiting, and how many connections it may hold."""

    patience: Seconds = Field(10.0, description="Seconds for one whole transaction.")
    connect: Seconds = Field(3.0, description="Seconds for a new connection.")
    busy: Seconds = Field(5.0, description="Seconds to wait for SQLite's write lock.")
    pool: Count = Field(5, description="Connections that are kept (PostgreSQL).")
    overflow: Annotated[int, Field(ge=0, le=1000)] = Field(5, description="Connections beside those in a rush.")
