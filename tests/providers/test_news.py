"""What one process learns of a provider the others know, once, and no key travels."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from app.domain.errors import StorageUnavailable
from app.domain.news import About, News, NewsKind
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType
from app.domain.target import Circuit, Target
from app.providers.news import NewsDesk
from app.providers.pool import Pool
from app.providers.state import ProviderState, TargetState
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from tests.fakes import ScriptedAdapter
from tests.fakes_providers import FakeCatalog, FakeClock

ALPHA, KEY = Target("alpha", "a"), "0123abcd"


class Board:
    """A repository in memory that may be away."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.rows: dict[About, tuple[str, float, float]] = {}
        self.said = 0
        self.is_away = False

    async def say(self, origin: str, news: Sequence[News]) -> None:
        if self.is_away:
            raise StorageUnavailable("the database is away")
        for one in news:
            self.said += 1
            if one.about.kind is NewsKind.RESET:
                self.rows = {about: row for about, row in self.rows.items() if about.kind is NewsKind.RESET}
            self.rows[one.about] = (origin, self._clock.time + one.seconds, float(self.said))

    async def heard(self, origin: str) -> list[News]:
        if self.is_away:
            raise StorageUnavailable("the database is away")
        return [
            News(about, until - self._clock.time, said)
            for about, (who, until, said) in self.rows.items()
            if who != origin and until > self._clock.time
        ]


class Process:
    """One gateway with one provider."""

    def __init__(self, name: str, board: Board, clock: FakeClock, *, listen_every: float = 1.0) -> None:
        self.clock = clock
        self.pool = Pool(
            lambda _: ScriptedAdapter("buy"), FakeCatalog(), breaker=BreakerRules(), retry=RetryRules(),
            now=clock.now, rng=random.Random(1),
        )  # fmt: skip
        alpha = ProviderConfig("alpha", ProviderType.OPENAI_COMPATIBLE, "http://alpha/v1", models=(ModelConfig("a"),))
        self.pool.replace(ProviderSet((alpha,)))
        self.desk = NewsDesk(self.pool, board, origin=name, now=clock.now, listen_every=listen_every)

    @property
    def target(self) -> TargetState:
        return self.pool.state(ALPHA, KEY)

    @property
    def provider(self) -> ProviderState:
        state = self.pool.provider("alpha")
        assert state is not None
        return state

    def fail(self) -> None:
        """As often as it takes to open the circuit."""
        for _ in range(5):
            self.target.breaker.failed(self.clock.now())

    @property
    def circuit(self) -> Circuit:
        return self.target.breaker.circuit(self.clock.now())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def board(clock: FakeClock) -> Board:
    return Board(clock)


async def within_a_second(*processes: Process) -> None:
    """Let each process's job do what it does in a second."""
    for _ in range(4):
        processes[0].clock.advance(0.3)
        for process in processes:
            await process.desk.exchange()


async def test_a_pause_a_parked_key_and_an_open_circuit_hold_for_all(board: Board, clock: FakeClock) -> None:
    here, there = Process("a", board, clock), Process("b", board, clock)
    here.fail()
    here.target.cool(clock.now() + 20)
    here.provider.park(KEY, clock.now() + 300)

    await within_a_second(here, there)

    assert there.circuit is Circuit.OPEN
    assert there.target.cooldown_until == pytest.approx(here.target.cooldown_until)
    assert there.provider.is_parked(KEY, clock.now())
    assert there.target.breaker.open_until(clock.now()) == pytest.approx(here.target.breaker.open_until(clock.now()))
    assert there.target.breaker.ejections == 0


async def test_what_was_taken_over_is_not_told_again(board: Board, clock: FakeClock) -> None:
    here, there, third = (Process(name, board, clock) for name in "abc")
    here.fail()
    here.target.cool(clock.now() + 20)

    for _ in range(5):
        await within_a_second(here, there, third)

    assert board.said == 2


async def test_what_a_process_found_better_than_it_was_told_stays_so(board: Board, clock: FakeClock) -> None:
    here, there = Process("a", board, clock), Process("b", board, clock)
    here.fail()
    await within_a_second(here, there)
    there.target.breaker.probed(clock.now())

    await within_a_second(here, there)

    assert (here.circuit, there.circuit) == (Circuit.OPEN, Circuit.HALF_OPEN)


async def test_a_later_word_is_taken_over_again(board: Board, clock: FakeClock) -> None:
    here, there = Process("a", board, clock), Process("b", board, clock)
    here.target.cool(clock.now() + 5)
    await within_a_second(here, there)
    here.target.cool(clock.now() + 60)
    await within_a_second(here, there)

    assert there.target.cooling(clock.now()) == pytest.approx(here.target.cooling(clock.now()))


async def test_a_reset_here_is_a_reset_everywhere_and_takes_back_what_was_told(board: Board, clock: FakeClock) -> None:
    here, there = Process("a", board, clock), Process("b", board, clock)
    here.fail()
    here.target.cool(clock.now() + 60)
    here.provider.park(KEY, clock.now() + 300)
    await within_a_second(here, there)

    there.pool.reset("alpha")
    there.desk.reset("alpha", None)
    await within_a_second(there, here)
    late = Process("c", board, clock)
    await within_a_second(late, here, there)

    for process in (here, there, late):
        assert process.circuit is Circuit.CLOSED
        assert process.target.cooling(clock.now()) == 0
        assert not process.provider.is_parked(KEY, clock.now())

    here.fail()
    await within_a_second(here, there)
    assert there.circuit is Circuit.OPEN


async def test_a_process_that_begins_learns_what_holds_but_no_reset_of_long_ago(board: Board, clock: FakeClock) -> None:
    here = Process("a", board, clock)
    here.desk.reset("alpha", None)
    await within_a_second(here)
    here.target.cool(clock.now() + 60)
    await within_a_second(here)

    late = Process("b", board, clock)
    late.fail()
    await within_a_second(late)

    assert late.circuit is Circuit.OPEN
    assert late.target.cooling(clock.now()) > 50


async def test_while_the_database_is_away_each_knows_its_own_and_tells_it_later(board: Board, clock: FakeClock) -> None:
    here, there = Process("a", board, clock), Process("b", board, clock)
    board.is_away = True
    here.target.cool(clock.now() + 60)
    await within_a_second(here, there)
    assert there.target.cooling(clock.now()) == 0

    board.is_away = False
    await within_a_second(here, there)

    assert there.target.cooling(clock.now()) > 50


async def test_a_bell_is_heard_at_the_next_look(board: Board, clock: FakeClock) -> None:
    here, there = Process("a", board, clock), Process("b", board, clock)
    await within_a_second(here, there)
    here.target.cool(clock.now() + 60)

    await here.desk.exchange()
    there.desk.ring()
    await there.desk.exchange()

    assert there.target.cooling(clock.now()) > 50


async def test_who_is_rung_for_hears_at_once_and_who_is_not_hears_at_the_next_look(clock: FakeClock) -> None:
    board = Board(clock)
    here, there = Process("a", board, clock), Process("b", board, clock, listen_every=3.0)
    await there.desk.exchange()

    async def heard(about: float) -> bool:
        here.target.cool(clock.now() + about)
        await here.desk.exchange()
        clock.advance(0.3)
        await there.desk.exchange()
        return there.target.cooling(clock.now()) == pytest.approx(about - 0.3)

    assert not await heard(20)
    there.desk.ring()
    assert await heard(40)
    clock.advance(3)
    assert await heard(60)
