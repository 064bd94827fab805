"""A decision about a real day: the S&P 500's daily bars in, a panel's votes and its decision out.

    python examples/first_decision.py 2018-12-24 --models sandbox/trend sandbox/reversion sandbox/breakout

The bars come with the `arch` package (`pip install -r requirements-examples.lock`). Only bars up to the date are used.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from itertools import pairwise
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

SYMBOL = "SPX"
DEFAULT_DATE = date(2018, 12, 24)
LEAST_BARS = 60
MOST_TEXT = 200
Values = Sequence[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """One trading day."""

    day: date
    high: float
    low: float
    close: float


def ema(values: Values, period: int) -> list[float]:
    """Exponential moving average with weight 2 / (period + 1), seeded with the mean of the first `period` values.

    As long as `values` minus the seed's first `period - 1`.
    """
    weight = 2 / (period + 1)
    averages = [sum(values[:period]) / period]
    for value in values[period:]:
        averages.append(averages[-1] + weight * (value - averages[-1]))
    return averages


def smoothed(values: Values, period: int) -> float:
    """Wilder's average of all values: the mean of the first `period`, then a `period`-th of each new one."""
    average = sum(values[:period]) / period
    for value in values[period:]:
        average += (value - average) / period
    return average


def rsi(closes: Values, period: int = 14) -> float:
    """Wilder's relative strength index, 0..100; 50 where nothing moved."""
    changes = [after - before for before, after in pairwise(closes)]
    gain = smoothed([max(change, 0.0) for change in changes], period)
    loss = smoothed([max(-change, 0.0) for change in changes], period)
    return 50.0 if gain == loss == 0 else 100 * gain / (gain + loss)


def macd(closes: Values, fast: int = 12, slow: int = 26, signal: int = 9) -> tuple[float, float]:
    """The last MACD line and its signal line."""
    quick, steady = ema(closes, fast), ema(closes, slow)
    line = [a - b for a, b in zip(quick[slow - fast :], steady, strict=True)]
    return line[-1], ema(line, signal)[-1]


def atr(bars: Sequence[Bar], period: int = 14) -> float:
    """Wilder's average true range; gaps over night count."""
    ranges = [
        max(bar.high - bar.low, abs(bar.high - before.close), abs(bar.low - before.close))
        for before, bar in pairwise(bars)
    ]
    return smoothed(ranges, period)


def bollinger(closes: Values, period: int = 20, width: float = 2.0) -> tuple[float, float, float]:
    """Lower, middle and upper band: the mean of the last `period` closes and `width` population deviations."""
    last = closes[-period:]
    middle = sum(last) / period
    deviation = (sum((close - middle) ** 2 for close in last) / period) ** 0.5
    return middle - width * deviation, middle, middle + width * deviation


def market(bars: Sequence[Bar]) -> dict[str, Any]:
    """The market context at the close of the last of these bars."""
    closes = [bar.close for bar in bars]
    line, signal = macd(closes)
    lower, middle, upper = bollinger(closes)
    return {
        "symbol": SYMBOL,
        "as_of": f"{bars[-1].day.isoformat()}T21:00:00Z",
        "timeframe": "swing",
        "bar": "1d",
        "price": {"last": closes[-1]},
        "indicators": {
            "rsi": {"period": 14, "value": round(rsi(closes), 2)},
            "macd": {"macd": round(line, 2), "signal": round(signal, 2), "hist": round(line - signal, 2)},
            "ema": [{"period": period, "value": round(ema(closes, period)[-1], 2)} for period in (20, 50)],
            "atr": {"period": 14, "value": round(atr(bars), 2)},
            "bollinger": {"upper": round(upper, 2), "middle": round(middle, 2), "lower": round(lower, 2)},
        },
        "series": [{"name": "close", "bar": "1d", "order": "oldest_first", "values": closes[-30:]}],
    }


def daily_bars() -> list[Bar]:
    """The S&P 500, 1999 to 2018, as the `arch` package ships it."""
    try:
        packed = (resources.files("arch.data.sp500") / "sp500.csv.gz").read_bytes()
    except ModuleNotFoundError:
        sys.exit("the bars come with a package: pip install -r requirements-examples.lock (or: make example)")
    rows = csv.DictReader(gzip.decompress(packed).decode().splitlines())
    return [
        Bar(
            datetime.strptime(row["Date"], "%m/%d/%Y").date(),  # noqa: DTZ007 - a trading day has no time zone
            high=float(row["High"]),
            low=float(row["Low"]),
            close=float(row["Close"]),
        )
        for row in rows
    ]


def known_on(bars: Sequence[Bar], day: date) -> list[Bar]:
    """The bars that were known when this day closed; ends the program where they are too few or the day is later."""
    known = [bar for bar in bars if bar.day <= day]
    first, last = bars[LEAST_BARS - 1].day, bars[-1].day
    if not first <= day <= last:
        sys.exit(f"choose a date from {first} to {last}: {day} is outside of the data")
    return known


def decide(base_url: str, models: Sequence[str] | None, context: dict[str, Any]) -> dict[str, Any]:
    """Ask the gateway for a decision; ends the program with the gateway's own words when it refuses."""
    question = {"symbol": SYMBOL, "market": context, "models": models, "settle": "all"}
    try:
        answer = httpx.post(
            f"{base_url}/decisions", json=question, headers={"x-outcry-as-of": context["as_of"]}, timeout=130
        )
    except httpx.HTTPError as error:
        sys.exit(f"no gateway at {base_url} ({error!r}): start one with `make run`")
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        sys.exit(f"{answer.status_code}: {body['error']['message']} {body['error'].get('errors', '')}")
    return body


def show(context: dict[str, Any], decision: dict[str, Any], console: Console) -> None:
    """Print what was known, who voted how, and what was decided."""
    indicators = context["indicators"]
    known = (
        f"close {context['price']['last']:.2f}  RSI {indicators['rsi']['value']}  "
        f"MACD {indicators['macd']['macd']}/{indicators['macd']['signal']}  "
        f"EMA20/50 {indicators['ema'][0]['value']}/{indicators['ema'][1]['value']}  "
        f"ATR {indicators['atr']['value']}  "
        f"Bollinger {indicators['bollinger']['lower']} to {indicators['bollinger']['upper']}"
    )
    console.print(f"{SYMBOL} on {context['as_of'][:10]}: {known}")
    votes = Table(show_lines=True)
    for heading in ("member", "status", "vote", "conf.", "ms", "why"):
        votes.add_column(heading)
    for vote in decision["votes"]:
        why = vote["reasoning"] if vote["action"] else vote["reason"]
        votes.add_row(
            f"{vote['provider']}/{vote['model']}",
            vote["status"],
            vote["action"] or "-",
            "-" if vote["confidence"] is None else f"{vote['confidence']:.2f}",
            "-" if vote["latency_ms"] is None else f"{vote['latency_ms']:.0f}",
            shown(why),
        )
    console.print(votes)
    outcome = Table(title="decision", show_header=False)
    consensus = decision["consensus"]
    rows = {
        "action": f"{decision['action']} ({decision['status']}, {'' if decision['actionable'] else 'not '}actionable)",
        "settled": f"{consensus['settled_reason']} at {consensus['settled_at_ms']:.0f} ms, by {consensus['method']}, "
        f"agreement {consensus['agreement']:.2f}, quorum {consensus['quorum']}",
        **{name: terms(decision[name]) for name in ("confidence", "entry", "stop_loss", "take_profit", "size")},
        "warnings": "\n".join(f"- {warning}" for warning in decision["warnings"]) or "none",
        "id": decision["id"],
    }
    for name, value in rows.items():
        outcome.add_row(name, escape(value))
    console.print(outcome)


def shown(text: object) -> str:
    """What a model wrote, on one line and without a meaning to the terminal: it may be anything."""
    words = " ".join("".join(c if c.isprintable() else " " for c in str(text or "")).split())
    return escape(words if len(words) <= MOST_TEXT else f"{words[:MOST_TEXT]}…")


def terms(value: object) -> str:
    """One term of a decision as a person reads it."""
    if isinstance(value, dict):
        return " ".join(terms(part) for part in value.values() if part is not None)
    if isinstance(value, list):
        return ", ".join(map(terms, value)) or "-"
    return "-" if value is None else str(value).replace("_", " ")


def main() -> None:
    """Read the command line, ask, print."""
    parser = argparse.ArgumentParser(description="A panel's decision about the S&P 500 on a real day.")
    parser.add_argument("date", nargs="?", type=date.fromisoformat, default=DEFAULT_DATE, help="YYYY-MM-DD")
    parser.add_argument("--base-url", default="http://127.0.0.1:8080", help="where the gateway is")
    parser.add_argument("--models", nargs="+", help="panel members; default: every provider's")
    asked = parser.parse_args()
    context = market(known_on(daily_bars(), asked.date))
    show(context, decide(asked.base_url.rstrip("/"), asked.models, context), Console())


if __name__ == "__main__":
    main()
