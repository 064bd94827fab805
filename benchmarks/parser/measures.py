"""The parser's figures: how long a variant and a large answer take, and how often an action is guessed."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

from app.decisions.parsing import Answer, parse_answer
from benchmarks.parser.fuzzing import Campaign
from benchmarks.parser.large import large_answers
from benchmarks.parser.properties import ASKED
from benchmarks.parser.prose import texts_without_action
from tests.decisions.variants import VARIANTS


def variant_times(rounds: int) -> list[float]:
    """Seconds that each variant takes: the median of so many rounds."""
    return [
        statistics.median(
            _seconds(lambda: parse_answer(Answer(variant.text, variant.finish_reason), variant.symbol))  # noqa: B023
            for _ in range(rounds)
        )
        for variant in VARIANTS
    ]


def large_times(rounds: int) -> dict[str, float]:
    """Seconds that each shape of a large answer takes: the least of so many rounds."""
    return {
        name: min(_seconds(lambda: parse_answer(Answer(text, "stop"), ASKED, side="long")) for _ in range(rounds))  # noqa: B023
        for name, text in large_answers()
    }


def guessed(count: int, rng: random.Random) -> list[str]:
    """Those of so many texts without an action in which the parser saw one."""
    return [
        text
        for text in texts_without_action(count, rng)
        if parse_answer(Answer(text, "stop"), ASKED, side="long").opinion is not None
    ]


def fuzzed(seconds: float, rng: random.Random) -> Campaign:
    """A fuzzer's campaign of so many seconds, from the variants on."""
    campaign = Campaign(rng)
    campaign.seed(variant.text for variant in VARIANTS)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        campaign.step()
    return campaign


def _seconds(what: Callable[[], object]) -> float:
    # Of this thread's own time: parsing waits for nothing, and what others do with the machine is not its figure.
    began = time.thread_time()
    what()
    return time.thread_time() - began
