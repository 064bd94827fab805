"""What answers of a target are usually like: their length, and how much of the prompt came from its cache."""

from __future__ import annotations

from typing import Final

from app.domain.usage import Usage

# The newest answer's part in the mean: after twenty answers of another kind the mean has followed by nine tenths.
_NEWEST: Final = 0.1


class Habits:
    """Moving means over successes; None before the first."""

    __slots__ = ("cached_share", "output_tokens")

    def __init__(self) -> None:
        self.output_tokens: float | None = None
        self.cached_share = 0.0

    def see(self, usage: Usage) -> None:
        """One success."""
        share = min(usage.cached_tokens / usage.input_tokens, 1.0) if usage.input_tokens else 0.0
        if self.output_tokens is None:
            self.output_tokens, self.cached_share = float(usage.output_tokens), share
            return
        self.output_tokens += _NEWEST * (usage.output_tokens - self.output_tokens)
        self.cached_share += _NEWEST * (share - self.cached_share)
