"""Answers about how a decision came about."""

from __future__ import annotations

from typing import Any, Final

from app.api.examples.native import DECISION_ANSWER

_HASH: Final = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

DOSSIER: Final[dict[str, Any]] = {
    "decision": DECISION_ANSWER,
    "dossier": {
        "dossier_version": "1.0",
        "decision_id": "dec_5f0c9d2e",
        "request_id": "req_5f0c9d2e",
        "algo_id": "btc-5m",
        "decision_maker_id": None,
        "key_id": "1a2b3c4d",
        "agent_id": 7,
        "times": {
            "asked_at": "2026-11-20T14:15:00.125000Z",
            "decided_at": "2026-11-20T14:15:02.325000Z",
            "settled_s": 2.19,
            "decided_s": 2.2,
            "deadline_s": 60.0,
        },
        "as_of": None,
        "contamination": None,
        "method": "majority",
        "request": {"symbol": "BTC/USDT", "members": ["openai_primary/gpt-4o-mini"], "metadata": {}},
        "prompt": {"sha256": _HASH, "messages": [{"role": "system", "content": "You are one member of ..."}]},
        "template": {"id": "decision", "version": "2.0", "hash": _HASH},
        "calls": [
            {
                "place": ".0",
                "state": "answered",
                "requested_model": "openai_primary/gpt-4o-mini",
                "config_id": None,
                "parameters": {},
                "messages": None,
                "appended_messages": [],
                "started_s": 0.004,
                "duration_s": 2.18,
                "error": None,
                "served": {"provider": "openai_primary", "model": "gpt-4o-mini", "rung": "schema"},
                "answer": {"raw": '{"action": "BUY", ...', "is_cut": False, "characters": 212, "sha256": None},
                "usage": {"input_tokens": 900, "output_tokens": 80},
                "cost_usd": "0.000183",
                "warnings": [],
            }
        ],
        "attempts": [
            {
                "id": "5f0c9d2e5f0c9d2e5f0c9d2e5f0c9d2e",
                "place": ".0",
                "ordinal": 1,
                "provider": "openai_primary",
                "model": "gpt-4o-mini",
                "kind": "first",
                "outcome": "ok",
                "code": None,
                "duration_s": 2.17,
                "cost_usd": "0.000183",
                "price_source": "genai-prices 0.2.3",
                "price_dated": "2026-11-09",
            }
        ],
        "left_out": {"attempts": 0, "calls": 0},
        "cost_usd": "0.000183",
        "made_by": {
            "version": "0.1.0",
            "build": "5f0c9d2e5f0c9d2e",
            "config_revisions": {"stored": 4, "providers": 1},
        },
    },
    "late": None,
    "payloads": [
        {
            "part": "dossier",
            "form": "encrypted",
            "sha256": _HASH,
            "key_id": "9f86d081",
            "created_at": "2026-11-20T14:15:02.325000Z",
            "erased": None,
        }
    ],
}
ERASURE: Final[dict[str, Any]] = {
    "decision_id": "dec_5f0c9d2e",
    "erased": {"answer": _HASH, "dossier": _HASH},
    "erased_at": "2026-11-21T09:00:00Z",
    "erased_by": "1a2b3c4d",
    "reason": "asked for by the customer",
}
