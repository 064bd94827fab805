"""Fuzz the parser of answers: `python -m benchmarks.fuzz [--seconds N] [--seed N]`; exits with 1 for a failure.

The corpus starts from the table of variants. Each failing text is written to fuzz-failures/, ready to become a test.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.parser.fuzzing import Campaign, Failure
from tests.decisions.variants import VARIANTS

FAILURES: Final = Path("fuzz-failures")
_EVERY: Final = 5.0


def fuzz(seconds: float, seed: int) -> Campaign:
    """A campaign of so many seconds, told while it runs."""
    campaign = Campaign(random.Random(seed))
    campaign.seed(variant.text for variant in VARIANTS)
    known = len(campaign.branches)
    print(f"seed {seed}: {campaign.executions} variants reach {known} branches", flush=True)
    began = told = time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        campaign.step()
        if now - told >= _EVERY:
            told = now
            print(_progress(campaign, known, now - began), flush=True)
    print(_progress(campaign, known, time.monotonic() - began))
    return campaign


def _progress(campaign: Campaign, known: int, passed: float) -> str:
    return (
        f"{passed:6.0f} s  {campaign.executions} executions  {len(campaign.branches) - known} new branches"
        f"  {len(campaign.outcomes)} outcomes  corpus {len(campaign.corpus)}  {campaign.actionable} votes"
        f"  {len(campaign.failures)} failures"
    )


def _written(failure: Failure, number: int) -> Path:
    FAILURES.mkdir(exist_ok=True)
    path = FAILURES / f"{number:03}.json"
    path.write_text(json.dumps({"problem": failure.problem, "side": failure.side, "text": failure.text}, indent=1))
    return path


def main() -> None:
    """Fuzz for a while, tell what was found."""
    parser = argparse.ArgumentParser(description="Fuzz the parser of answers.")
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    asked = parser.parse_args()
    campaign = fuzz(asked.seconds, asked.seed)
    for number, failure in enumerate(campaign.failures.values()):
        print(f"{_written(failure, number)}: {failure.problem}: {failure.text[:200]!r}")
    if campaign.failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
