"""Usage: how long summaries of many attempts take, and whether they are exact."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection

from app.storage.migrations import migrate, on_database
from benchmarks.scoreboard.board import Row, Rule, Stage
from tests.e2e.service import Service
from tests.postgres import postgres_server

DAYS: Final = 90
HOURS: Final = DAYS * 24
LANES: Final = 463
FIRST: Final = datetime(2026, 8, 1, tzinfo=UTC)
"""Any day; 90 days of 463 lanes are a million cells of one hour."""

_EPOCH_HOUR: Final = int(FIRST.timestamp()) // 3600


@dataclass(frozen=True, slots=True)
class _Words:
    """What the two databases call differently: numbers in a row, and a moment so many seconds after the first."""

    numbers: str
    moment: str
    hex: str


_SQLITE: Final = _Words(
    "WITH RECURSIVE r(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < {last}) ",
    "strftime('%Y-%m-%d %H:%M:%f000', {seconds}, 'unixepoch')",
    "printf('%032x', n)",
)
_POSTGRES: Final = _Words(
    "WITH r AS (SELECT generate_series(0, CAST({last} AS bigint)) AS n) ",
    "to_timestamp({seconds})",
    "lpad(to_hex(n), 32, '0')",
)


def usage(stage: Stage) -> Iterator[Row]:
    """Ten million attempts of 90 days, a million cells; of which one request in fifty fell back. On both databases."""
    attempts = stage.pick(10_000_000, 100_000)
    folder = stage.folder / "sqlite"
    folder.mkdir(parents=True)
    yield from _measured(stage, "SQLite", f"sqlite+aiosqlite:///{folder / 'usage.db'}", _SQLITE, attempts)
    (folder / "usage.db").unlink()
    with postgres_server() as server:
        url = server.create()
        try:
            yield from _measured(stage, "PostgreSQL", url, _POSTGRES, attempts)
        finally:
            server.drop(url)


def _measured(stage: Stage, name: str, url: str, words: _Words, attempts: int) -> Iterator[Row]:
    migrate(url)
    on_database(url, lambda connection: _fill(connection, words, attempts))
    fault = f"{attempts:,} attempts, {name}"
    inside = FIRST + timedelta(days=60, minutes=17)
    questions = {
        "by day and model": {"by": "day", "group": "model"},
        "by day and agent, since within an hour": {"by": "day", "group": "agent", "since": inside.isoformat()},
        "by hour and provider, one week": {"by": "hour", "group": "provider", "since": _week(), "until": _end()},
        "by day, provider, model and symbol": {"by": "day", "group": "provider,model,symbol"},
    }
    with Service(stage.folder / name.lower(), database_url=url) as gateway:
        for question, query in questions.items():
            took, body = _asked(gateway, query)
            yield Row("§2", f"a summary {question}", fault, statistics.median(took) * 1e3, 200, "ms",
                      f"worst {max(took) * 1e3:.0f} ms, n = {len(took)}, {len(body['rows'])} rows")  # fmt: skip
        total = gateway.client.get("/usage/summary").json()["total"]
    requests = attempts - attempts // 50
    off = abs(total["attempts"] - attempts) + abs(total["requests"] - requests)
    yield Row("§2", "attempts and requests that a summary misses or invents", fault, off, 0, "",
              "against the number that was written", Rule.EXACTLY)  # fmt: skip
    missing = abs(Decimal(total["cost_usd"]) - attempts * Decimal("0.0001"))
    yield Row("§2", "money that a summary misses or invents", fault, float(missing), 0, "",
              f"of ${attempts * Decimal('0.0001')}", Rule.EXACTLY)  # fmt: skip


def _asked(gateway: Service, query: dict[str, str]) -> tuple[list[float], dict[str, Any]]:
    took, body = [], {}
    for _ in range(12):
        began = time.perf_counter()
        body = gateway.client.get("/usage/summary", params=query).raise_for_status().json()
        took.append(time.perf_counter() - began)
    return took[2:], body


def _week() -> str:
    return (FIRST + timedelta(days=70)).isoformat()


def _end() -> str:
    return (FIRST + timedelta(days=77)).isoformat()


def _fill(connection: Connection, words: _Words, attempts: int) -> None:
    """Attempts, and their roll-ups as the job would leave them.

    Attempt n lies in lane n * 7919 mod 463, so that the next one lies 48 lanes on; of every fifty, the second belongs
    to the request of the first. Written by SQL: the job takes minutes for what is here done in seconds.
    """
    hour = f"({_EPOCH_HOUR} + n * {HOURS} / {attempts})"
    seconds = f"({int(FIRST.timestamp())} + n * {DAYS * 86_400.0} / {attempts})"
    numbers, lane = words.numbers.format(last=attempts - 1), f"(n * 7919 % {LANES})"
    lanes = words.numbers.format(last=LANES - 1)
    is_second = "n % 50 = 1"
    statements = [
        f"INSERT INTO usage_lanes (id, digest, provider, model, agent_id, key_id, route, symbol, strategy, outcome, "
        f"is_unpriced) {lanes} SELECT n + 1, 'l' || n, 'p' || (n % 3), 'm' || (n % 20), n % 50, 'k' || (n % 5), "
        f"'chat', 'S' || (n % 10), 's' || n, 'ok', {{false}} FROM r",
        f"INSERT INTO attempts (id, request_id, ordinal, provider, model, kind, outcome, started_at, duration, "
        f"streamed, input_tokens, output_tokens, cost_usd, credential_id, agent_id, key_id, route, "
        f"symbol, strategy, is_rolled) {numbers} "
        f"SELECT {words.hex}, 'r' || (CASE WHEN {is_second} THEN n - 1 ELSE n END), 1, "
        f"'p' || ({lane} % 3), 'm' || ({lane} % 20), 'first', 'ok', {words.moment.format(seconds=seconds)}, 0.5, "
        f"{{false}}, 100, 20, {{cost}}, '', {lane} % 50, "
        f"'k' || ({lane} % 5), 'chat', 'S' || ({lane} % 10), 's' || {lane}, {{true}} FROM r",
        f"INSERT INTO usage_patterns (id, digest) {lanes} SELECT n + 1, 'one' || n FROM r UNION ALL "
        f"SELECT n + 1001, 'two' || n FROM r",
        f"INSERT INTO usage_pattern_lanes (pattern_id, lane_id) {lanes} SELECT n + 1, n + 1 FROM r UNION ALL "
        f"SELECT n + 1001, n + 1 FROM r UNION ALL SELECT n + 1001, (n + 48) % {LANES} + 1 FROM r",
        f"INSERT INTO usage_wanderers (request_id, hour, lane_id) {numbers} SELECT 'r' || (CASE WHEN {is_second} THEN "
        f"n - 1 ELSE n END), {hour}, {lane} + 1 FROM r WHERE n % 50 IN (0, 1) AND "
        f"{_hour_of('n - n % 50', attempts)} <> {_hour_of('n - n % 50 + 1', attempts)}",
        f"INSERT INTO usage_counts (hours, hour, pattern_id, requests) {numbers} SELECT 1, {hour}, {lane} + 1, "
        f"count(*) FROM r WHERE n % 50 > 1 GROUP BY {hour}, {lane}",
        f"INSERT INTO usage_counts (hours, hour, pattern_id, requests) {numbers} SELECT 1, {hour}, {lane} + 1001, "
        f"count(*) FROM r WHERE n % 50 = 0 AND {hour} = {_hour_of('n + 1', attempts)} GROUP BY {hour}, {lane}",
        f"INSERT INTO usage_cells (hours, hour, lane_id, attempts, input_tokens, output_tokens, priced, dollars, "
        f"picos) {numbers} SELECT 1, {hour}, {lane} + 1, count(*), 100 * count(*), 20 * count(*), count(*), 0, "
        f"100000000 * count(*) FROM r GROUP BY {hour}, {lane}",
        "INSERT INTO usage_counts (hours, hour, pattern_id, requests) SELECT 24, hour - hour % 24, pattern_id, "
        "sum(requests) FROM usage_counts WHERE hours = 1 GROUP BY hour - hour % 24, pattern_id",
        "INSERT INTO usage_cells (hours, hour, lane_id, attempts, input_tokens, output_tokens, priced, dollars, picos) "
        "SELECT 24, hour - hour % 24, lane_id, sum(attempts), sum(input_tokens), sum(output_tokens), sum(priced), 0, "
        "sum(picos) FROM usage_cells WHERE hours = 1 GROUP BY hour - hour % 24, lane_id",
    ]
    is_sqlite = connection.dialect.name == "sqlite"
    spelt = (
        {"false": "0", "true": "1", "cost": "'0.0001'"}
        if is_sqlite
        else {"false": "false", "true": "true", "cost": "0.0001"}
    )
    for statement in statements:
        # The driver's own words: nothing here is a parameter, whatever has a colon.
        connection.exec_driver_sql(statement.format(**spelt))
    connection.exec_driver_sql("ANALYZE")


def _hour_of(number: str, attempts: int) -> str:
    return f"({_EPOCH_HOUR} + ({number}) * {HOURS} / {attempts})"
