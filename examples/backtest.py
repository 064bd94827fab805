"""Two years of decisions on real daily bars, made twice from one recording, and what they would have earned.

    python examples/backtest.py --until 2018-12-28 --days 504

The first pass asks (or, where the run has an answer already, replays), the second only replays; every decision must
come out with the same hash. With the local model among the gateway's providers it sits beside the three sandbox
traders: its first pass takes half an hour on two cores, may be stopped at any time, and goes on where
it stopped. A recording of one comes along: `outcry replay import examples/backtest-2018-12-28-504.jsonl.gz`.
What comes out is an exercise in plumbing: the traders are rules of three lines, and no cost but a fee is in it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

try:
    from examples.chart import chart
    from examples.first_decision import LEAST_BARS, SYMBOL, Bar, daily_bars, market
except ModuleNotFoundError:  # started as a file, its folder is where modules come from
    from chart import chart  # type: ignore[import-not-found,no-redef]
    from first_decision import LEAST_BARS, SYMBOL, Bar, daily_bars, market  # type: ignore[import-not-found,no-redef]

TRADERS: Final = ("sandbox/trend", "sandbox/reversion", "sandbox/breakout")
LOCAL: Final = "local/"
UNTIL: Final = date(2018, 12, 28)
DAYS: Final = 504
KNOWN_BARS: Final = 260
FEE: Final = 0.0001
BLUE, ORANGE = (31, 90, 180), (230, 130, 30)
POSITIONS: Final = {"BUY": 1, "SELL": -1}
Advance = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Made:
    """One decision: the day at whose close it was made, what it says to hold, and its hash."""

    day: date
    position: int
    hash: str
    replayed: bool


class Desk:
    """Asks the gateway for decisions of one run. Ends the program with the gateway's own words when it refuses."""

    def __init__(self, client: httpx.Client, run: str, models: Sequence[str]) -> None:
        self._client = client
        self._run = run
        self._models = list(models)

    def decide(self, known: Sequence[Bar], mode: str) -> Made:
        """The decision at the close of the last of these bars."""
        context = market(known[-KNOWN_BARS:])
        headers = {"x-outcry-replay": mode, "x-outcry-run": self._run, "x-outcry-as-of": context["as_of"]}
        question = {"symbol": SYMBOL, "market": context, "models": self._models, "deadline_ms": 120_000}
        answer = self._client.post("/decisions", json=question, headers=headers)
        body: dict[str, Any] = answer.json()
        if answer.is_error:
            sys.exit(f"{known[-1].day}: {answer.status_code}: {body['error']['message']}")
        position = POSITIONS.get(body["action"], 0) if body["actionable"] else 0
        return Made(known[-1].day, position, body["decision_hash"], body["replayed"])


def members(client: httpx.Client) -> list[str]:
    """The sandbox's traders, and the local model where the gateway has one."""
    listed = client.get("/v1/models")
    listed.raise_for_status()
    names = [str(model["id"]) for model in listed.json()["data"]]
    missing = [name for name in TRADERS if name not in names]
    if missing:
        sys.exit(f"the gateway has no {', '.join(missing)}: put a provider of type sandbox into its file")
    return [*TRADERS, *[name for name in names if name.startswith(LOCAL)][:1]]


def made(desk: Desk, bars: Sequence[Bar], days: int, mode: str, advance: Advance) -> list[Made]:
    """A decision at the close of each of the last `days` bars."""
    decisions = []
    for end in range(len(bars) - days, len(bars)):
        decisions.append(desk.decide(bars[: end + 1], mode))
        advance()
    return decisions


def equity(decisions: Sequence[Made], bars: Sequence[Bar]) -> tuple[list[float], list[float]]:
    """What one dollar became: by these decisions, each held from its close to the next, and by holding the index."""
    closes = {bar.day: bar.close for bar in bars}
    own, index, held = [1.0], [1.0], 0
    for now, then in pairwise(decisions):
        change = closes[then.day] / closes[now.day] - 1
        own.append(own[-1] * (1 + now.position * change - FEE * abs(now.position - held)))
        index.append(index[-1] * (1 + change))
        held = now.position
    return own, index


def drawdown(curve: Sequence[float]) -> float:
    """The deepest fall from a peak, 0..1."""
    peak, deepest = curve[0], 0.0
    for value in curve:
        peak = max(peak, value)
        deepest = max(deepest, 1 - value / peak)
    return deepest


def hash_of(decisions: Sequence[Made]) -> str:
    """One hash of all decisions in their order."""
    return hashlib.sha256("".join(one.hash for one in decisions).encode()).hexdigest()


def differing(first: Sequence[Made], second: Sequence[Made]) -> list[date]:
    """The days whose decisions came out differently."""
    return [one.day for one, other in zip(first, second, strict=True) if one.hash != other.hash]


def backtest(client: httpx.Client, bars: Sequence[Bar], days: int, *, run: str, picture: Path, out: Console) -> bool:
    """Decide twice, compare, draw; whether both passes were the same."""
    desk = Desk(client, run, panel := members(client))
    out.print(f"run {run}: {days} days until {bars[-1].day}, {', '.join(panel)}")
    passes = []
    for name, mode in (("recorded", "replay-or-record"), ("replayed", "replay")):
        with progress(out, name, days) as advance:
            passes.append(made(desk, bars, days, mode, advance))
    first, second = passes
    wrong = differing(first, second)
    own, index = equity(second, bars)
    picture.write_bytes(chart([(index, ORANGE), (own, BLUE)], (str(first[0].day), str(first[-1].day))))
    counts = {
        name: sum(one.position == held for one in second) for name, held in (("long", 1), ("short", -1), ("flat", 0))
    }
    out.print(f"{sum(one.replayed for one in first)} of {days} decisions of the first pass were recorded before")
    out.print(f"first pass  {hash_of(first)}\nsecond pass {hash_of(second)}")
    out.print("days " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    out.print(f"decisions {own[-1] - 1:+.1%}, deepest fall {drawdown(own):.1%} (blue); ", end="")
    out.print(f"index {index[-1] - 1:+.1%}, deepest fall {drawdown(index):.1%} (orange): {picture}")
    for day in wrong[:5]:
        out.print(f"{day}: another decision the second time")
    return not wrong


@contextmanager
def progress(out: Console, name: str, total: int) -> Iterator[Advance]:
    """A bar while a pass runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out) as bar:
        task = bar.add_task(name, total=total)
        yield lambda: bar.advance(task)


def chosen(bars: Sequence[Bar], until: date, days: int) -> list[Bar]:
    """The bars up to a day; ends the program where they are too few for so many decisions."""
    known = [bar for bar in bars if bar.day <= until]
    if not 2 <= days <= len(known) - LEAST_BARS:
        sys.exit(f"choose 2 to {max(len(known) - LEAST_BARS, 2)} days until {until}")
    return known


def main() -> None:
    """Read the command line, decide twice, print."""
    parser = argparse.ArgumentParser(description="Two years of decisions, made twice from one recording.")
    parser.add_argument("--until", type=date.fromisoformat, default=UNTIL, help="the last day, YYYY-MM-DD")
    parser.add_argument("--days", type=int, default=DAYS, help="trading days to decide on")
    parser.add_argument("--run", help="the run's name; made from the days without")
    parser.add_argument("--chart", type=Path, default=Path("backtest.png"), help="where the equity curve goes")
    parser.add_argument("--base-url", default="http://127.0.0.1:8080", help="where the gateway is")
    asked = parser.parse_args()
    bars = chosen(daily_bars(), asked.until, asked.days)
    run = asked.run or f"backtest-{asked.until}-{asked.days}"
    try:
        with httpx.Client(base_url=asked.base_url.rstrip("/"), timeout=130) as client:
            same = backtest(client, bars, asked.days, run=run, picture=asked.chart, out=Console())
    except httpx.HTTPError as error:
        sys.exit(f"no gateway at {asked.base_url} ({error!r}): start one with `make run`")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
