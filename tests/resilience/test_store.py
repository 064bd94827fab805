"""A store never holds more than it may, nor anything that is too old."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.resilience.store import Store, StoreRules

RULES = StoreRules(max_bytes=100, max_entry=40, ttl=10.0)


def test_a_value_is_there_until_its_time_is_over() -> None:
    store: Store[str] = Store(RULES)
    store.put(b"a", "one", 10, now=5.0)

    assert store.get(b"a", now=14.5) == ("one", 9.5)
    assert store.get(b"a", now=15.0) is None
    assert (len(store), store.size) == (0, 0)


def test_reading_does_not_lengthen_a_life() -> None:
    store: Store[str] = Store(RULES)
    store.put(b"a", "one", 10, now=0.0)

    store.get(b"a", now=9.0)

    assert store.get(b"a", now=10.0) is None


def test_what_was_not_used_for_longest_goes_first() -> None:
    store: Store[str] = Store(RULES)
    for key in (b"a", b"b", b"c"):
        store.put(key, key.decode(), 30, now=0.0)
    store.get(b"a", now=1.0)

    store.put(b"d", "d", 30, now=1.0)

    assert [store.get(key, now=1.0) is not None for key in (b"a", b"b", b"c", b"d")] == [True, False, True, True]


def test_what_weighs_too_much_is_not_kept_and_moves_nothing_out() -> None:
    store: Store[str] = Store(RULES)
    store.put(b"a", "one", 40, now=0.0)

    assert not store.put(b"a", "too much", 41, now=0.0)
    assert store.get(b"a", now=0.0) == ("one", 0.0)


def test_with_room_for_nothing_nothing_is_kept() -> None:
    store: Store[str] = Store(StoreRules(max_bytes=0))

    assert not store.put(b"a", "one", 1, now=0.0)


KEYS = st.sampled_from([b"a", b"b", b"c", b"d", b"e"])
STEPS = st.lists(st.tuples(KEYS, st.integers(0, 60), st.floats(0, 8), st.booleans()), max_size=60)


@given(STEPS)
def test_it_is_never_over_its_bounds_and_never_gives_what_is_not_the_last_word(
    steps: list[tuple[bytes, int, float, bool]],
) -> None:
    store: Store[int] = Store(RULES)
    last: dict[bytes, tuple[int, int, float]] = {}
    now = 0.0
    for number, (key, size, pause, is_put) in enumerate(steps):
        now += pause
        if is_put:
            assert store.put(key, number, size, now) is (size <= RULES.max_entry)
            if size <= RULES.max_entry:
                last[key] = (number, size, now)
        found = store.get(key, now)
        if found is not None:
            assert found == (last[key][0], now - last[key][2])
            assert found[1] < RULES.ttl
        elif is_put and size <= RULES.max_entry:
            raise AssertionError("what was put a moment ago is gone")
        assert store.size <= RULES.max_bytes
        assert len(store) <= len(last)
