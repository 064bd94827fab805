"""Token counts as Chat Completions has them, for dialects that count in words of their own."""

from __future__ import annotations

from app.domain.chat import JSON
from app.domain.usage import Usage


def wire_usage(usage: Usage) -> JSON:
    """OpenAI's `usage` object, with the parts that are cached, written to a cache and spent on reasoning."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
