"""The proof says what holds and what does not, and fails when something does not."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import cpu
from benchmarks.load import closed_loop, request
from benchmarks.parts import Finding, Scale
from benchmarks.prove import document, prove
from tests.behaviours import Answer, Status, Stream
from tests.upstream import Upstream

KEPT = Finding("a promise", 49.0, 50, "ms", "n = 8")
BROKEN = Finding("another", 1, 0, "")


def test_a_figure_at_its_bound_holds_and_one_above_does_not() -> None:
    assert KEPT.holds
    assert Finding("at it", 50, 50, "ms").holds
    assert not BROKEN.holds


def test_the_page_names_date_commit_and_every_verdict() -> None:
    page = document([KEPT, BROKEN], commit="abc1234", now=datetime(2026, 11, 21, 8, 30, tzinfo=UTC))

    assert "2026-11-21 08:30 UTC" in page
    assert "commit: abc1234" in page
    assert "| a promise | 49.0 ms | 50.0 ms | yes | n = 8 |" in page
    assert "| another | 1 | 0 | NO |  |" in page


def test_each_part_has_a_folder_of_its_own() -> None:
    seen: list[Path] = []

    def first(folder: Path, scale: Scale) -> list[Finding]:
        seen.append(folder)
        return [KEPT] * scale.rounds

    def second(folder: Path, scale: Scale) -> list[Finding]:
        seen.append(folder)
        return [BROKEN]

    findings = prove([first, second], Scale(rounds=2), Console(quiet=True))

    assert findings == [KEPT, KEPT, BROKEN]
    assert [folder.name for folder in seen] == ["first", "second"]


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


def test_work_costs_processor_time_of_the_process_that_did_it() -> None:
    before = cpu.used(os.getpid())
    sum(n * n for n in range(300_000))

    assert 0.001 < cpu.used(os.getpid()) - before < 30
