"""The scoreboard for the terminal and as a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from benchmarks.scoreboard.board import Row


def printed(rows: Sequence[Row]) -> Table:
    """For the terminal."""
    table = Table(title="the scoreboard")
    for heading in ("§", "promise", "fault", "measured", "bound", "holds", "seen"):
        table.add_column(heading)
    for row in rows:
        table.add_row(
            row.section.removeprefix("§"),
            row.promise,
            row.fault,
            _amount(row.measured, row.unit),
            _bound(row),
            _verdict(row),
            row.seen,
            style="" if row.holds else "bold red",
        )
    return table


def page(rows: Sequence[Row], *, commit: str, seed: int, now: datetime, is_full: bool = True) -> str:
    """As Markdown, with what was measured, when, and on what."""
    broken = [row for row in rows if not row.holds]
    verdict = "Every promise held." if not broken else f"{len(broken)} of {len(rows)} did not hold; they say **no**."
    lines = [
        "# The scoreboard",
        "",
        "Written by `make prove`: every figure was measured from outside, over HTTP, against the real process, with",
        "the fault beside it at work. Overload is told in ratios alone, of a gateway that has one core to itself. How",
        "models' answers are read (`decisions`) was measured of the parser alone, in its own processor time.",
        "",
        f"- date: {now:%Y-%m-%d %H:%M} UTC",
        f"- commit: {commit}",
        f"- machine: {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}",
        f"- seed: {seed}",
        "- form: full" if is_full else "- form: short, little of everything: times and ratios are first impressions",
        f"- {len(rows)} figures. {verdict}",
        "",
        "| § | promise | fault | measured | bound | holds | seen |",
        "|---|---|---|---|---|---|---|",
        *(_line(row) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    cells = (
        row.section.removeprefix("§"),
        row.promise,
        row.fault,
        _amount(row.measured, row.unit),
        _bound(row),
        "yes" if row.holds else "**no**",
        row.seen,
    )
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def _bound(row: Row) -> str:
    return f"{row.rule} {_amount(row.bound, row.unit)}"


def _amount(value: float, unit: str) -> str:
    if value != value:
        return "not measured"
    if unit in ("ms", "MB", "s"):
        return f"{value:.1f} {unit}"
    figure = f"{value:g}" if float(value).is_integer() else f"{value:.2f}"
    return f"{figure} {unit}".strip()


def _verdict(row: Row) -> str:
    return "yes" if row.holds else "NO"
