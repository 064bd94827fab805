from __future__ import annotations

import gc
import random
import weakref

from app.domain.attempt import AttemptKind
from app.domain.chat import Credential
from app.domain.errors import AllAttemptsFailed, Code, DeadlineExceeded, FailureKind, ProviderError
from app.domain.routing import Candidate, Plan
from app.domain.target import Target
from app.gateway.walk import DEFAULT_COOLDOWN, Walk
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
    )


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
