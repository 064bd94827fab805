"""Token counts of Google's answers."""

from __future__ import annotations

from typing import Any

from app.domain.usage import Usage


def usage_of(metadata: Any) -> Usage | None:  # noqa: ANN401 - a wire body
    """What was counted; None when there is nothing or only zeros.

    Thoughts are counted apart from the answer and belong to the output, unless the total says that they are in it.
    """
    if not isinstance(metadata, dict):
        return None
    prompt, used, said, thought, total, cached = (
        _count(metadata, name)
        for name in (
            "promptTokenCount",
            "toolUsePromptTokenCount",
            "candidatesTokenCount",
            "thoughtsTokenCount",
            "totalTokenCount",
            "cachedContentTokenCount",
        )
    )
    if not (prompt or used or said or thought or total):
        return None
    is_inside = total in (prompt + said, prompt + used + said)
    output = said if is_inside else said + thought
    return Usage(
        input_tokens=prompt + used,
        output_tokens=output,
        cached_tokens=min(cached, prompt),
        reasoning_tokens=min(thought, output),
    )


def _count(metadata: dict[str, Any], name: str) -> int:
    count = metadata.get(name)
    return max(count, 0) if isinstance(count, int) and not isinstance(count, bool) else 0
