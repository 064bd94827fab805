from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.domain.attempt import AttemptKind
from app.domain.chat import Credential
from app.domain.errors import AllAttemptsFailed, Code, DeadlineExceeded, FailureKind, ProviderError
from app.domain.routing import Candidate, Plan
from app.domain.target import Target
from app.gateway.final_error import DEFAULT_COOLDOWN
from app.gateway.walk import Walk
from app.resilience.retry import RetryRules
from tests.fakes import FakeClock


def candidate(name: str, window: int | None = None) -> Candidate:
    return Candidate(Target(name, "m"), Credential(), context_window=window)


def walk(
    *names: str | Candidate,
    max_retries: int = 2,
    deadline: float = 60.0,
    budget: int = 99,
    clock: FakeClock | None = None,
    keys: Sequence[str] = (),
) -> Walk:
    clock = clock or FakeClock()
    left = iter([True] * budget)
    steps = tuple(candidate(one) if isinstance(one, str) else one for one in names)
    return Walk(
        Plan(steps, "priority", "test"),
        deadline=clock.now() + deadline,
        max_retries=max_retries,
        rules=RetryRules(),
        now=clock.now,
        rng=random.Random(1),
        may_retry=lambda _: next(left, False),
        next_key=lambda failed, tried: next(
            (replace(failed, credential=Credential(key)) for key in keys if key not in tried), None
        ),
    )


def way_of(walk: Walk, *errors: ProviderError) -> list[tuple[str, str]]:
    """Who is asked after each of these failures, with which key, for as long as the walk goes on."""
    return [(walk.step.target.provider, walk.step.credential.id) for error in errors if walk.goes_on(error)]


def failure(kind: FailureKind = FailureKind.SERVER_ERROR, retry_after: float | None = None) -> ProviderError:
    return ProviderError(kind, kind.value, retry_after=retry_after)


def test_the_next_attempt_goes_to_an_untried_target_without_a_pause() -> None:
    way = walk("a", "b")

    assert way.goes_on(failure())
    assert ("b", AttemptKind.FALLBACK, 0.0) == (way.step.target.provider, way.kind, way.pause)


def test_the_same_target_is_tried_again_only_when_no_other_is_left() -> None:
    way = walk("a", "b")

    assert way.goes_on(failure())
    assert way.goes_on(failure())
    assert ("a", AttemptKind.RETRY) == (way.step.target.provider, way.kind)


def test_max_retries_counts_attempts_over_all_targets() -> None:
    way = walk("a", "b", "c", "d", max_retries=2)

    assert [True, True, False] == [way.goes_on(failure()) for _ in range(3)]


def test_an_attempt_that_sent_nothing_is_no_attempt() -> None:
    way = walk("a", "b", "c", "d", max_retries=0)

    assert way.goes_on(failure(FailureKind.CIRCUIT_OPEN))
    assert way.goes_on(failure(FailureKind.LIMITED))
    assert not way.goes_on(failure())


def test_a_callers_own_fault_is_never_tried_again() -> None:
    way = walk("a", "b")
    error = failure(FailureKind.BAD_REQUEST)

    assert not way.goes_on(error)
    assert way.deciding(error) is error


def test_a_spent_retry_budget_ends_the_walk_but_never_forbids_a_fallback() -> None:
    way = walk("a", "b", budget=0)

    assert way.goes_on(failure())
    assert not way.goes_on(failure())


def test_retry_after_is_waited_for_when_nothing_else_is_left() -> None:
    way = walk("a")

    assert way.goes_on(failure(FailureKind.RATE_LIMITED, retry_after=3.0))
    assert way.pause >= 3.0


def test_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    assert not walk("a", deadline=5).goes_on(failure(FailureKind.RATE_LIMITED, retry_after=30.0))


def test_nothing_more_is_tried_with_under_half_a_second_left() -> None:
    clock = FakeClock()
    way = walk("a", "b", deadline=10, clock=clock)
    clock.advance(9.6)

    assert not way.goes_on(failure())


def test_a_context_overflow_goes_to_a_larger_window_only() -> None:
    way = walk(candidate("small", 1000), candidate("same", 1000), candidate("unknown"), candidate("large", 9000))

    assert way.goes_on(failure(FailureKind.CONTEXT_LENGTH))
    assert way.step.target.provider == "large"


def test_an_attempt_leaves_time_for_the_untried_targets() -> None:
    way = walk("a", "b")

    assert way.share == RetryRules().share
    assert way.goes_on(failure())
    assert way.share == 1.0


def test_the_last_failure_that_was_sent_decides() -> None:
    way = walk("a", "b")
    way.goes_on(failure(FailureKind.OVERLOADED))
    last = failure(FailureKind.CIRCUIT_OPEN)
    way.goes_on(last)

    decided = way.deciding(last)

    assert isinstance(decided, AllAttemptsFailed)
    assert (Code.PROVIDER_OVERLOADED, 503) == (decided.code, decided.status)


def test_all_rate_limited_is_a_429_with_the_shortest_wait() -> None:
    way = walk("a", "b", max_retries=1)
    way.goes_on(failure(FailureKind.RATE_LIMITED, retry_after=9))
    last = failure(FailureKind.RATE_LIMITED, retry_after=4)
    way.goes_on(last)

    decided = way.deciding(last)

    assert (Code.PROVIDER_RATE_LIMITED, 429, 4) == (decided.code, decided.status, decided.retry_after)


def test_a_429_without_a_time_tells_the_time_its_target_is_left_alone() -> None:
    way = walk("a", max_retries=0)
    last = failure(FailureKind.RATE_LIMITED)
    way.goes_on(last)

    assert way.deciding(last).retry_after == DEFAULT_COOLDOWN


def test_a_timeout_that_used_up_the_deadline_is_the_deadlines() -> None:
    clock = FakeClock()
    way = walk("a", deadline=2, clock=clock)
    clock.advance(2.0)
    error = failure(FailureKind.TIMEOUT)
    way.goes_on(error)

    assert isinstance(way.deciding(error), DeadlineExceeded)


def test_a_limit_is_waited_at_also_when_what_came_after_it_failed_for_good() -> None:
    way = walk("limited", "dead")

    assert way.goes_on(failure(FailureKind.LIMITED, retry_after=0.1))
    assert way.goes_on(failure(FailureKind.AUTH))
    assert ("limited", FailureKind.LIMITED) == (way.step.target.provider, way.limited.kind if way.limited else None)
    assert not way.goes_on(failure(FailureKind.LIMITED, retry_after=0.1))


def test_a_callers_own_fault_is_not_waited_with_at_a_limit() -> None:
    way = walk("limited", "b")

    assert way.goes_on(failure(FailureKind.LIMITED, retry_after=0.1))
    assert not way.goes_on(failure(FailureKind.BAD_REQUEST))


LIMITED = failure(FailureKind.RATE_LIMITED, retry_after=20.0)
NOW = failure(FailureKind.RATE_LIMITED, retry_after=0.0)
DEAD = failure(FailureKind.AUTH)
BROKEN = failure()


@pytest.mark.parametrize(
    ("errors", "max_retries", "way"),
    [
        # A limit is one key's: the next key of the same target goes before the next target.
        ([LIMITED], 2, [("a", "k2")]),
        ([LIMITED, LIMITED], 3, [("a", "k2"), ("a", "k3")]),
        # But the last attempt is for the target that nobody has asked yet.
        ([LIMITED], 1, [("b", "")]),
        ([LIMITED, LIMITED], 2, [("a", "k2"), ("b", "")]),
        ([DEAD, LIMITED], 2, [("a", "k2"), ("b", "")]),
        ([LIMITED], 0, []),
        # What is broken is broken with every key.
        ([BROKEN], 2, [("b", "")]),
        ([LIMITED, BROKEN, BROKEN], 3, [("a", "k2"), ("b", ""), ("a", "k3")]),
    ],
)
def test_a_rate_limited_key_gives_way_to_the_next_one_of_its_target(
    errors: list[ProviderError], max_retries: int, way: list[tuple[str, str]]
) -> None:
    walked = walk("a", "b", max_retries=max_retries, keys=["k2", "k3"])

    asked = way_of(walked, *(failure(one.kind, one.retry_after) for one in errors))

    assert way == asked


def test_keys_that_are_limited_together_use_up_the_retry_budget_and_then_the_next_target_answers() -> None:
    walked = walk("a", "b", max_retries=9, keys=["k2", "k3", "k4"], budget=1)

    assert [("a", "k2"), ("b", "")] == way_of(walked, failure(NOW.kind), failure(NOW.kind))


def test_a_dead_key_costs_no_retry_budget() -> None:
    assert [("a", "k2")] == way_of(walk("a", keys=["k2"], budget=0), failure(FailureKind.AUTH))


@pytest.mark.parametrize(("deadline", "share"), [(60.0, 0.6), (1.4, 0.6), (1.3, 1.0), (0.3, 1.0)])
def test_an_attempt_has_all_the_time_where_no_other_could_start_after_it(deadline: float, share: float) -> None:
    assert walk("a", "b", deadline=deadline).share == share


def test_a_callers_own_fault_ends_the_walk_whatever_failed_before_it() -> None:
    way = walk("a", "b", max_retries=5)
    error = ProviderError(FailureKind.BAD_REQUEST, "unknown field", upstream_status=422)

    assert way.goes_on(failure())
    assert not way.goes_on(error)
    assert (way.deciding(error), error.status) == (error, 422)


def test_a_provider_that_says_a_fault_may_be_tried_again_is_believed() -> None:
    assert walk("a").goes_on(ProviderError(FailureKind.BAD_REQUEST, "race", should_retry=True))


def test_after_an_overflow_only_a_larger_window_is_tried_again() -> None:
    small, large = candidate("small", 1000), candidate("large", 9000)

    assert [("large", "")] == way_of(walk(small, large), failure(), failure(FailureKind.CONTEXT_LENGTH))
    assert [("small", ""), ("large", "")] == way_of(walk(large, small), failure(), failure(FailureKind.CONTEXT_LENGTH))


def test_who_asked_for_a_long_wait_is_waited_for_only_when_nobody_may_be_asked_sooner() -> None:
    way = walk("patient", "broken")

    assert [("broken", ""), ("broken", "")] == way_of(way, failure(LIMITED.kind, 30.0), failure())
    assert way.pause < RetryRules().patience


@pytest.mark.parametrize(("retry_after", "goes_on"), [(30.0, True), (59.4, True), (59.6, False), (600.0, False)])
def test_a_lone_target_is_waited_for_as_long_as_the_deadline_allows_another_attempt(
    retry_after: float, goes_on: bool
) -> None:
    assert walk("a", deadline=60.0).goes_on(failure(FailureKind.RATE_LIMITED, retry_after)) is goes_on


def test_a_hedge_takes_the_next_untried_target_and_is_an_attempt() -> None:
    way = walk("a", "b", "c", max_retries=1)
    hedge = way.hedge()

    assert hedge is not None
    assert (hedge.target.provider, way.share) == ("b", 1.0)
    way.lost(hedge, failure())
    way.stands_at(way.plan.steps[0], AttemptKind.FIRST)
    assert not way.goes_on(failure())


def test_after_both_of_two_attempts_failed_the_walk_goes_on_from_both() -> None:
    way = walk("a", "b", "c", max_retries=5)
    hedge = way.hedge()
    assert hedge is not None
    way.lost(way.step, failure())
    way.stands_at(hedge, AttemptKind.HEDGE)

    assert [("c", ""), ("a", "")] == way_of(way, failure(), failure())


@pytest.mark.parametrize(
    "way",
    [walk("a"), walk("a", "b", max_retries=0), walk("a", "b", deadline=0.4), walk("a", "b", budget=0)],
    ids=["alone", "no retries", "no time", "no budget"],
)
def test_there_is_no_hedge(way: Walk) -> None:
    assert way.hedge() is None
    assert way.step.target.provider == "a"


@pytest.mark.parametrize("max_retries", range(6))
def test_max_retries_is_kept_with_a_hedge_and_several_keys(max_retries: int) -> None:
    way = walk("a", "b", "c", max_retries=max_retries, keys=["k2", "k3"])
    hedge = way.hedge()
    attempts = 1 + (hedge is not None)
    if hedge is not None:
        way.lost(hedge, failure(FailureKind.RATE_LIMITED))
        way.stands_at(way.step, AttemptKind.FIRST)
    while way.goes_on(failure(FailureKind.RATE_LIMITED)):
        attempts += 1

    assert attempts == 1 + max_retries


def test_a_failure_is_remembered_without_what_was_read_for_it() -> None:
    def read() -> None:
        answer = Large()
        answers.append(weakref.ref(answer))
        try:
            raise ValueError(answer)
        except ValueError as error:
            raise failure() from error

    answers: list[weakref.ref[Large]] = []
    way = walk("a", "b")
    gc.disable()
    try:
        try:
            read()
        except ProviderError as error:
            way.goes_on(error)

        assert answers[0]() is None
    finally:
        gc.enable()


class Large:
    """Something that must not outlive its frame."""
