"""The scoreboard says what holds and what does not, hides nothing, and fails when something does not."""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import cpu
from benchmarks.arrivals import open_loop
from benchmarks.load import closed_loop, request
from benchmarks.prove import prove
from benchmarks.scoreboard.board import Row, Rule, Stage, percentile, spread, unmeasured
from benchmarks.scoreboard.callers import Reply
from benchmarks.scoreboard.endurance import slope_of
from benchmarks.scoreboard.groups import GROUPS
from benchmarks.scoreboard.kills import age
from benchmarks.scoreboard.page import page
from benchmarks.scoreboard.witnesses import Call, Recorded, Told
from tests.behaviours import Answer, Status, Stream
from tests.upstream import Upstream

KEPT = Row("§2", "a promise", "silent", 49.0, 50, "ms", "n = 8")
BROKEN = Row("§3", "another", "reset", 1, 0)
NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "below", "at", "above"),
    [(Rule.AT_MOST, True, True, False), (Rule.AT_LEAST, False, True, True), (Rule.EXACTLY, False, True, False)],
)
def test_a_figure_stands_to_its_bound_as_its_rule_says(rule: Rule, below: bool, at: bool, above: bool) -> None:
    held = [Row("§1", "a promise", "silent", figure, 5, rule=rule).holds for figure in (4, 5, 6)]

    assert held == [below, at, above]


@pytest.mark.parametrize("rule", list(Rule))
def test_what_was_not_measured_does_not_hold(rule: Rule) -> None:
    assert not Row("§1", "a promise", "silent", math.nan, 5, rule=rule).holds


def test_the_page_names_date_commit_seed_fault_and_every_verdict() -> None:
    text = page([KEPT, BROKEN], commit="abc1234", seed=7, now=NOW)

    assert "2026-11-21 08:30 UTC" in text
    assert "commit: abc1234" in text
    assert "seed: 7" in text
    assert "1 of 2 did not hold" in text
    assert "| 2 | a promise | silent | 49.0 ms | at most 50.0 ms | yes | n = 8 |" in text
    assert "| 3 | another | reset | 1 | at most 0 | **no** |  |" in text


def test_what_was_seen_cannot_break_the_table() -> None:
    text = page([Row("§1", "p", "f", 1, 2, "", "a | b\nc")], commit="abc", seed=1, now=NOW)

    assert text.endswith("| 1 | p | f | 1 | at most 2 | yes | a / b c |\n")


def test_a_group_that_breaks_is_a_row_and_costs_the_others_nothing() -> None:
    def breaks(stage: Stage) -> Iterator[Row]:
        yield KEPT
        raise AssertionError("the upstream was not asked")

    def works(stage: Stage) -> Iterator[Row]:
        yield KEPT

    rows = prove({"breaks": breaks, "works": works}, is_full=False, seed=1, console=Console(quiet=True))

    assert [row.holds for row in rows] == [True, False, True]
    assert "the upstream was not asked" in rows[1].seen


def test_each_group_has_a_folder_and_a_chance_of_its_own_that_the_seed_repeats() -> None:
    seen: list[tuple[str, float]] = []

    def group(stage: Stage) -> Iterator[Row]:
        seen.append((stage.folder.name, stage.rng.random()))
        yield KEPT

    for seed in (1, 1, 2):
        prove({"first": group, "second": group}, is_full=True, seed=seed, console=Console(quiet=True))

    assert [name for name, _ in seen] == ["first", "second"] * 3
    assert seen[:2] == seen[2:4] != seen[4:]
    assert seen[0][1] != seen[1][1]


def test_a_slope_is_what_each_measurement_adds_whatever_the_noise() -> None:
    assert slope_of([100, 110, 120, 130]) == pytest.approx(10)
    assert abs(slope_of([100, 104, 96, 104, 96, 100])) < 1


def test_a_missing_chat_is_as_old_as_its_kill_says() -> None:
    kills = [10.0, 20.0]

    ages = [age(Told(Call.CHAT, "req", at), kills) for at in (9.75, 10.25, 10.75, 21.0)]

    # Read a little after the kill, it was sent before; long after it, the next one cost it.
    assert ages == [0.25, 0.0, 9.25, math.inf]


def test_what_is_missing_and_what_is_there_twice_is_counted() -> None:
    told = [Told(Call.DECISION, "dec_1", 1.0), Told(Call.DECISION, "dec_2", 1.0), Told(Call.CHAT, "req_3", 1.0)]
    recorded = Recorded({"dec_1": 2}, {("req_3", 1): 1, ("req_4", 1): 2})

    assert recorded.missing(told) == [told[1]]
    assert recorded.twice == 2


def test_every_group_says_what_it_does() -> None:
    assert all(group.__doc__ for group in GROUPS.values())


@pytest.mark.parametrize(
    ("reply", "good", "wrong"),
    [
        (Reply(0.1, 200, "right", is_whole=True), True, False),
        (Reply(0.1, 200, "other", is_whole=True), False, True),
        (Reply(0.1, 200, "rig", is_whole=False), False, False),
        (Reply(0.1, 502, code="provider_error"), False, False),
    ],
)
def test_only_a_whole_answer_with_another_text_is_a_wrong_success(reply: Reply, good: bool, wrong: bool) -> None:
    assert (reply.is_good("right"), reply.is_wrong("right")) == (good, wrong)


def test_percentiles_are_of_what_was_seen() -> None:
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([1.0] * 99 + [9.0], 0.99) == 9
    assert math.isnan(percentile([], 0.5))
    assert spread([0.001, 0.003]) == "median 2.0 ms, worst 3.0 ms, n = 2"


def test_a_group_that_cannot_go_on_says_why_in_one_line() -> None:
    row = unmeasured("losses", ValueError("two\nlines"))

    assert (row.promise, row.seen) == ("the group `losses` can be measured", "ValueError: two lines")


def test_the_short_form_measures_less() -> None:
    assert [Stage(Path(), is_full, random.Random(1)).pick(500, 5) for is_full in (True, False)] == [500, 5]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_load_counts_good_answers_and_chunks(streamed: bool) -> None:
    script = Stream(words=("a", "b")) if streamed else Answer()
    with Upstream(script) as upstream:
        payload = request("/v1/chat/completions", streamed=streamed, model="alpha-1")
        load = asyncio.run(closed_loop(upstream.port, payload, connections=2, requests=5))

    assert (load.answered, load.failed, upstream.calls) == (5, 0, 5)
    # Each stream: a role, two words, a finish, usage and the last marker.
    assert load.chunks == (30 if streamed else 0)
    assert len(load.latencies) == 5


@pytest.mark.parametrize("wrong", [Status(429), Stream(cut_after=1)])
def test_the_load_takes_no_wrong_answer_for_a_good_one(wrong: Status | Stream) -> None:
    with Upstream(wrong) as upstream:
        payload = request("/v1/chat/completions", streamed=isinstance(wrong, Stream), model="alpha-1")
        load = asyncio.run(closed_loop(upstream.port, payload, connections=1, requests=2))

    assert (load.answered, load.failed) == (0, 2)
    assert load.complaint


def test_an_open_loop_does_not_wait_for_answers_and_counts_the_wait_for_a_connection() -> None:
    payload = request("/v1/chat/completions", streamed=False, model="alpha-1")
    with Upstream(Answer(delay=0.2)) as upstream:
        seen = open_loop(upstream.port, payload, rate=40, seconds=0.5, seed=1, connections=2)

    assert seen.offered == len(seen.answered) > 5
    # Two connections answer ten a second: who came late waited for those before, and that is in the figure.
    assert seen.latencies()[-1] > 0.4


def test_an_open_loop_tells_refusals_from_answers() -> None:
    payload = request("/v1/chat/completions", streamed=False, model="alpha-1")
    with Upstream(Status(503)) as upstream:
        seen = open_loop(upstream.port, payload, rate=100, seconds=0.2, seed=1, connections=4)

    assert (seen.answered, len(seen.refused), seen.statuses[503]) == ([], seen.offered, seen.offered)
    assert "scripted failure" in seen.complaint


def test_work_costs_processor_time_of_the_process_that_did_it() -> None:
    before = cpu.used(os.getpid())
    sum(n * n for n in range(300_000))

    assert 0.001 < cpu.used(os.getpid()) - before < 30
