"""`outcry providers test`: the conformance suite from the command line, without a running service."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, nullcontext
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from app.catalog.catalog import Catalog
from app.catalog.records import read_models
from app.conformance.report import CheckResult, Report, Status, rendered
from app.conformance.suite import ConformanceTests
from app.domain.provider import ProviderSet
from app.gateway.attempt import Clock
from app.providers.pool import Pool
from app.reloading import completed
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from app.settings import ConfigurationError, Settings
from app.transport.client import TransportRules, open_transport
from app.wiring.ground import adapters_over, utc_now

_COLOURS = {Status.PASSED: "green", Status.FAILED: "red", Status.SKIPPED: "yellow"}


def show_test(
    settings: Settings,
    providers: ProviderSet,
    name: str,
    *,
    model: str | None,
    checks: Sequence[str] | None,
    path: Path | None,
    out: Console,
) -> bool:
    """Run the suite and show it as it goes; whether it passed. Writes the report to `path` as JSON.

    Raises NotFound, RequestRejected, ConfigurationError and CatalogUnreadable. Nothing goes on record: there is no
    database here.
    """
    if path is not None:
        _writable(path)
    report = asyncio.run(_run(settings, providers, name, model=model, checks=checks, out=out))
    if path is not None:
        path.write_text(json.dumps(rendered(report), indent=2) + "\n", encoding="utf-8")
    out.print(_closing(report))
    return report.passed


def _writable(path: Path) -> None:
    """Raises ConfigurationError: minutes of paid calls must not end at a report that cannot be written."""
    try:
        path.open("a").close()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None


async def _run(
    settings: Settings,
    providers: ProviderSet,
    name: str,
    *,
    model: str | None,
    checks: Sequence[str] | None,
    out: Console,
) -> Report:
    clock = Clock(time.monotonic, utc_now)
    async with open_transport(TransportRules(**settings.transport.model_dump())) as transport:
        pool = Pool(
            adapters_over(transport),
            Catalog(known=read_models(settings.catalog)),
            breaker=BreakerRules(),
            retry=RetryRules(),
            now=clock.now,
            rng=random.SystemRandom(),
        )
        pool.replace(completed(providers))
        run = ConformanceTests(pool, (), clock).run(name, model=model, checks=checks, request_id="cli")
        return await _shown(run, out)


async def _shown(run: AsyncGenerator[CheckResult | Report], out: Console) -> Report:
    """A table that grows with each check; where nobody watches, it is printed once it is whole."""
    table = Table("check", "result", "ms", "cost", Column("seen", overflow="fold"))
    async with aclosing(run):
        seen = await anext(run)  # what is wrong with the question comes before any table
        with Live(table, console=out, refresh_per_second=8) if out.is_terminal else nullcontext():
            while isinstance(seen, CheckResult):
                table.add_row(*_row(seen))
                seen = await anext(run)
    if not out.is_terminal:
        out.print(table)
    return seen


def _row(check: CheckResult) -> tuple[str | Text, ...]:
    """`detail` may hold what a model said: it is shown as text, never as markup."""
    result = Text(check.status.value, style=_COLOURS[check.status])
    cost = "?" if check.cost_usd is None else f"{check.cost_usd:f}"
    return check.name, result, f"{check.latency * 1000:.0f}", cost, Text(check.detail)


def _closing(report: Report) -> str:
    counts = ", ".join(f"{report.count(status)} {status.value}" for status in Status)
    cost = "" if report.cost_usd is None else f", ${report.cost_usd:f}"
    return f"{report.provider} with {report.model}: {counts} in {report.duration:.1f} s{cost}"
