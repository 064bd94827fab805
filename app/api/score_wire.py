"""The JSON of leaderboard and calibration."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Final

from app.api.times import rendered_time
from app.domain.usage import money
from app.outcomes.board import Board
from app.outcomes.book import Page
from app.outcomes.calibration import Curve
from app.outcomes.leaderboard import By, Row

_DIGITS: Final = 6


def rendered_board(board: Board) -> dict[str, Any]:
    """The rows with every column, and the window they were counted in."""
    window = board.window
    return {
        "by": board.by.value,
        "rows": [_row(board.by, row) for row in board.rows],
        "window": {
            "since": None if window.since is None else rendered_time(window.since),
            "until": None if window.until is None else rendered_time(window.until),
            "agent": window.agent_id,
            "symbol": window.symbol,
        },
    }


def rendered_curves(page: Page) -> dict[str, Any]:
    """A curve per model, and one per method for the agreement of its panels."""
    models = sorted(page.targets.items(), key=lambda item: (item[0].provider, item[0].model))
    return {
        "models": [{"provider": target.provider, "model": target.model} | _curve(curve) for target, curve in models],
        "methods": [{"method": method} | _curve(curve, "fit") for method, curve in sorted(page.methods.items())],
    }


def _curve(curve: Curve, named: str = "method") -> dict[str, Any]:
    return {
        named: curve.method.value,
        "n": curve.n,
        "base_rate": _number(curve.base_rate),
        "note": curve.note,
        "points": [[_number(claimed), _number(worth)] for claimed, worth in curve.points],
    }


def _row(by: By, row: Row) -> dict[str, Any]:
    tally, paper, claims = row.tally, row.tally.paper, row.tally.claims
    return _subject(by, row) | {
        "rank": row.rank,
        "note": row.note,
        "decisions": tally.decisions,
        "resolved": tally.resolved,
        "correct": tally.hits,
        "hit_rate": _number(row.hit_rate),
        "hit_rate_interval": [_number(end) for end in row.interval],
        "abstentions": dict(tally.abstentions.most_common()),
        "abstention_rate": _number(row.abstention_rate),
        "invalid": dict(tally.invalid_reasons.most_common()),
        "invalid_rate": _number(row.invalid_rate),
        "errors": tally.errors,
        "mean_forward_return": _number(row.mean_forward_return),
        "paper_return": _number(paper.total) if tally.returned else None,
        "max_drawdown": _number(paper.drawdown) if tally.returned else None,
        "win_rate": _number(paper.win_rate),
        "profit_factor": _number(paper.profit_factor),
        "brier": _number(claims.brier),
        "ece": _number(claims.ece),
        "value_added": _number(row.value_added),
        "value_added_over": tally.panels,
        "average_latency_ms": _milliseconds(row.average_latency),
        "p50_ms": _milliseconds(tally.latency(0.5)),
        "p95_ms": _milliseconds(tally.latency(0.95)),
        "cost_usd": money(tally.cost) if tally.priced else None,
        "cost_per_decision": _money(row.cost_per_decision),
        "cost_per_correct_decision": _money(row.cost_per_correct_decision),
        "unpriced": tally.unpriced,
    }


def _subject(by: By, row: Row) -> dict[str, Any]:
    match by:
        case By.MODEL:
            provider, model = row.subject
            return {"provider": provider, "model": model}
        case By.AGENT:
            return {"agent_id": row.subject[0]}
        case By.METHOD | By.VARIANT:
            return {by.value: row.subject[0]}


def _number(value: float | None) -> float | None:
    """Rounded; null too for what is no number any more, which JSON has no word for."""
    return None if value is None or not math.isfinite(value) else round(value, _DIGITS)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _money(amount: Decimal | None) -> str | None:
    # A share of a sum may have no end; a billionth of a dollar is finer than any price.
    return None if amount is None else money(amount.quantize(Decimal("1e-9")))
