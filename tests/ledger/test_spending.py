"""Spending: taken before a call, settled after it, never more than the cap by more than one estimate's error."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.budget import NOTHING, Amount, Budget, Cap, Estimate, OnExceeded, Spend, Window
from app.domain.errors import StorageUnavailable
from app.ledger.accounts import LEASE
from app.ledger.spend_record import SpendRecord
from app.ledger.spending import Hold, Payer, Shortfall, Spending
from tests.fakes_budgets import FakeSpend

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAYER = Payer("alpha", "k1", 7)


@dataclass
class Wall:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


def budget(
    scope: str = "gateway",
    dollars: str | None = "1",
    tokens: int | None = None,
    window: Window = Window.DAY,
    on_exceeded: OnExceeded = OnExceeded.REFUSE,
) -> Budget:
    cap = Cap(None if dollars is None else Decimal(dollars), tokens)
    return Budget(f"{scope}/{window}", scope, window, cap, 0.8, on_exceeded)


def costing(dollars: str, most: str | None = None, tokens: int = 1) -> Estimate:
    return Estimate(Amount(Decimal(dollars), tokens), Amount(Decimal(most or dollars), tokens))


@dataclass
class Process:
    """One process of several, or one alone, over a record that they share."""

    repository: FakeSpend = field(default_factory=FakeSpend)
    holder: str = "here"
    is_shared: bool = False
    wall: Wall = field(default_factory=Wall)
    clock: float = 0.0
    patience: float = 10.0

    def __post_init__(self) -> None:
        self.spending = Spending(self.wall, is_shared=self.is_shared, patience=self.patience)
        self.record = SpendRecord(
            self.spending, self.repository, holder=self.holder, is_shared=self.is_shared, now=lambda: self.clock
        )

    async def with_budgets(self, *budgets: Budget) -> Process:
        self.spending.load(budgets)
        await self.record.beat()
        return self

    async def take(self, estimate: Estimate, payer: Payer = PAYER) -> Hold | Shortfall | None:
        return await self.spending.reserve(payer, estimate)

    def spent(self) -> Amount:
        (state,) = self.spending.states()
        return state.used


async def alone(*budgets: Budget) -> Process:
    return await Process().with_budgets(*budgets)


async def test_without_a_budget_nothing_is_held() -> None:
    process = await alone()
    assert not process.spending.is_set
    assert await process.take(costing("5")) is None


async def test_fifty_of_two_hundred_at_once_have_room_when_the_cap_is_worth_fifty() -> None:
    process = await alone(budget(dollars="0.05"))

    taken = await asyncio.gather(*(process.take(costing("0.001")) for _ in range(200)))

    assert sum(isinstance(one, Hold) for one in taken) == 50
    for one in taken:
        if isinstance(one, Hold):
            one.settle(Decimal("0.001"), 1)
    assert process.spent() == Amount(Decimal("0.050"), 50)
    assert isinstance(await process.take(costing("0.001")), Shortfall)


async def test_a_call_takes_from_every_budget_or_from_none() -> None:
    process = await alone(budget(), budget("agent:7", "0.1"), budget("provider:alpha"), budget("key:other"))

    refused = await process.take(costing("0.2"))

    assert isinstance(refused, Shortfall)
    assert refused.budget.scope == "agent:7"
    assert all(state.reserved == NOTHING for state in process.spending.states())
    assert isinstance(await process.take(costing("0.2"), Payer("alpha", "k1", None)), Hold)
    assert {state.budget.scope: state.reserved.cost for state in process.spending.states()} == {
        "gateway": Decimal("0.2"),
        "agent:7": 0,
        "provider:alpha": Decimal("0.2"),
        "key:other": 0,
    }


async def test_what_cost_nothing_gives_everything_back_and_is_settled_once() -> None:
    process = await alone(budget(dollars="0.1"))
    hold = await process.take(costing("0.1"))
    assert isinstance(hold, Hold)

    hold.release()
    hold.settle(Decimal(9), 9)

    assert process.spent() == NOTHING
    assert isinstance(await process.take(costing("0.1")), Hold)


async def test_an_unknown_price_takes_no_money_and_still_counts_tokens() -> None:
    process = await alone(budget(dollars="0", tokens=10))
    unpriced = Estimate(Amount(tokens=6), Amount(tokens=6))

    hold = await process.take(unpriced)
    assert isinstance(hold, Hold)
    hold.settle(None, 7)

    assert process.spent() == Amount(tokens=7)
    assert isinstance(await process.take(unpriced), Shortfall)


async def test_the_refusal_says_whose_budget_it_is_and_when_it_begins_anew() -> None:
    process = await alone(budget("agent:7", "0.05", window=Window.MONTH))

    refused = await process.take(costing("0.06"))

    assert isinstance(refused, Shortfall)
    assert refused.message == (
        "the month budget of agent:7 ($0.05) has no room for this request; it begins anew at 2026-12-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    ("scope", "on_exceeded", "is_final"),
    [
        ("gateway", OnExceeded.REFUSE, True),
        ("agent:7", OnExceeded.DOWNGRADE, False),
        ("provider:alpha", OnExceeded.REFUSE, False),
    ],
)
async def test_only_a_budget_that_refuses_ends_a_request(scope: str, on_exceeded: OnExceeded, is_final: bool) -> None:
    process = await alone(budget(scope, "0", on_exceeded=on_exceeded))
    refused = await process.take(costing("0.01"))
    assert isinstance(refused, Shortfall)
    assert refused.is_final is is_final


async def test_a_new_window_begins_with_nothing_spent_and_late_ends_count_where_they_began() -> None:
    process = await alone(budget(dollars="0.1", window=Window.MINUTE))
    late = await process.take(costing("0.1"))
    assert isinstance(late, Hold)

    process.wall.now += timedelta(minutes=1)
    assert isinstance(await process.take(costing("0.1")), Hold)
    late.settle(Decimal("0.1"), 1)
    await process.record.beat()

    spent = {key[1]: rows["here"].spent.cost for key, rows in process.repository.rows.items()}
    assert spent[NOON] == Decimal("0.1")
    assert spent[NOON + timedelta(minutes=1)] == 0


async def test_a_process_that_comes_after_a_killed_one_counts_what_that_one_had() -> None:
    killed = await alone(budget(dollars="0.1"))
    hold, _under_way = await killed.take(costing("0.04")), await killed.take(costing("0.04"))
    assert isinstance(hold, Hold)
    hold.settle(Decimal("0.03"), 1)
    await killed.record.beat()

    after = await Process(killed.repository, "after").with_budgets(budget(dollars="0.1"))

    assert isinstance(await after.take(costing("0.031")), Shortfall)
    assert isinstance(await after.take(costing("0.03")), Hold)


async def test_nothing_goes_out_before_it_is_known_what_was_spent() -> None:
    process = Process()
    process.spending.load([budget(dollars="0.1")])
    waiting = asyncio.ensure_future(process.take(costing("0.1")))
    await asyncio.sleep(0)
    assert not waiting.done()

    await process.record.look()
    assert isinstance(await waiting, Hold)


async def test_a_record_that_is_away_is_no_used_up_budget() -> None:
    process = Process()
    process.repository.error = StorageUnavailable("away")
    process.spending.load([budget()])
    await process.record.beat()
    process.clock += 5
    await process.record.beat()

    with pytest.raises(StorageUnavailable, match="while the database is away"):
        await process.take(costing("0.1"))


async def test_a_record_that_failed_once_is_waited_for() -> None:
    process = Process()
    process.repository.error = StorageUnavailable("locked")
    process.spending.load([budget()])
    await process.record.beat()
    waiting = asyncio.ensure_future(process.take(costing("0.1")))
    await asyncio.sleep(0)

    process.repository.error = None
    await process.record.look()

    assert isinstance(await waiting, Hold)


async def test_a_call_waits_for_the_record_no_longer_than_it_has_time() -> None:
    process = Process()
    process.spending.load([budget()])

    with pytest.raises(StorageUnavailable, match="in time"):
        await process.spending.reserve(PAYER, costing("0.1"), within=0.01)


async def test_a_process_alone_goes_on_while_the_record_is_away_and_writes_when_it_is_back() -> None:
    process = await alone(budget(dollars="0.1"))
    process.repository.error = StorageUnavailable("away")
    hold = await process.take(costing("0.1"))
    assert isinstance(hold, Hold)
    hold.settle(Decimal("0.1"), 1)
    await process.record.beat()
    process.repository.error = None
    await process.record.beat()

    (rows,) = process.repository.rows.values()
    assert rows["here"].spent == Amount(Decimal("0.1"), 1)


async def test_nothing_is_written_while_nothing_is_spent() -> None:
    process = await alone(budget())
    before = process.repository.exchanges
    for _ in range(5):
        await process.record.beat()
    assert process.repository.exchanges == before


async def test_a_raised_cap_has_room_at_once_and_a_lowered_one_none() -> None:
    process = await alone(budget(dollars="0.1"))
    assert isinstance(await process.take(costing("0.1")), Hold)

    await process.with_budgets(budget(dollars="0.2"))
    assert isinstance(await process.take(costing("0.1")), Hold)
    await process.with_budgets(budget(dollars="0.05"))
    assert isinstance(await process.take(costing("0.01")), Shortfall)


async def several(count: int, *budgets: Budget) -> list[Process]:
    repository = FakeSpend()
    processes = [Process(repository, f"p{i}", is_shared=True) for i in range(count)]
    for process in processes:
        await process.with_budgets(*budgets)
    return processes


async def until_settled(processes: list[Process], calls: Sequence[asyncio.Future[Hold | Shortfall | None]]) -> None:
    """Let everybody look until every call has an answer."""
    for _ in range(200):
        await asyncio.sleep(0)
        if all(call.done() for call in calls):
            return
        for process in processes:
            await process.record.look()
    raise AssertionError("some call still waits")


async def test_two_processes_together_answer_exactly_what_the_cap_is_worth() -> None:
    processes = await several(2, budget(dollars="0.05"))
    calls = [asyncio.ensure_future(processes[i % 2].take(costing("0.001"))) for i in range(200)]

    await until_settled(processes, calls)

    assert sum(isinstance(call.result(), Hold) for call in calls) == 50


async def test_what_one_process_does_not_use_the_other_may() -> None:
    first, second = await several(2, budget(dollars="0.1"))
    one = asyncio.ensure_future(first.take(costing("0.01")))
    await until_settled([first, second], [one])
    hold = one.result()
    assert isinstance(hold, Hold)
    hold.settle(Decimal("0.01"), 1)
    await first.record.beat()

    rest = [asyncio.ensure_future(second.take(costing("0.01"))) for _ in range(9)]
    await until_settled([first, second], rest)

    assert all(isinstance(call.result(), Hold) for call in rest)


async def test_what_a_killed_process_was_granted_counts_as_spent() -> None:
    killed, other = await several(2, budget(dollars="0.1"))
    call = asyncio.ensure_future(killed.take(costing("0.01")))
    await until_settled([killed], [call])
    await killed.record.beat()
    (rows,) = killed.repository.rows.values()
    granted = rows["p0"].granted.cost
    assert Decimal("0.01") < granted <= Decimal("0.1")
    killed.repository.dead.add("p0")

    calls = [asyncio.ensure_future(other.take(costing("0.01"))) for _ in range(20)]
    await until_settled([other], calls)

    taken = sum(isinstance(one.result(), Hold) for one in calls)
    assert taken == (Decimal("0.1") - granted) // Decimal("0.01")


async def test_what_a_killed_process_had_not_used_is_the_others_once_its_lease_is_over() -> None:
    killed, other = await several(2, budget(dollars="0.1"))
    call = asyncio.ensure_future(killed.take(costing("0.01")))
    await until_settled([killed], [call])
    await killed.record.beat()
    killed.repository.dead.add("p0")
    killed.repository.gone.add("p0")
    await other.record.beat()

    calls = [asyncio.ensure_future(other.take(costing("0.01"))) for _ in range(20)]
    await until_settled([other], calls)

    # The call that was under way may have been made.
    assert sum(isinstance(one.result(), Hold) for one in calls) == 9


async def test_a_process_that_slept_its_lease_away_asks_before_it_spends() -> None:
    asleep, other = await several(2, budget(dollars="0.1"))
    call = asyncio.ensure_future(asleep.take(costing("0.01")))
    await until_settled([asleep], [call])
    await asleep.record.beat()
    asleep.repository.dead.add("p0")
    asleep.repository.gone.add("p0")
    for process in (asleep, other):
        process.wall.now += timedelta(seconds=LEASE)
    await other.record.beat()
    rest = [asyncio.ensure_future(other.take(costing("0.01"))) for _ in range(9)]
    await until_settled([other], rest)
    assert all(isinstance(one.result(), Hold) for one in rest)

    late = asyncio.ensure_future(asleep.take(costing("0.01")))
    await asyncio.sleep(0)
    assert not late.done()
    await until_settled([asleep, other], [late])

    assert isinstance(late.result(), Shortfall)


async def test_a_clock_that_was_set_back_does_not_prolong_a_grant() -> None:
    process, other = await several(2, budget(dollars="0.1"))
    call = asyncio.ensure_future(process.take(costing("0.01")))
    await until_settled([process, other], [call])
    await process.record.beat()

    process.wall.now -= timedelta(minutes=10)

    again = asyncio.ensure_future(process.take(costing("0.01")))
    await asyncio.sleep(0)
    assert not again.done()
    await until_settled([process, other], [again])
    assert isinstance(again.result(), Hold)


async def test_of_several_processes_one_call_alone_may_pass_the_cap_by_its_error() -> None:
    processes = await several(4, budget(dollars="0.1"))
    calls = [asyncio.ensure_future(processes[i % 4].take(costing("0.03", "1"))) for i in range(20)]

    await until_settled(processes, calls)

    assert sum(isinstance(call.result(), Hold) for call in calls) == 1


async def test_a_stock_in_hand_is_not_enough_for_a_call_that_may_take_more() -> None:
    processes = await several(2, budget(dollars="1"))
    for process in processes:
        call = asyncio.ensure_future(process.take(costing("0.1")))
        await until_settled(processes, [call])
        hold = call.result()
        assert isinstance(hold, Hold)
        hold.settle(Decimal("0.1"), 1)
        await process.record.beat()

    calls = [asyncio.ensure_future(process.take(costing("0.02", "0.9"))) for process in processes]
    await until_settled(processes, calls)

    assert sum(isinstance(call.result(), Hold) for call in calls) == 1


async def test_processes_with_a_stock_each_let_no_call_pass_the_cap_but_the_last() -> None:
    processes = await several(2, budget(dollars="1"))
    spent = Decimal(0)
    for _ in range(4):
        for process in processes:
            calls = [asyncio.ensure_future(process.take(costing("0.02", "0.05"))) for _ in range(5)]
            await until_settled(processes, calls)
            spent += sum(Decimal("0.05") for call in calls if isinstance(call.result(), Hold))
            await process.record.beat()

    assert Decimal("0.95") <= spent <= Decimal("1.03")


async def test_what_may_have_been_written_is_said_anew() -> None:
    first, second = await several(2, budget(dollars="0.1"))
    hold = asyncio.ensure_future(first.take(costing("0.1")))
    await until_settled([first, second], [hold])
    taken = hold.result()
    assert isinstance(taken, Hold)
    taken.release()
    first.spending.close()
    first.repository.lost = StorageUnavailable("whether it was committed nobody knows")
    await first.record.beat()
    again = asyncio.ensure_future(first.take(costing("0.1")))
    await until_settled([first], [again])

    other = asyncio.ensure_future(second.take(costing("0.1")))
    await until_settled([first, second], [other])

    assert [isinstance(one.result(), Hold) for one in (again, other)] == [True, False]


async def test_who_waits_for_nothing_that_anybody_could_give_writes_nothing() -> None:
    first, second = await several(2, budget(dollars="0.1"))
    taken = [asyncio.ensure_future(first.take(costing("0.1")))]
    await until_settled([first, second], taken)
    await second.record.beat()
    before = first.repository.exchanges

    for _ in range(10):
        await first.record.look()
        await second.record.look()

    assert first.repository.exchanges == before


async def test_a_process_that_leaves_keeps_only_what_it_spent() -> None:
    leaving, other = await several(2, budget(dollars="0.1"))
    call = asyncio.ensure_future(leaving.take(costing("0.01")))
    await until_settled([leaving], [call])
    hold = call.result()
    assert isinstance(hold, Hold)
    hold.settle(Decimal("0.01"), 1)
    await leaving.record.leave()
    leaving.repository.dead.add("p0")

    calls = [asyncio.ensure_future(other.take(costing("0.01"))) for _ in range(10)]
    await until_settled([other], calls)

    assert sum(isinstance(one.result(), Hold) for one in calls) == 9


Cents = st.integers(0, 40)


@settings(max_examples=150, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(1, 40), Cents, st.floats(0, 1), st.integers(0, 3)), max_size=40),
    cap=st.integers(0, 200),
)
async def test_a_cap_is_passed_by_no_more_than_the_error_of_one_estimate(
    calls: list[tuple[int, int, float, int]], cap: int
) -> None:
    """Whatever is expected, however much more it may take and does, in whatever order the calls end."""
    process = await alone(budget(dollars=str(cap)))
    under_way: list[tuple[Hold, Decimal]] = []
    spent, error = Decimal(0), Decimal(0)
    for expected, more, part, ends in calls:
        estimate = costing(str(expected), str(expected + more))
        hold = await process.take(estimate)
        if isinstance(hold, Hold):
            error = max(error, Decimal(more))
            under_way.append((hold, Decimal(expected + round(more * part))))
        for hold, cost in under_way[:ends]:
            hold.settle(cost, 1)
            spent += cost
        del under_way[:ends]
    for hold, cost in under_way:
        hold.settle(cost, 1)
        spent += cost

    assert spent <= cap + error
    assert process.spent().cost == spent


@settings(max_examples=80, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["take", "end", "beat", "die"]), st.integers(1, 40), Cents),
        max_size=40,
    ),
    cap=st.integers(1, 150),
)
async def test_processes_together_pass_a_cap_by_one_calls_error_at_most_whoever_dies_when(
    steps: list[tuple[int, str, int, int]], cap: int
) -> None:
    """Each call takes the most it can, and is expected to take something: what is free needs no room."""
    processes = await several(3, budget(dollars=str(cap)))
    repository = processes[0].repository
    under_way: dict[int, list[tuple[Hold, int]]] = {0: [], 1: [], 2: []}
    spent = error = 0
    for which, what, cents, more in steps:
        process = processes[which]
        if process.holder in repository.dead:
            continue
        living = [one for one in processes if one.holder not in repository.dead]
        if what == "take":
            call = asyncio.ensure_future(process.take(costing(str(cents), str(cents + more))))
            await until_settled(living, [call])
            if isinstance(hold := call.result(), Hold):
                under_way[which].append((hold, cents + more))
                spent += cents + more
                error = max(error, more)
        elif what == "end" and under_way[which]:
            hold, cost = under_way[which].pop()
            hold.settle(Decimal(cost), 1)
        elif what == "beat":
            process.clock += 1
            await process.record.beat()
        elif what == "die" and len(living) > 1:
            repository.dead.add(process.holder)

    assert spent <= cap + error


def test_what_nobody_has_heard_of_lately_will_not_be_given_back() -> None:
    spend = Spend("x", Amount(tokens=1), Amount(tokens=2), Amount(tokens=9), is_alive=False)
    assert spend.surely_used == Amount(tokens=9)
