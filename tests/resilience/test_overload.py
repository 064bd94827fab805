"""The loop refuses what it cannot do in time, and nothing else; time is simulated."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.routing import Priority
from app.resilience.overload import Overload, OverloadRules

RULES = OverloadRules()
COST, REFUSAL = 0.0005, 0.00002


@dataclass
class Loop:
    """An event loop in simulated time: what begins in a round costs `COST` there, what is refused `REFUSAL`."""

    overload: Overload = field(default_factory=lambda: Overload(RULES))
    now: float = 0.0
    begun: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    rounds: list[tuple[float, float]] = field(default_factory=list)
    begun_by: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))

    def round(self, arrivals: int, priorities: Sequence[Priority] = (Priority.NORMAL,)) -> None:
        took = 0.0
        for position in range(arrivals):
            priority = priorities[position % len(priorities)]
            if self.overload.begins(self.now, priority):
                self.begun.append(self.now)
                self.begun_by[priority] += 1
                took += COST
            else:
                self.refused.append(self.now)
                took += REFUSAL
        took = max(took, 0.0001)
        self.now += took
        self.rounds.append((self.now, took))
        if arrivals:
            self.overload.went_round(self.now, took)

    def run(self, rate: float, seconds: float, priorities: Sequence[Priority] = (Priority.NORMAL,)) -> None:
        end, due, rng = self.now + seconds, self.now, random.Random(1)
        while self.now < end:
            arrivals = 0
            while due <= self.now:
                arrivals += 1
                due += rng.expovariate(rate)
            self.round(arrivals, priorities)


def test_three_times_what_it_can_do_keeps_it_busy_and_its_rounds_short() -> None:
    loop = Loop()

    loop.run(rate=3 / COST, seconds=20)

    settled = [took for moment, took in loop.rounds if moment > 1]
    assert len(loop.begun) * COST / loop.now > 0.85
    assert sorted(settled)[int(0.99 * len(settled))] < 2 * RULES.target
    # What began before it was noticed is done within a second.
    assert max(took for moment, took in loop.rounds if moment < 1) < 1


def test_what_it_can_do_is_never_refused() -> None:
    loop = Loop()

    loop.run(rate=0.9 / COST, seconds=20)

    assert loop.refused == []


@pytest.mark.parametrize("size", [50, 200, 400])
def test_a_burst_at_an_idle_loop_is_let_in(size: int) -> None:
    loop = Loop()

    loop.round(size)
    loop.round(3)

    assert loop.refused == []


def test_once_the_load_is_gone_everybody_is_let_in_again() -> None:
    loop = Loop()
    loop.run(rate=3 / COST, seconds=3)
    states = [loop.overload.is_on]

    loop.run(rate=0.3 / COST, seconds=RULES.calm + 0.5)

    states.append(loop.overload.is_on)
    assert states == [True, False]
    assert all(moment < 3.2 for moment in loop.refused)


def test_a_burst_long_after_an_overload_that_ended_in_silence_is_let_in() -> None:
    loop = Loop()
    loop.run(rate=3 / COST, seconds=3)
    refused = len(loop.refused)

    loop.now += RULES.calm
    loop.round(200)
    loop.round(3)

    assert refused > 0
    assert len(loop.refused) == refused


def test_high_priority_is_refused_last_and_low_first() -> None:
    loop = Loop()

    loop.run(3 / COST, 10, (Priority.LOW, Priority.NORMAL, Priority.HIGH))

    assert loop.begun_by[Priority.HIGH] > 1.5 * loop.begun_by[Priority.NORMAL]
    assert loop.begun_by[Priority.NORMAL] > 1.5 * loop.begun_by[Priority.LOW] > 0


def test_rounds_that_are_late_now_and_then_are_no_overload() -> None:
    loop = Loop()

    for _ in range(100):
        loop.round(300)
        loop.round(1)

    assert loop.refused == []


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 100)), max_size=100))
def test_one_request_of_a_round_always_begins(rounds: list[tuple[int, float]]) -> None:
    overload, now = Overload(RULES), 0.0
    for arrivals, took in rounds:
        begun = [overload.begins(now, Priority.LOW) for _ in range(arrivals)]
        assert begun[0]
        # The room is a number of places: once it is taken, it is taken.
        assert begun == sorted(begun, reverse=True)
        now += took
        overload.went_round(now, took)
