"""Reading answers: how long that takes, how often an action is seen where none was stated, and what a fuzzer breaks."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.parser.measures import fuzzed, guessed, large_times, variant_times
from benchmarks.scoreboard.board import Row, Rule, Stage, spread


def answers(stage: Stage) -> Iterator[Row]:
    """Variants, megabytes, texts without an action and mutations of all, parsed in this process; of its own time."""
    section = "decisions"
    times = variant_times(stage.pick(50, 10))
    promise = f"each of {len(times)} variants of an answer is read, the slowest"
    yield Row(section, promise, "names, forms, languages, broken JSON", max(times) * 1e3, 1, "ms", spread(times))

    large = large_times(stage.pick(5, 2))
    promise = f"an answer of 1 MB is read, the slowest of {len(large)} shapes"
    slowest = max(large, key=large.__getitem__)
    seen = f"{spread(list(large.values()))}; slowest: {slowest}"
    yield Row(section, promise, "brackets, quotes, fences, tags, labels", large[slowest] * 1e3, 50, "ms", seen)

    count = stage.pick(100_000, 5_000)
    taken = guessed(count, stage.rng)
    promise = "actions read from texts that state none"
    seen = f"of {count} texts" + (f"; one: {taken[0][:80]!r}" if taken else "")
    yield Row(section, promise, "negations, questions, menus, schemas", len(taken), 0, "", seen, Rule.EXACTLY)

    campaign = fuzzed(stage.pick(60.0, 5.0), stage.rng)
    seen = f"{campaign.executions} texts, {campaign.actionable} of them votes, {len(campaign.branches)} branches"
    if campaign.failures:
        seen += f"; {next(iter(campaign.failures.values())).problem}"
    promise = "properties of the parser that a fuzzer breaks"
    yield Row(section, promise, "mutated answers", len(campaign.failures), 0, "", seen, Rule.EXACTLY)
