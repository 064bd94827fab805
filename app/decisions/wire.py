"""The JSON of a decision and its votes, as the contract states it: every key always there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from app.domain.decision import Consensus, Decision, Entry, Opinion, Role, RuleViolation, Sample, Size, Vote
from app.domain.grades import Calibrated
from app.domain.usage import Usage, money


def rendered(decision: Decision) -> dict[str, Any]:
    """The answer to `POST /decisions`. Durations are milliseconds here, money a decimal string."""
    return {
        "id": decision.id,
        "symbol": decision.symbol,
        "action": str(decision.action),
        "actionable": decision.actionable,
        "confidence": decision.confidence,
        "reasoning": decision.reasoning,
        "entry": _entry(decision.entry),
        "stop_loss": decision.stop_loss,
        "take_profit": list(decision.take_profit),
        "size": _size(decision.size),
        "intent": decision.intent,
        "leverage": decision.leverage,
        "risk_reward": decision.risk_reward,
        "status": str(decision.status),
        "consensus": _consensus(decision.consensus),
        "votes": [vote_rendered(vote) for vote in decision.votes],
        "violations": [_violation(violation) for violation in decision.violations],
        "cost_usd": _money(decision.cost_usd),
        "latency_ms": _milliseconds(decision.latency),
        "contamination": decision.contamination,
        "risk": None if decision.risk is None else dict(decision.risk),
        "template": dict(decision.template),
        "warnings": list(decision.warnings),
        "created_at": decision.created_at.isoformat().replace("+00:00", "Z"),
        "agent_id": decision.agent_id,
        "request_id": decision.request_id,
        "algo_id": decision.algo_id,
        "decision_maker_id": decision.decision_maker_id,
        "metadata": dict(decision.metadata),
        "replayed": decision.replayed,
        "decision_hash": decision.decision_hash,
        "variant": decision.variant,
    }


def vote_rendered(vote: Vote) -> dict[str, Any]:
    """One vote; without status ok or repaired its action and confidence are null, and `reason` says why."""
    opinion = vote.opinion if vote.is_valid else None
    return {
        "provider": vote.provider,
        "model": vote.model,
        "status": str(vote.status),
        "reason": vote.reason,
        "action": None if opinion is None else str(opinion.action),
        "confidence": None if opinion is None else opinion.confidence,
        "calibrated_confidence": None if vote.calibration is None else vote.calibration.value,
        "calibration": calibration_rendered(vote.calibration),
        "weight": vote.weight,
        "family": vote.family,
        "role": str(vote.role),
        "shadow": vote.role is Role.SHADOW,
        "stage": vote.stage,
        "samples": [_sample(sample) for sample in vote.samples],
        "flip_rate": vote.flip_rate,
        **_stated(opinion),
        "risk_reward": vote.risk_reward if vote.is_valid else None,
        "violations": [_violation(violation) for violation in vote.violations],
        "latency_ms": None if vote.latency is None else _milliseconds(vote.latency),
        "cost_usd": _money(vote.cost_usd),
        "usage": usage_rendered(vote.usage),
        "news_driven": vote.news_driven,
        "parse": {"method": vote.parse.method, "warnings": list(vote.parse.warnings), "rung": vote.rung},
        "contamination": vote.contamination,
    }


def vote_event_rendered(vote: Vote, sample: int | None) -> dict[str, Any]:
    """A vote as it arrives: not counted yet, and `sample` (from 1) where it is one of several."""
    return vote_rendered(vote) | {"sample": sample}


def opinion_rendered(opinion: Opinion) -> dict[str, Any]:
    """An opinion alone: what the parser reads back to the same opinion."""
    return {
        "symbol": opinion.symbol,
        "action": str(opinion.action),
        "confidence": opinion.confidence,
        **_stated(opinion),
    }


def _stated(opinion: Opinion | None) -> dict[str, Any]:
    return {
        "reasoning": None if opinion is None else opinion.reasoning,
        "intent": None if opinion is None else opinion.intent,
        "strength": None if opinion is None else opinion.strength,
        "confidence_raw": None if opinion is None else opinion.confidence_raw,
        "entry": None if opinion is None else _entry(opinion.entry),
        "stop_loss": None if opinion is None else opinion.stop_loss,
        "take_profit": [] if opinion is None else list(opinion.take_profit),
        "size": None if opinion is None else _size(opinion.size),
        "leverage": None if opinion is None else opinion.leverage,
        "risk_usd": None if opinion is None else opinion.risk_usd,
        "time_horizon": None if opinion is None else opinion.time_horizon,
        "invalidation": None if opinion is None else opinion.invalidation,
        "key_factors": [] if opinion is None else list(opinion.key_factors),
        "risks": [] if opinion is None else list(opinion.risks),
    }


def _consensus(consensus: Consensus) -> dict[str, Any]:
    return {
        "method": consensus.method,
        "agreement": consensus.agreement,
        "effective_votes": consensus.effective_votes,
        "quorum": consensus.quorum,
        "settled_reason": str(consensus.settled_reason),
        "settled_at_ms": _milliseconds(consensus.settled_at),
        "dissent": list(consensus.dissent),
        "calibration": calibration_rendered(consensus.calibration),
    }


def calibration_rendered(calibration: Calibrated | None) -> dict[str, Any] | None:
    """How far a confidence can be believed; null where nothing was to be believed."""
    if calibration is None:
        return None
    return {"n": calibration.n, "method": calibration.method, "note": calibration.note}


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "status": str(sample.status),
        "action": None if sample.action is None else str(sample.action),
        "confidence": sample.confidence,
        "reason": sample.reason,
        "latency_ms": None if sample.latency is None else _milliseconds(sample.latency),
    }


def _violation(violation: RuleViolation) -> dict[str, Any]:
    return {
        "code": violation.code,
        "severity": str(violation.severity),
        "field": violation.field,
        "message": violation.message,
    }


def _entry(entry: Entry | None) -> dict[str, Any] | None:
    return None if entry is None else {"type": entry.type, "price": entry.price}


def _size(size: Size | None) -> dict[str, Any] | None:
    return None if size is None else {"unit": size.unit, "value": size.value}


def usage_rendered(usage: Usage | None) -> dict[str, Any] | None:
    """Usage in our words, the same in a vote and in a chat."""
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "source": str(usage.source),
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else money(amount)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
