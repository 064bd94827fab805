"""Processes that share a limit admit together what one alone might, and the room goes to whoever needs it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.leases import Holding
from app.domain.provider import LimitStrategy
from app.resilience.meters import Divisible, FixedWindow, Meter, Slots, meter_of
from app.resilience.shares import Portion, Step, aim_of

LIMIT = 7
NAMES = ("a", "b", "c")
Act = tuple[float, str, str, int]
"""How long to wait, who acts, what he does, and how much of it."""


def minutes(seed: int) -> list[Act]:
    """Some minutes in which the load moves from process to process, and the database is not always there."""
    rng = random.Random(seed)
    acts: list[Act] = []
    for _ in range(rng.randint(3, 12)):
        loaded, gap = rng.choice(NAMES), rng.choice([0.0, 1.0, 7.0])
        for _ in range(rng.randint(5, 40)):
            acts.append((rng.random() * gap, rng.choice([loaded, loaded, *NAMES]), rng.choice(HABITS), 1))
            acts += [(0.0, name, rng.choice(BEATS), rng.randint(1, 3)) for name in NAMES if rng.random() < 0.7]
        acts.append((rng.choice([0.0, 20.0, 59.9, 60.0]), loaded, "burst", rng.randint(1, 3)))
    return acts


HABITS = ("take", "burst")
BEATS = ("beat", "beat", "beat", "beat, told later", "beat, never told", "beat, lost")
ACTS = st.integers(0, 2**32).map(minutes)


class Processes:
    """Some processes, one limit, and what is on record of their shares."""

    def __init__(self, *meters: Divisible) -> None:
        self.portions = {name: Portion(meter) for name, meter in zip(NAMES, meters, strict=False)}
        for portion in self.portions.values():
            portion.keep(0, 0.0)
        self.record: dict[str, Holding] = {}
        self.untold: dict[str, Step] = {}

    def beat(self, name: str, now: float, how: str = "beat") -> None:
        portion = self.portions[name]
        others = [row for other, row in self.record.items() if other != name]
        step = portion.step(name, others, now, now)
        portion.lower(step, now)
        self.untold.pop(name, None)
        if how == "beat, lost":
            return
        self.record[name] = step.holding
        if how == "beat, told later":
            self.untold[name] = step
        elif how == "beat":
            portion.take_over(step, now)

    def hear(self, now: float) -> None:
        """What was told later is told now."""
        for name, step in self.untold.items():
            self.portions[name].take_over(step, now)
        self.untold.clear()

    def capacities(self) -> list[int]:
        return [portion.meter.capacity for portion in self.portions.values()]


def admitted(strategy: LimitStrategy, acts: list[Act]) -> list[tuple[float, int]]:
    """When how much was admitted, by all of them."""
    meters: dict[str, Meter] = {}
    for name in NAMES:
        meter = meter_of(strategy, LIMIT)
        assert meter is not None
        meters[name] = meter
    processes, taken, now = Processes(*meters.values()), list[tuple[float, int]](), 0.0
    for gap, name, act, amount in acts:
        now += gap
        if act in ("take", "burst"):
            times = LIMIT + 1 if act == "burst" else 1
            for _ in range(times):
                if meters[name].fits(amount, now):
                    meters[name].take(amount, now)
                    taken.append((now, amount))
                else:
                    processes.portions[name].lacks(amount, now, 0)
        else:
            processes.beat(name, now, act)
            assert sum(row.share for row in processes.record.values()) <= LIMIT
        if amount == 1:
            processes.hear(now)
    return taken


@pytest.mark.parametrize(
    ("strategy", "most"),
    [
        (LimitStrategy.SLIDING_WINDOW, LIMIT),
        # A window that ends and the one that begins: that much one process alone admits, too.
        (LimitStrategy.FIXED_WINDOW, 2 * LIMIT),
        (LimitStrategy.TOKEN_BUCKET, 2 * LIMIT),
    ],
)
@given(acts=ACTS)
def test_all_processes_together_admit_in_a_minute_what_one_alone_might(
    strategy: LimitStrategy, most: int, acts: list[Act]
) -> None:
    taken = admitted(strategy, acts)

    for start, _ in taken:
        assert sum(amount for since, amount in taken if start <= since < start + 60.0) <= most


def test_windows_that_end_one_after_the_other_do_not_hand_the_same_room_round() -> None:
    meters = [FixedWindow(LIMIT) for _ in NAMES]
    processes, admitted = Processes(*meters), 0
    for name in NAMES * 2:
        processes.beat(name, 0.0)
    for since, meter in enumerate(meters):
        meter.take(1, float(since))

    # Each asks for everything when the window of the one before it is over, and its own nearly.
    for now, name in ((59.5, "a"), (60.5, "b"), (61.5, "c"), (62.5, "a"), (120.2, "b")):
        for portion in processes.portions.values():
            portion.forget_wants()
            portion.forget_wants()
        processes.portions[name].lacks(LIMIT, now, 0)
        for one in NAMES * 2:
            processes.beat(one, now)
        meter = meters[NAMES.index(name)]
        while meter.fits(1, now):
            meter.take(1, now)
            admitted += now < 119.5

    assert LIMIT <= admitted <= 2 * LIMIT


@given(acts=ACTS)
def test_buckets_admit_together_at_most_the_burst_and_what_flowed_in(acts: list[Act]) -> None:
    taken = admitted(LimitStrategy.TOKEN_BUCKET, acts)

    for index, (start, _) in enumerate(taken):
        for end, _ in taken[index:]:
            within = sum(amount for since, amount in taken if start <= since <= end)
            assert within <= LIMIT + LIMIT * (end - start) / 60.0 + 1e-3


@given(acts=ACTS)
def test_never_are_more_calls_under_way_than_the_limit(acts: list[Act]) -> None:
    under_way = dict.fromkeys(NAMES, 0)
    slots = [Slots(LIMIT, lambda name=name: under_way[name]) for name in NAMES]  # type: ignore[misc]
    processes, now = Processes(*slots), 0.0
    for gap, name, act, _ in acts:
        now += gap
        if act == "take" and gap > 0.5:
            under_way[name] = 0
        elif act in ("take", "burst"):
            capacity = processes.portions[name].meter.capacity
            under_way[name] += max(capacity - under_way[name], 0) if act == "burst" else under_way[name] < capacity
            processes.portions[name].lacks(1, now, 0)
        else:
            processes.beat(name, now, act)
        assert sum(under_way.values()) <= LIMIT


HOLDINGS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60), st.integers(1, 40)), min_size=1, max_size=6).map(
    lambda rows: [Holding(f"p{i}", 0, used, wants, least) for i, (used, wants, least) in enumerate(rows)]
)


@given(HOLDINGS, st.integers(1, 40), st.floats(0.0, 100.0))
def test_every_unit_is_somebodys(everyone: list[Holding], limit: int, clock: float) -> None:
    aims = [aim_of(one.holder, everyone, limit, clock) for one in everyone]

    assert sum(aims) == limit
    assert min(aims) >= 0


def test_who_is_alone_has_everything() -> None:
    assert aim_of("a", [Holding("a", 0, 0)], 20, 0.0) == 20


def test_who_needs_it_gets_what_the_others_do_not() -> None:
    loaded, idle = Holding("a", 10, 10, wants=100), Holding("b", 10, 0)

    assert [aim_of("a", [loaded, idle], 20, 0.0), aim_of("b", [loaded, idle], 20, 0.0)] == [20, 0]


def test_who_all_want_more_than_there_is_get_the_same() -> None:
    everyone = [Holding("a", 20, 20, wants=100, least=1), Holding("b", 0, 0, wants=50, least=1)]

    assert [aim_of(one.holder, everyone, 20, 0.0) for one in everyone] == [10, 10]


def test_a_limit_smaller_than_the_number_of_processes_goes_round() -> None:
    everyone = [Holding(name, 0, 0, wants=5, least=1) for name in NAMES]

    turns = [[aim_of(one.holder, everyone, 1, clock) for one in everyone] for clock in (0.0, 3.0, 6.0)]

    assert sorted(turns) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_a_request_larger_than_an_equal_part_has_its_turn() -> None:
    everyone = [Holding("a", 0, 0, wants=80, least=80), Holding("b", 0, 0, wants=80, least=80)]

    assert [aim_of("a", everyone, 100, clock) for clock in (0.0, 3.0)] in ([80, 20], [20, 80])


@pytest.mark.parametrize("strategy", list(LimitStrategy))
def test_an_idle_process_hands_everything_over_and_gets_it_back(strategy: LimitStrategy) -> None:
    meters = [meter_of(strategy, 20), meter_of(strategy, 20)]
    assert meters[0] is not None
    assert meters[1] is not None
    processes = Processes(meters[0], meters[1])
    for name in "abab":
        processes.beat(name, 0.0)
    assert processes.capacities() == [10, 10]

    meters[0].take(10, 1.0)
    assert processes.portions["a"].lacks(10, 1.0, 0)
    for name in "aba":
        processes.beat(name, 1.0)
    assert processes.capacities() == [20, 0]
    assert meters[0].fits(10, 1.0)
    assert not meters[0].fits(11, 1.0)
    meters[0].take(10, 1.0)
    for name in "ab":
        processes.beat(name, 1.0)
    assert not processes.portions["b"].lacks(1, 2.0, 0)

    for period in range(240):
        for portion in processes.portions.values():
            portion.forget_wants()
        processes.portions["b"].lacks(20, 2.0 + period, 0)
        for name in "aba":
            processes.beat(name, 2.0 + period)
    assert processes.capacities() == [0, 20]
    assert meters[1].fits(20, 242.0)
