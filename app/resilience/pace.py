"""How long answers take, by the length of their prompts: what tells the chance to be done in time."""

from __future__ import annotations

from collections import deque
from typing import Final

# Fewer tell no slope from noise.
_LEAST_FOR_SLOPE: Final = 8


class Pace:
    """The newest `most` successes of the last `seconds`: their durations in seconds and their prompts' tokens."""

    __slots__ = ("_seconds", "_seen")

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._seen: deque[tuple[float, float, int]] = deque(maxlen=most)

    def add(self, now: float, duration: float, input_tokens: int) -> None:
        """One success."""
        self._seen.append((now, duration, input_tokens))

    def share_within(self, seconds: float, input_tokens: int, now: float) -> float | None:
        """Which share of them would have been done within so many seconds with such a prompt; None of none.

        Each one is put to this prompt's length by what a token of prompt costs here on the average; a shorter prompt
        never takes longer.
        """
        while self._seen and self._seen[0][0] + self._seconds <= now:
            self._seen.popleft()
        if not self._seen:
            return None
        slope = self._seconds_per_token()
        done = sum(duration + slope * (input_tokens - tokens) <= seconds for _, duration, tokens in self._seen)
        return done / len(self._seen)

    def _seconds_per_token(self) -> float:
        """The slope of the line through durations over prompts; never negative, 0 where all prompts are alike."""
        count = len(self._seen)
        if count < _LEAST_FOR_SLOPE:
            return 0.0
        mean_tokens = sum(tokens for _, _, tokens in self._seen) / count
        mean_duration = sum(duration for _, duration, _ in self._seen) / count
        spread = sum((tokens - mean_tokens) ** 2 for _, _, tokens in self._seen)
        if spread == 0:
            return 0.0
        together = sum((tokens - mean_tokens) * (duration - mean_duration) for _, duration, tokens in self._seen)
        return max(together / spread, 0.0)
