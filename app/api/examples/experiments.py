"""Experiments as the document shows them."""

from __future__ import annotations

from typing import Any, Final

EXPERIMENT: Final[dict[str, Any]] = {
    "id": "exp_5f0c9d2e5f0c9d2e",
    "name": "gpt-4o against sonnet",
    "agent_id": 7,
    "status": "running",
    "arms": [
        {"name": "gpt", "share": 0.8, "config_id": 11, "language": None, "template": None},
        {"name": "sonnet", "share": 0.2, "config_id": 12, "language": None, "template": None},
    ],
    "sticky_by": "symbol",
    "applies_to": ["decisions"],
    "shadow": [],
    "created_at": "2026-11-20T14:15:00Z",
    "created_by": "5f0c9d2e",
    "stopped_at": None,
    "stopped_by": None,
}


def _arm(arm: dict[str, Any], n: int, hits: tuple[float, list[float]], cost: str) -> dict[str, Any]:
    decisions = {
        "n": n,
        "validity": {"votes": n, "rate": 1.0, "interval": [0.954, 1.0]},
        "hit_rate": {"votes": n, "rate": hits[0], "interval": hits[1]},
        "cost_usd": "1.2",
        "unpriced": 0,
        "cost_per_decision_usd": {"n": n, "mean": cost, "interval": [cost, cost]},
        "latency_ms": {"n": n, "mean": 1410.0, "interval": [1290.0, 1530.0]},
    }
    return arm | {"results": {"decisions": decisions, "chat": None}}


COMPARED: Final[dict[str, Any]] = EXPERIMENT | {
    "arms": [
        _arm(EXPERIMENT["arms"][0], 320, (0.55, [0.495, 0.604]), "0.00375"),
        _arm(EXPERIMENT["arms"][1], 80, (0.5625, [0.453, 0.666]), "0.015"),
    ],
    "comparison": {
        "baseline": "gpt",
        "level": 0.95,
        "comparisons": 4,
        "rows": [
            {
                "metric": "hit_rate",
                "arm": "sonnet",
                "n": 80,
                "baseline_n": 320,
                "difference": 0.0125,
                "interval": [-0.141, 0.161],
                "verdict": "no difference shown",
            }
        ],
    },
    "shadows": [],
}
