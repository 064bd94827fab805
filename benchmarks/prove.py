"""Prove the promised numbers: measure each, print it beside its bound, fail when one does not hold.

    python -m benchmarks.prove [--short] [PART...]

The full form writes docs/numbers.md with the date and the commit; the short one, for CI, writes nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.cancellation import cancellation
from benchmarks.parts import PARTS, Finding, Part, Scale
from tests.e2e.service import ROOT

DOCUMENT = ROOT / "docs" / "numbers.md"
FULL, SHORT = Scale(rounds=50), Scale(rounds=8)


def prove(parts: Sequence[Part], scale: Scale, console: Console) -> list[Finding]:
    """Run the parts one after the other, each in a folder of its own."""
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="outcry-prove-") as scratch:
        for part in parts:
            console.print(f"{part.__name__}: {part.__doc__}", highlight=False)
            findings += part(Path(scratch) / part.__name__, scale)
    return findings


def printed(findings: Sequence[Finding]) -> Table:
    """The findings as a table for the terminal."""
    table = Table(title="promised and measured")
    for heading in ("promise", "measured", "at most", "holds", "seen"):
        table.add_column(heading)
    for f in findings:
        table.add_row(f.promise, _amount(f.figure, f.unit), _amount(f.bound, f.unit), _verdict(f), f.detail)
    return table


def document(findings: Sequence[Finding], *, commit: str, now: datetime) -> str:
    """The findings as a page."""
    lines = [
        "# Promised and measured",
        "",
        "Written by `make prove`. Every figure was measured from outside, over HTTP, against the real process.",
        "",
        f"- date: {now:%Y-%m-%d %H:%M} UTC",
        f"- commit: {commit}",
        f"- machine: {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}",
        "",
        "| promise | measured | at most | holds | seen |",
        "|---|---|---|---|---|",
        *(
            f"| {f.promise} | {_amount(f.figure, f.unit)} | {_amount(f.bound, f.unit)} | {_verdict(f)} | {f.detail} |"
            for f in findings
        ),
    ]
    return "\n".join(lines) + "\n"


def current_commit() -> str:
    """The short hash of what was measured; says when it was not quite that commit."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "not a git checkout"


def main() -> None:
    """Measure, print, write; the exit code says whether every promise held."""
    every = (*PARTS, cancellation)
    names = {part.__name__: part for part in every}
    parser = argparse.ArgumentParser(description="Measure the promised numbers.")
    parser.add_argument("--short", action="store_true", help="fewer rounds, writes nothing")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these: {', '.join(names)}")
    asked = parser.parse_args()
    unknown = [name for name in asked.parts if name not in names]
    if unknown:
        parser.error(f"no part called {unknown[0]}; there are {', '.join(names)}")
    chosen = [names[name] for name in asked.parts] or every
    console = Console()
    findings = prove(chosen, SHORT if asked.short else FULL, console)
    console.print(printed(findings))
    if not asked.short and not asked.parts:
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(document(findings, commit=current_commit(), now=datetime.now(UTC)))
        console.print(f"written to {DOCUMENT.relative_to(ROOT)}")
    broken = [finding.promise for finding in findings if not finding.holds]
    if broken:
        sys.exit("broken: " + "; ".join(broken))


def _amount(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if unit else f"{value:g}"


def _verdict(finding: Finding) -> str:
    return "yes" if finding.holds else "NO"


if __name__ == "__main__":
    main()
