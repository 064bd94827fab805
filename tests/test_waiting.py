from __future__ import annotations

import asyncio

import pytest

from app.waiting import Waiting

SOON = 0.01


@pytest.fixture
async def waiting() -> Waiting:
    return Waiting()


def moment(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def passed(due: float) -> None:
    """Whatever was to ring until then has rung."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_at(due, over.set)
    await over.wait()


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def test_a_wait_that_is_over_in_time_leaves_no_trace(waiting: Waiting) -> None:
    with waiting.until(moment(10)):
        await asyncio.sleep(0)

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_a_wait_that_takes_too_long_is_a_timeout_and_the_next_one_is_fresh(waiting: Waiting) -> None:
    for _ in range(2):
        with pytest.raises(TimeoutError), waiting.until(moment(SOON)):
            await never()

    with waiting.until(moment(10)):
        await asyncio.sleep(0)


async def test_a_moment_that_has_passed_is_a_timeout_at_the_first_wait(waiting: Waiting) -> None:
    with pytest.raises(TimeoutError), waiting.until(moment(-1)):
        await never()


async def test_a_shorter_wait_after_a_longer_one_is_bounded_by_its_own_moment(waiting: Waiting) -> None:
    with waiting.until(moment(10)):
        await asyncio.sleep(0)

    with pytest.raises(TimeoutError), waiting.until(moment(SOON)):
        await never()


async def test_a_later_moment_counts_though_the_timer_rings_at_the_earlier_one(waiting: Waiting) -> None:
    with waiting.until(moment(SOON)):
        await asyncio.sleep(0)
    began, later = moment(0), moment(5 * SOON)

    with pytest.raises(TimeoutError), waiting.until(later):
        await never()

    # uvloop's clock counts whole milliseconds; what a sum of them adds beyond is no time.
    assert round(moment(0), 3) >= round(later, 3) > began


async def test_a_timer_that_rings_between_waits_is_nobodys(waiting: Waiting) -> None:
    with waiting.until(moment(SOON)):
        await asyncio.sleep(0)

    await passed(moment(2 * SOON))
    with waiting.until(moment(SOON)):
        await asyncio.sleep(0)


async def test_a_cancellation_from_elsewhere_is_no_timeout(waiting: Waiting) -> None:
    async def wait() -> None:
        with waiting.until(moment(10)):
            await never()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_comes_with_the_timeout_is_not_swallowed(waiting: Waiting) -> None:
    async def wait() -> None:
        with waiting.until(moment(-1)):
            asyncio.get_running_loop().call_soon(task.cancel)
            await never()

    task = asyncio.create_task(wait())

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("outer_first", [True, False])
async def test_of_two_around_each_other_the_one_that_is_due_raises(*, outer_first: bool) -> None:
    outer, inner = Waiting(), Waiting()
    caught: list[str] = []

    try:
        with outer.until(moment(SOON if outer_first else 10)):
            try:
                with inner.until(moment(10 if outer_first else SOON)):
                    await never()
            except TimeoutError:
                caught.append("inner")
    except TimeoutError:
        caught.append("outer")

    assert caught == ["outer" if outer_first else "inner"]


async def test_an_error_of_the_wait_itself_passes_through(waiting: Waiting) -> None:
    with pytest.raises(ValueError, match="its own"), waiting.until(moment(10)):
        raise ValueError("its own")


async def test_a_closed_one_rings_no_more(waiting: Waiting) -> None:
    with waiting.until(moment(SOON)):
        await asyncio.sleep(0)
    waiting.close()
    waiting.close()

    await passed(moment(2 * SOON))


async def test_a_wait_that_is_broken_off_ends_with_the_reason_and_leaves_no_trace(waiting: Waiting) -> None:
    asyncio.get_running_loop().call_soon(waiting.break_off, ValueError("stopped"))

    with pytest.raises(ValueError, match="stopped"), waiting.until(moment(10)):
        await never()

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_between_two_waits_the_next_one_does_not_begin(waiting: Waiting) -> None:
    with waiting.until(moment(10)):
        await asyncio.sleep(0)
    waiting.break_off(ValueError("stopped"))

    with pytest.raises(ValueError, match="stopped"), waiting.until(moment(10)):
        pytest.fail("it began")


async def test_a_cancellation_from_elsewhere_is_not_taken_for_the_breaking_off(waiting: Waiting) -> None:
    async def broken_off() -> None:
        with waiting.until(moment(10)):
            await never()

    task = asyncio.ensure_future(broken_off())
    await asyncio.sleep(0)
    waiting.break_off(ValueError("stopped"))
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
