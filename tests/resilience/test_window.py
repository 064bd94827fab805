"""What counts as lately."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.resilience.window import RollingWindow, Tally

_GAPS = st.lists(st.floats(0.0, 4.0), max_size=60)


def _moments(gaps: list[float]) -> list[float]:
    moments, now = [], 100.0
    for gap in gaps:
        now += gap
        moments.append(now)
    return moments


@given(_GAPS)
def test_a_tally_counts_all_of_its_window_and_little_more(gaps: list[float]) -> None:
    tally = Tally(10.0)
    moments = _moments(gaps)

    for index, now in enumerate(moments):
        tally.add(now)
        seen = moments[: index + 1]
        # The last slice may straddle either edge by float rounding: a hair's breadth on both sides.
        surely = sum(1 for moment in seen if moment > now - 10.0 + 1e-6)
        at_most = sum(1 for moment in seen if moment > now - 10.5 - 1e-6)
        assert surely <= tally.total(now) <= at_most


def test_what_is_taken_back_is_not_counted() -> None:
    tally = Tally(10.0)
    tally.add(100.0)
    tally.add(103.0)

    tally.add(100.0, -1)

    assert tally.total(103.0) == 1
    assert tally.total(200.0) == 0


@given(
    st.lists(st.tuples(st.floats(0.0, 30.0), st.booleans(), st.floats(0.0, 9.0)), max_size=40),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_a_window_agrees_with_a_list_of_its_samples(outcomes: list[tuple[float, bool, float]], q: float) -> None:
    window = RollingWindow(60.0, 10)
    kept: list[tuple[float, bool, float]] = []
    now = 0.0
    for gap, ok, latency in outcomes:
        now += gap
        window.add(now, ok, latency)
        kept = [sample for sample in [*kept, (now, ok, latency)][-10:] if sample[0] + 60.0 > now]

    latencies = sorted(latency for _, ok, latency in kept if ok)
    assert window.count(now) == len(kept)
    assert window.success_rate(now) == (len(latencies) / len(kept) if kept else None)
    if latencies:
        percentile = window.percentile(q, now)
        assert percentile in latencies
        assert sum(latency <= percentile for latency in latencies) >= q * len(latencies)
        assert sum(latency < percentile for latency in latencies) <= q * len(latencies)
    else:
        assert window.percentile(q, now) is None


def test_quick_failures_do_not_look_fast() -> None:
    window = RollingWindow(60.0, 100)
    window.add(1.0, False, 0.001)
    window.add(2.0, True, 0.8)

    assert window.percentile(0.5, 3.0) == 0.8


def test_old_samples_are_forgotten() -> None:
    window = RollingWindow(60.0, 100)
    window.add(1.0, True, 0.8)

    assert window.count(60.9) == 1
    assert window.count(61.0) == 0
    assert window.success_rate(61.0) is None
    assert window.percentile(0.5, 61.0) is None
