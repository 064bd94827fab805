"""Token counts of OpenAI's dialect, with the ways in which its imitators count differently."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from app.domain.usage import Usage

_TICKS_PER_DOLLAR: Final = 10_000_000_000


def usage_of(usage: Any) -> Usage | None:  # noqa: ANN401 - a wire body, of any shape
    """What was counted; None when there is nothing or only zeros."""
    if not isinstance(usage, dict):
        return None
    prompt, completion, total = (_count(usage, f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if not (prompt or completion or total):
        return None
    prompt_details, completion_details = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    cached = _count(prompt_details, "cached_tokens") or _count(usage, "cached_tokens")
    cached = cached or _count(usage, "prompt_cache_hit_tokens")
    written = _count(prompt_details, "cache_write_tokens")
    cached = min(cached, prompt)
    return Usage(
        input_tokens=prompt,
        # xAI and Gemini leave reasoning out of the completion's tokens; their total tells.
        output_tokens=max(completion, total - prompt),
        cached_tokens=cached,
        cache_write_tokens=min(written, prompt - cached),
        reasoning_tokens=_reasoning(completion_details, completion, total - prompt),
        reported_cost=_cost(usage),
    )


def put_usage_right(stated: dict[str, Any], usage: Usage) -> None:
    """Make what a provider stated say what was counted: OpenAI's clients know one way to count only."""
    stated.update(
        prompt_tokens=usage.input_tokens, completion_tokens=usage.output_tokens, total_tokens=usage.total_tokens
    )
    if usage.cached_tokens:
        _put_detail(stated, "prompt_tokens_details", "cached_tokens", usage.cached_tokens)
    if usage.reasoning_tokens:
        _put_detail(stated, "completion_tokens_details", "reasoning_tokens", usage.reasoning_tokens)


def _put_detail(stated: dict[str, Any], group: str, name: str, count: int) -> None:
    details = stated.get(group)
    stated[group] = {**details, name: count} if isinstance(details, dict) else {name: count}


def _reasoning(details: Any, completion: int, output: int) -> int:  # noqa: ANN401 - a wire body
    stated = _count(details, "reasoning_tokens")
    return stated or max(output - completion, 0)


def _count(value: Any, name: str) -> int:  # noqa: ANN401 - a wire body
    count = value.get(name) if isinstance(value, dict) else None
    return max(int(count), 0) if isinstance(count, int | float) and not isinstance(count, bool) else 0


def _cost(usage: dict[str, Any]) -> Decimal | None:
    cost = usage.get("cost")
    if isinstance(cost, int | float) and not isinstance(cost, bool) and cost >= 0:
        # No zero below zero: it would be told as one.
        return abs(Decimal(str(cost)))
    ticks = usage.get("cost_in_usd_ticks")
    if isinstance(ticks, int) and not isinstance(ticks, bool) and ticks >= 0:
        return Decimal(ticks) / _TICKS_PER_DOLLAR
    return None
