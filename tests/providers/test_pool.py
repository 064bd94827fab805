"""What the pool knows of providers and targets, and what survives a change of configuration."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain.catalog import ModelFacts, ModelMode
from app.domain.chat import Credential
from app.domain.errors import Code, NotFound
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType, RateLimit
from app.domain.target import Circuit, Target
from app.domain.usage import PriceCard, PriceTier
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from tests.fakes_providers import FakeAdapters, FakeCatalog, FakeClock

CARD = PriceCard((PriceTier(0, Decimal(1), Decimal(2)),), "catalog")
KEYS = (Credential("aaaaaaaa"), Credential("bbbbbbbb"))


def provider(name: str, *models: str, type: ProviderType = ProviderType.OPENAI, **more: Any) -> ProviderConfig:  # noqa: A002
    return ProviderConfig(name, type, f"http://{name}", models=tuple(ModelConfig(model) for model in models), **more)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def catalog() -> FakeCatalog:
    return FakeCatalog(
        models={ProviderType.OPENAI: ("gpt-a", "gpt-b"), ProviderType.OLLAMA: ("llama",)},
        facts={"gpt-a": ModelFacts(context_window=1000, capabilities=frozenset({"tools"}))},
        cards={"gpt-a": CARD},
        embedding={ProviderType.OPENAI: ("embed-a",), ProviderType.OLLAMA: ("embed-o",)},
        retired={ProviderType.OPENAI: frozenset({"gpt-old"})},
    )


@pytest.fixture
def adapters() -> FakeAdapters:
    return FakeAdapters()


@pytest.fixture
def pool_of(clock: FakeClock, catalog: FakeCatalog, adapters: FakeAdapters) -> Callable[..., Pool]:
    def build(*providers: ProviderConfig) -> Pool:
        pool = Pool(adapters, catalog, breaker=BreakerRules(), retry=RetryRules(), now=clock.now, rng=random.Random(1))
        pool.replace(ProviderSet(providers))
        return pool

    return build


def test_providers_come_by_priority_then_in_the_files_order(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(
        provider("last", priority=9), provider("first", priority=1), provider("second", priority=1), provider("mid")
    )

    assert [state.config.name for state in pool.providers()] == ["first", "second", "last", "mid"]


def test_disabled_providers_do_not_exist(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("on", "m"), provider("off", "m", enabled=False))

    assert pool.provider("off") is None
    assert pool.models("off") == ()
    assert pool.serving("m") == (Target("on", "m"),)


def test_a_model_that_only_embeds_is_served_without_being_offered(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("open"), provider("stated", "gpt-a"))

    assert pool.serving("embed-a") == (Target("open", "embed-a"),)
    assert "embed-a" not in pool.models("open")
    assert pool.default_model("open") == "gpt-a"


def test_what_a_server_of_ones_own_lists_decides_over_known_embedding_models(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("home", type=ProviderType.OLLAMA))
    state = pool.provider("home")
    assert state is not None
    assert pool.serving("embed-o") == (Target("home", "embed-o"),)

    pool.set_listed(state, ("llama", "nomic-embed-text"))

    assert pool.serving("embed-o") == ()
    assert pool.serving("nomic-embed-text") == (Target("home", "nomic-embed-text"),)


def test_configured_models_are_all_that_is_served(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(
        provider("many", "x", "y"), provider("one", default_model="z"), provider("both", "x", default_model="z")
    )

    assert pool.models("many") == ("x", "y")
    assert pool.default_model("many") == "x"
    assert pool.models("one") == ("z",)
    assert pool.models("both") == ("z", "x")
    assert pool.default_model("both") == "z"


def test_without_configured_models_catalog_and_own_list_say_what_is_served(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("hosted"))
    state = pool.provider("hosted")
    assert state is not None
    assert pool.models("hosted") == ("gpt-a", "gpt-b")

    pool.set_listed(state, ("gpt-b", "gpt-c"))

    assert pool.models("hosted") == ("gpt-a", "gpt-b", "gpt-c")
    assert pool.default_model("hosted") == "gpt-a"
    assert pool.serving("gpt-c") == (Target("hosted", "gpt-c"),)


def test_a_server_of_ones_own_serves_what_it_lists(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("local", type=ProviderType.OLLAMA), provider("odd", type=ProviderType.VLLM))
    state = pool.provider("local")
    assert state is not None
    assert pool.models("local") == ("llama",)

    pool.set_listed(state, ("qwen",))

    assert pool.models("local") == ("qwen",)
    assert pool.models("odd") == ()
    assert pool.default_model("odd") is None


def test_an_endless_list_is_cut(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("local", type=ProviderType.VLLM))
    state = pool.provider("local")
    assert state is not None

    pool.set_listed(state, tuple(str(number) for number in range(100_000)))

    assert len(pool.models("local")) == 5000


def test_every_provider_of_a_model_serves_it_in_order(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("b", "m", priority=2), provider("a", "m", "n", priority=1))

    assert pool.serving("m") == (Target("a", "m"), Target("b", "m"))
    assert pool.serving("unheard of") == ()


def test_an_unchanged_provider_keeps_its_state(pool_of: Callable[..., Pool], adapters: FakeAdapters) -> None:
    pool = pool_of(provider("same", "m"), provider("changed", "m"))
    same, changed = pool.provider("same"), pool.provider("changed")
    kept = pool.state(Target("same", "m"), "")
    lost = pool.state(Target("changed", "m"), "")

    pool.replace(ProviderSet((provider("same", "m"), provider("changed", "m", priority=5))))

    assert pool.provider("same") is same
    assert pool.provider("changed") is not changed
    assert pool.state(Target("same", "m"), "") is kept
    assert pool.state(Target("changed", "m"), "") is not lost
    assert adapters.builds == 3
    assert pool.revision == 2


def test_a_change_elsewhere_does_not_refill_a_request_limit(pool_of: Callable[..., Pool], clock: FakeClock) -> None:
    limited = provider("p", "m", rate_limit=RateLimit(requests_per_minute=1))
    pool = pool_of(limited)
    state = pool.provider("p")
    assert state is not None
    state.limits.reserve(clock.now(), clock.wall())

    pool.replace(ProviderSet((replace(limited, priority=3),)))

    assert pool.candidate(Target("p", "m")).why_full == "limit requests_per_minute is reached"


def test_a_configuration_that_cannot_be_built_changes_nothing(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("good", "m"))
    before = pool.current

    with pytest.raises(ValueError, match="not a base URL"):
        pool.replace(ProviderSet((provider("new", "m"), replace(provider("bad", "m"), base_url="bad"))))

    assert pool.current is before
    assert pool.revision == 1
    assert [state.config.name for state in pool.providers()] == ["good"]


def test_a_candidate_shows_the_target_as_it_stands(pool_of: Callable[..., Pool], clock: FakeClock) -> None:
    pool = pool_of(provider("p", "gpt-a", priority=7, weight=0.5, credentials=KEYS[:1]))
    target = Target("p", "gpt-a")
    state = pool.state(target, "aaaaaaaa")
    state.last_used = 990.0
    state.window.add(clock.now(), True, 0.5)
    state.window.add(clock.now(), False, 9.0)
    state.cool(clock.now() + 4)
    state.cool(clock.now() + 2)

    candidate = pool.candidate(target)

    assert (candidate.priority, candidate.weight) == (7, 0.5)
    assert candidate.credential == KEYS[0]
    assert (candidate.success_rate, candidate.p95, candidate.samples) == (0.5, 0.5, 2)
    assert (candidate.cooling, candidate.last_used) == (4.0, 990.0)
    assert (candidate.context_window, candidate.capabilities, candidate.price) == (1000, frozenset({"tools"}), CARD)


def test_what_the_operator_states_of_a_model_beats_the_catalog(pool_of: Callable[..., Pool]) -> None:
    stated = ModelConfig("gpt-a", context_window=50, capabilities=frozenset())
    pool = pool_of(replace(provider("p"), models=(stated, ModelConfig("unknown"))))

    candidate = pool.candidate(Target("p", "gpt-a"))
    assert (candidate.context_window, candidate.capabilities) == (50, frozenset())
    other = pool.candidate(Target("p", "unknown"))
    assert (other.context_window, other.capabilities, other.price) == (None, None, None)


def test_facts_and_prices_are_looked_up_once(pool_of: Callable[..., Pool], catalog: FakeCatalog) -> None:
    pool = pool_of(provider("p", "gpt-a"))

    for _ in range(5):
        pool.candidate(Target("p", "gpt-a"))

    assert catalog.cards_asked == 1


def test_an_open_circuit_tells_when_it_may_be_tried(pool_of: Callable[..., Pool], clock: FakeClock) -> None:
    pool = pool_of(provider("p", "m"))
    breaker = pool.state(Target("p", "m"), "").breaker
    for _ in range(5):
        breaker.failed(clock.now())

    candidate = pool.candidate(Target("p", "m"))
    assert candidate.circuit is Circuit.OPEN
    assert 27.0 <= candidate.cooling <= 30.0

    clock.advance(30.0)
    candidate = pool.candidate(Target("p", "m"))
    assert candidate.circuit is Circuit.HALF_OPEN
    assert candidate.cooling == 0.0


def test_breakers_are_per_target_and_key(pool_of: Callable[..., Pool], clock: FakeClock) -> None:
    pool = pool_of(provider("p", "m", "n"))
    agents = Credential("cccccccc")
    breaker = pool.state(Target("p", "m"), agents.id).breaker
    for _ in range(5):
        breaker.failed(clock.now())

    assert pool.candidate(Target("p", "m"), agents).circuit is Circuit.OPEN
    assert pool.candidate(Target("p", "m")).circuit is Circuit.CLOSED
    assert pool.candidate(Target("p", "n"), agents).circuit is Circuit.CLOSED


def test_a_parked_key_gives_way_to_the_next_one(pool_of: Callable[..., Pool], clock: FakeClock) -> None:
    pool = pool_of(provider("p", "m", credentials=KEYS))
    state = pool.provider("p")
    assert state is not None
    state.park(KEYS[0].id, clock.now() + 60)

    candidate = pool.candidate(Target("p", "m"))
    assert (candidate.credential, candidate.parked) == (KEYS[1], False)

    state.park(KEYS[1].id, clock.now() + 90)
    candidate = pool.candidate(Target("p", "m"))
    assert (candidate.credential, candidate.parked) == (KEYS[0], True)
    assert state.cooldown_until(clock.now()) == clock.now() + 60

    clock.advance(60)
    assert not pool.candidate(Target("p", "m")).parked
    assert state.cooldown_until(clock.now()) is None


def test_weights_share_the_requests_among_keys(pool_of: Callable[..., Pool], clock: FakeClock) -> None:
    keys = (Credential("heavy", weight=3.0), Credential("light", weight=1.0), Credential("reserve"))
    pool = pool_of(provider("main", "gpt-a", credentials=keys))
    target = Target("main", "gpt-a")

    used = Counter(pool.candidate(target).credential.id for _ in range(4000))
    assert used["heavy"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert used["reserve"] == 0

    main = pool.provider("main")
    assert main is not None
    for dead in ("heavy", "light"):
        main.park(dead, clock.now() + 60)
    assert pool.candidate(target).credential.id == "reserve"


def test_a_key_that_is_pausing_at_a_target_is_left_alone_there_only(
    pool_of: Callable[..., Pool], clock: FakeClock
) -> None:
    pool = pool_of(provider("main", "gpt-a", "gpt-b", credentials=KEYS))
    pool.state(Target("main", "gpt-a"), KEYS[0].id).cool(clock.now() + 9)

    assert pool.candidate(Target("main", "gpt-a")).credential == KEYS[1]
    assert pool.candidate(Target("main", "gpt-b")).credential == KEYS[0]
    pool.state(Target("main", "gpt-a"), KEYS[1].id).cool(clock.now() + 9)
    assert pool.candidate(Target("main", "gpt-a")).cooling == 9


def test_parking_an_agents_key_leaves_the_providers_own_alone(pool_of: Callable[..., Pool], clock: FakeClock) -> None:
    pool = pool_of(provider("p", "m"))
    state = pool.provider("p")
    assert state is not None
    agents = Credential("cccccccc")
    state.park(agents.id, clock.now() + 60)

    assert pool.candidate(Target("p", "m"), agents).parked
    assert not pool.candidate(Target("p", "m")).parked
    assert state.cooldown_until(clock.now()) is None


def test_parked_keys_are_bounded(pool_of: Callable[..., Pool], clock: FakeClock) -> None:
    state = pool_of(provider("p", "m")).provider("p")
    assert state is not None
    for number in range(5000):
        state.park(str(number), clock.now() + 60)

    assert len(state._parked) <= 1000
    assert state.is_parked("4999", clock.now())


def test_looking_at_made_up_names_creates_no_state(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("p"))
    for number in range(100):
        pool.candidate(Target("p", f"made-up-{number}"))

    assert pool.states("p") == []


def test_states_are_bounded_and_the_ones_in_use_stay(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("p", "m"))
    used = pool.state(Target("p", "m"), "")
    for number in range(10_500):
        pool.state(Target("p", f"m{number}"), "")
        if number % 5000 == 0:
            pool.state(Target("p", "m"), "")

    assert len(pool.states("p")) == 10_000
    assert pool.state(Target("p", "m"), "") is used


def test_a_candidate_of_an_unknown_provider_is_not_found(pool_of: Callable[..., Pool]) -> None:
    with pytest.raises(NotFound) as caught:
        pool_of().candidate(Target("nobody", "m"))

    assert caught.value.code is Code.UNKNOWN_PROVIDER


def test_a_retired_model_is_not_offered_but_served_where_it_is_asked_for(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("main"), provider("own", "gpt-a"))

    assert "gpt-old" not in pool.models("main")
    assert (pool.serves("main", "gpt-old"), pool.serves("main", "gpt-a"), pool.serves("main", "gpt-x")) == (
        True,
        True,
        False,
    )
    assert not pool.serves("own", "gpt-old")
    assert not pool.serves("nobody", "gpt-old")


def test_the_operators_word_on_capabilities_goes_before_the_catalogs(pool_of: Callable[..., Pool]) -> None:
    vectors = ModelConfig("gpt-a", mode=ModelMode.EMBEDDING)
    pool = pool_of(replace(provider("main"), models=(vectors,)))

    candidate = pool.candidate(Target("main", "gpt-a"))

    assert candidate.capabilities == frozenset({"embeddings"})
    assert candidate.context_window == 1000


def test_the_index_grows_with_each_change_of_what_is_served(pool_of: Callable[..., Pool]) -> None:
    pool = pool_of(provider("main"))
    state, before = pool.provider("main"), pool.index
    assert state is not None

    pool.set_listed(state, ("gpt-c",))
    pool.set_listed(state, ("gpt-c",))

    assert (pool.index, pool.revision) == (before + 1, 1)


def test_a_price_is_looked_up_again_after_ten_minutes(
    pool_of: Callable[..., Pool], catalog: FakeCatalog, clock: FakeClock
) -> None:
    pool = pool_of(provider("main"))
    for _ in range(3):
        pool.candidate(Target("main", "gpt-a"))
    asked = catalog.cards_asked

    clock.advance(601)
    pool.candidate(Target("main", "gpt-a"))

    assert (asked, catalog.cards_asked) == (1, 2)
