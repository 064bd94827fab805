"""The scoreboard: measure what is promised, print it beside its bound, fail when one promise does not hold.

    python -m benchmarks.prove [--short] [--only GROUP]... [--seed N]

The full form takes about forty minutes on a quiet machine and writes docs/scoreboard.md with the date and the
commit. The short one, for CI, measures little of everything and writes nothing.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.scoreboard.board import Group, Row, Stage, unmeasured
from benchmarks.scoreboard.groups import GROUPS
from benchmarks.scoreboard.page import page, printed
from tests.e2e.service import ROOT

DOCUMENT = ROOT / "docs" / "scoreboard.md"


def prove(groups: Mapping[str, Group], *, is_full: bool, seed: int, console: Console) -> list[Row]:
    """The rows of these groups, measured one after the other, each in a folder of its own."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="outcry-prove-") as scratch:
        for name, group in groups.items():
            console.print(f"{name}: {group.__doc__}", highlight=False)
            began = time.monotonic()
            try:
                rows += group(Stage(Path(scratch) / name, is_full=is_full, rng=random.Random(f"{seed} {name}")))
            except Exception as error:
                # One group that cannot go on must not cost the figures of the others; its row says that it broke.
                console.print_exception()
                rows.append(unmeasured(name, error))
            console.print(f"  {time.monotonic() - began:.1f} s", highlight=False)
    return rows


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
    """Measure, print, write; the exit code says whether every promise held.

    The short form takes too few measurements for times and ratios: it prints them, and goes by what it counts.
    """
    parser = argparse.ArgumentParser(description="Measure what is promised.")
    parser.add_argument("--short", action="store_true", help="little of everything, writes nothing")
    parser.add_argument("--write", action="store_true", help="write the page from the short form too")
    parser.add_argument("--only", action="append", choices=list(GROUPS), metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--seed", type=int, default=1, help="of every order and arrival that is left to chance")
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(f"seed {asked.seed}", highlight=False)
    chosen = {name: group for name, group in GROUPS.items() if asked.only is None or name in asked.only}
    rows = prove(chosen, is_full=not asked.short, seed=asked.seed, console=console)
    console.print(printed(rows))
    if asked.only is None and (asked.write or not asked.short):
        told = page(rows, commit=current_commit(), seed=asked.seed, now=datetime.now(UTC), is_full=not asked.short)
        DOCUMENT.write_text(told)
        console.print(f"written to {DOCUMENT.relative_to(ROOT)}")
    deciding = [row for row in rows if row.is_count] if asked.short else rows
    broken = [f"{row.promise} ({row.fault})" for row in deciding if not row.holds]
    if broken:
        sys.exit("does not hold: " + "; ".join(broken))


if __name__ == "__main__":
    main()
