from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest
from pydantic import SecretStr

from app.domain.agent import AgentConfig
from app.domain.attempt import AttemptKind
from app.domain.audit import Author
from app.domain.chat import Call, ChatChunk, ChatRequest, ChatResponse, Credential
from app.domain.errors import Code, DeadlineExceeded, FailureKind, NotFound, OutcryError, ProviderError
from app.domain.provider import RateLimit
from app.domain.target import Circuit, Target
from app.domain.usage import Usage, UsageSource
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from tests.fakes import Breaks, Cut, FakeClock, Hang, ScriptedAdapter
from tests.gateway.conftest import HELLO, House, ask, house


class SlowHead(ScriptedAdapter):
    """Takes half a second until the head of its stream is there."""

    def __init__(self, text: str, clock: FakeClock) -> None:
        super().__init__(text)
        self._clock = clock

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[ChatChunk]]:
        self._clock.advance(0.5)
        return super().stream(call)


def fails(kind: FailureKind = FailureKind.SERVER_ERROR, **more: float) -> ProviderError:
    return ProviderError(kind, kind.value, retry_after=more.get("retry_after"))


async def test_the_preferred_target_answers() -> None:
    way = house(alpha=ScriptedAdapter("buy"), beta=ScriptedAdapter("sell"))

    done = await way.gateway.complete(ask(way))

    assert ("buy", Target("alpha", "alpha-1"), False) == (done.response.text, done.target, done.is_fallback)
    assert [1, 0] == way.calls()


async def test_a_failing_target_is_fallen_over_unseen() -> None:
    way = house(alpha=ScriptedAdapter(fails()), beta=ScriptedAdapter("sell"))

    done = await way.gateway.complete(ask(way))

    assert ("sell", True) == (done.response.text, done.is_fallback)
    assert [("alpha", "error"), ("beta", "ok")] == way.outcomes()
    assert [AttemptKind.FIRST, AttemptKind.FALLBACK] == [one.kind for one in done.attempts]


async def test_a_single_target_is_tried_three_times() -> None:
    way = house(alpha=ScriptedAdapter(fails(), fails(), "buy"))

    done = await way.gateway.complete(ask(way))

    assert ("buy", [3]) == (done.response.text, way.calls())


async def test_without_failover_only_the_first_target_is_asked() -> None:
    way = house(alpha=ScriptedAdapter(fails()), beta=ScriptedAdapter("sell"))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, allow_failover=False, max_retries=0))

    assert (Code.PROVIDER_ERROR, 1, True) == (
        caught.value.code,
        caught.value.trail.attempts,
        caught.value.trail.is_final,
    )
    assert [1, 0] == way.calls()


async def test_a_pinned_target_is_never_replaced_but_by_the_callers_own_fallbacks() -> None:
    way = house(alpha=ScriptedAdapter(fails()), beta=ScriptedAdapter("sell"), gamma=ScriptedAdapter("hold"))

    done = await way.gateway.complete(ask(way, model="alpha/alpha-1", fallbacks=("gamma/gamma-1",)))

    assert ("hold", [1, 0, 1]) == (done.response.text, way.calls())


async def test_a_callers_own_fault_is_passed_on_with_the_providers_status() -> None:
    error = ProviderError(FailureKind.BAD_REQUEST, "unknown field", upstream_status=422)
    way = house(alpha=ScriptedAdapter(error), beta=ScriptedAdapter("sell"))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way))

    assert (422, [1, 0]) == (caught.value.status, way.calls())
    assert Circuit.CLOSED is way.pool.candidate(Target("alpha", "alpha-1")).circuit


async def test_five_failures_in_a_row_open_the_circuit_and_the_next_request_does_not_pay() -> None:
    way = house(alpha=ScriptedAdapter(fails()), beta=ScriptedAdapter("sell"))
    for _ in range(5):
        await way.gateway.complete(ask(way))

    await way.gateway.complete(ask(way))

    assert [5, 6] == way.calls()


async def test_all_circuits_open_is_a_503_with_a_time_to_come_back() -> None:
    way = house(alpha=ScriptedAdapter(fails()))
    for _ in range(5):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, max_retries=0))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way))

    assert (Code.PROVIDER_CIRCUIT_OPEN, 503) == (caught.value.code, caught.value.status)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 45


async def test_while_every_circuit_is_open_one_request_in_five_seconds_goes_through() -> None:
    way = house(alpha=ScriptedAdapter(fails()))
    asked = []
    for _ in range(120):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, max_retries=0))
        asked.extend(way.calls())
        way.clock.advance(0.1)

    assert (5, 6, 7) == (asked[40], asked[60], asked[-1])


async def test_a_provider_that_is_back_is_found_before_its_circuit_would_close() -> None:
    way = house(alpha=ScriptedAdapter(*[fails()] * 5, "buy"))
    for _ in range(5):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, max_retries=0))
    way.clock.advance(6)

    assert ["buy"] * 2 == [(await way.gateway.complete(ask(way))).response.text for _ in range(2)]
    assert Circuit.CLOSED is way.pool.candidate(Target("alpha", "alpha-1")).circuit


async def test_the_last_resort_leaves_a_target_alone_that_asked_for_it() -> None:
    limited = fails(FailureKind.RATE_LIMITED, retry_after=60.0)
    way = house(alpha=ScriptedAdapter(limited))
    state = way.pool.state(Target("alpha", "alpha-1"), "k")
    with pytest.raises(OutcryError):
        await way.gateway.complete(ask(way, max_retries=0))
    for _ in range(5):
        state.breaker.failed(way.clock.now())
    way.clock.advance(6)

    with pytest.raises(OutcryError):
        await way.gateway.complete(ask(way, max_retries=0))

    assert [1] == way.calls()


async def test_a_limit_of_n_admits_n_and_moves_on() -> None:
    way = House(
        {"alpha": ScriptedAdapter("buy"), "beta": ScriptedAdapter("sell")},
        limits={"alpha": RateLimit(requests_per_minute=2)},
    )

    texts = [(await way.gateway.complete(ask(way))).response.text for _ in range(3)]

    assert ["buy", "buy", "sell"] == texts


async def test_a_reached_limit_without_another_target_names_itself() -> None:
    way = House({"alpha": ScriptedAdapter("buy")}, limits={"alpha": RateLimit(requests_per_minute=1)})
    await way.gateway.complete(ask(way))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way))

    assert (Code.RATE_LIMIT, 429) == (caught.value.code, caught.value.status)
    assert "requests_per_minute" in caught.value.message


async def test_a_circuit_that_admits_nobody_gives_the_reserved_request_back() -> None:
    way = House({"alpha": ScriptedAdapter(fails())}, limits={"alpha": RateLimit(requests_per_minute=100)})
    for _ in range(5):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, max_retries=0))
    way.clock.advance(31)
    state = way.pool.state(Target("alpha", "alpha-1"), "k")
    assert state.breaker.try_acquire(way.clock.now())

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way))

    provider = way.pool.provider("alpha")
    assert provider is not None
    assert (Code.PROVIDER_CIRCUIT_OPEN, 5) == (caught.value.code, provider.limits.used_this_minute(way.clock.now()))


async def test_a_rate_limited_target_is_left_alone_until_it_asked_to_be() -> None:
    way = house(
        alpha=ScriptedAdapter(fails(FailureKind.RATE_LIMITED, retry_after=30), "buy"), beta=ScriptedAdapter("sell")
    )
    await way.gateway.complete(ask(way))
    await way.gateway.complete(ask(way))
    assert [1, 2] == way.calls()

    way.clock.advance(31)
    await way.gateway.complete(ask(way))

    assert [2, 2] == way.calls()


async def test_a_refused_key_is_tried_last_not_never() -> None:
    way = house(alpha=ScriptedAdapter(fails(FailureKind.AUTH)), beta=ScriptedAdapter("sell"))

    await way.gateway.complete(ask(way))
    await way.gateway.complete(ask(way))

    assert [1, 2] == way.calls()


async def test_a_refused_key_is_a_502_to_the_caller() -> None:
    way = house(alpha=ScriptedAdapter(fails(FailureKind.AUTH)))

    for _ in range(2):
        with pytest.raises(OutcryError) as caught:
            await way.gateway.complete(ask(way))
        assert (Code.PROVIDER_AUTH_FAILED, 502) == (caught.value.code, caught.value.status)


class CountingTheAnswerAlone(ScriptedAdapter):
    """As a server that had the whole prompt in its cache."""

    async def complete(self, call: Call) -> ChatResponse:
        return replace(await super().complete(call), usage=Usage(0, 282))


async def test_a_prompt_that_nobody_counted_is_estimated() -> None:
    way = house(alpha=CountingTheAnswerAlone("buy"))

    done = await way.gateway.complete(ask(way))

    assert (282, UsageSource.ESTIMATED) == (done.usage.output_tokens, done.usage.source)
    assert done.usage.input_tokens > 0
    assert [done.usage] == [record.usage for record in way.recorder.records]


async def test_a_callers_leaving_gives_everything_back_and_is_recorded() -> None:
    way = house(alpha=ScriptedAdapter(Hang()))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(way.gateway.complete, ask(way))
        await way.adapters["alpha"].reached.wait()
        tasks.cancel_scope.cancel()

    (record,) = way.recorder.records
    assert ("cancelled", Code.CANCELLED) == (record.outcome.value, record.code)
    assert record.usage is not None
    assert UsageSource.ESTIMATED is record.usage.source
    state = way.pool.provider("alpha")
    assert state is not None
    assert 0 == state.in_flight


async def test_a_deadline_bounds_an_adapter_that_ignores_its_timers() -> None:
    way = house(alpha=ScriptedAdapter(Hang()))

    with anyio.fail_after(2), pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, deadline=way.clock.now() + 0.05, max_retries=0))

    assert 504 == caught.value.status


async def test_an_attempt_that_sent_nothing_is_not_counted_in_the_error() -> None:
    way = House({"alpha": ScriptedAdapter("buy")}, limits={"alpha": RateLimit(requests_per_minute=1)})
    await way.gateway.complete(ask(way))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way))

    assert (Code.RATE_LIMIT, 0) == (caught.value.code, caught.value.trail.attempts)


async def test_a_pause_between_attempts_is_no_time_of_the_gateways_own(monkeypatch: pytest.MonkeyPatch) -> None:
    way = House({"alpha": ScriptedAdapter(fails(), fails(), "buy", fails())}, rules=RetryRules(base=4.0, cap=4.0))
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        way.clock.advance(seconds)

    monkeypatch.setattr("anyio.sleep", sleep)
    done = await way.gateway.complete(ask(way))
    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, max_retries=1))

    assert len([pause for pause in pauses if pause > 0]) == 3
    assert done.latency > 0
    assert max(done.overhead, caught.value.trail.overhead) < 1e-9


async def test_a_streams_first_chunk_decides_the_fallback() -> None:
    way = house(alpha=ScriptedAdapter(Cut(after=0)), beta=ScriptedAdapter("buy"))

    async with way.gateway.stream(ask(way)) as stream:
        lengths = [chunk.length async for chunk in stream]

    assert (3, [1, 1]) == (sum(lengths), way.calls())
    assert ("beta", "stop", True) == (stream.target.provider, stream.finish_reason, stream.trail.is_fallback)


async def test_a_stream_that_breaks_after_content_is_never_spliced() -> None:
    way = house(alpha=ScriptedAdapter(Breaks("one two", fails())), beta=ScriptedAdapter("other"))
    seen = 0

    with pytest.raises(OutcryError) as caught:
        async with way.gateway.stream(ask(way)) as stream:
            async for chunk in stream:
                seen += chunk.length

    assert (6, [1, 0]) == (seen, way.calls())
    assert caught.value.trail.is_final
    assert 0 == way.adapters["alpha"].open_streams


async def test_a_finished_stream_is_recorded_with_usage_and_first_token() -> None:
    way = house(alpha=ScriptedAdapter("strong buy"))

    async with way.gateway.stream(ask(way)) as stream:
        async for _ in stream:
            pass

    (record,) = way.recorder.records
    assert ("ok", True, stream.usage) == (record.outcome.value, record.streamed, record.usage)
    assert record.time_to_first_token is not None


async def test_waiting_for_a_streams_head_is_the_providers_time_and_not_ours() -> None:
    clock = FakeClock()
    way = House({"alpha": SlowHead("strong buy", clock=clock)}, clock=clock)

    async with way.gateway.stream(ask(way)) as stream:
        async for _ in stream:
            pass

    (record,) = way.recorder.records
    assert (record.time_to_first_token, stream.time_to_first_token, stream.overhead) == (0.5, 0.5, 0.0)


async def test_a_stream_that_is_left_early_closes_the_upstream_and_counts_as_cancelled() -> None:
    way = house(alpha=ScriptedAdapter("one two three"))

    async with way.gateway.stream(ask(way)) as stream:
        await anext(aiter(stream))

    assert [("alpha", "cancelled")] == way.outcomes()
    assert 0 == way.adapters["alpha"].open_streams


async def test_a_streams_deadline_is_kept_after_its_commit() -> None:
    way = house(alpha=ScriptedAdapter("one two"))

    with pytest.raises(DeadlineExceeded):
        async with way.gateway.stream(ask(way)) as stream:
            async for _ in stream:
                way.clock.advance(61)

    assert [("alpha", "error")] == way.outcomes()


async def test_parameters_come_from_the_file_then_the_agent_then_the_request() -> None:
    way = House({"alpha": ScriptedAdapter("x")}, parameters={"alpha": {"temperature": 0.1, "max_tokens": 1, "seed": 7}})
    way.employ(AgentConfig(1, 3, "alpha", "alpha-1", temperature=0.5, max_tokens=2))
    request = ChatRequest(HELLO.messages, {"max_tokens": 9})

    await way.gateway.complete(ask(way, agent_id=3, request=request))

    assert {"temperature": 0.5, "max_tokens": 9, "seed": 7} == way.adapters["alpha"].calls[0].request.parameters


async def test_an_agents_own_key_and_fallback_are_used() -> None:
    way = house(alpha=ScriptedAdapter("a"), beta=ScriptedAdapter(fails()), gamma=ScriptedAdapter("g"))
    way.employ(
        AgentConfig(
            1,
            3,
            "beta",
            "beta-1",
            api_key=SecretStr("sk-agents-own"),
            fallback_provider="gamma",
            fallback_model="gamma-1",
        )
    )

    done = await way.gateway.complete(ask(way, model="agent:3"))

    secret = way.adapters["beta"].calls[0].credential.secret
    assert secret is not None
    assert ("sk-agents-own", "g", [0, 1, 1]) == (secret.get_secret_value(), done.response.text, way.calls())
    assert [3, 3] == [record.agent_id for record in way.recorder.records]


async def test_a_stored_key_that_cannot_be_read_is_never_replaced_by_another() -> None:
    way = house(alpha=ScriptedAdapter("a"))
    way.employ(AgentConfig(1, 3, "alpha", "alpha-1", undecryptable=True))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, agent_id=3))

    assert (Code.STORAGE_UNAVAILABLE, [0]) == (caught.value.code, way.calls())


async def test_a_stored_key_does_not_follow_its_provider_to_another_origin() -> None:
    way = house(alpha=ScriptedAdapter("a"))
    key = {"api_key": SecretStr("sk-agents-own"), "key_origin": "https://elsewhere.invalid:443"}
    way.employ(AgentConfig(1, 3, "alpha", "alpha-1", **key))  # type: ignore[arg-type]  # a mixed bag on purpose

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, agent_id=3))

    assert (Code.STORAGE_UNAVAILABLE, [0]) == (caught.value.code, way.calls())


async def test_what_nobody_states_about_the_target_that_answered_is_in_the_warnings() -> None:
    way = house(alpha=ScriptedAdapter(fails()), beta=ScriptedAdapter("sell"))

    done = await way.gateway.complete(ask(way))

    assert any("beta/beta-1" in warning for warning in done.warnings)
    assert not any("alpha/alpha-1" in warning for warning in done.warnings)


async def test_a_slow_target_that_callers_gave_no_time_is_not_ejected() -> None:
    way = house(alpha=ScriptedAdapter(fails(FailureKind.TIMEOUT)))
    for _ in range(6):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, deadline=way.clock.now() + 0.2))

    assert Circuit.CLOSED is way.pool.candidate(Target("alpha", "alpha-1")).circuit


async def test_a_target_that_is_silent_for_its_usual_time_is_ejected() -> None:
    way = house(alpha=ScriptedAdapter(fails(FailureKind.TIMEOUT)))
    for _ in range(5):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, deadline=way.clock.now() + 8, max_retries=0))

    assert Circuit.OPEN is way.pool.candidate(Target("alpha", "alpha-1")).circuit


async def test_an_unknown_agent_is_named() -> None:
    way = house(alpha=ScriptedAdapter("a"))

    with pytest.raises(NotFound) as caught:
        await way.gateway.complete(ask(way, agent_id=99))

    assert (Code.UNKNOWN_AGENT, "there is no agent 99") == (caught.value.code, caught.value.message)


async def test_an_unknown_price_is_unknown_not_free() -> None:
    way = house(alpha=ScriptedAdapter("a"))

    done = await way.gateway.complete(ask(way))

    assert done.cost_usd is None or done.cost_usd > Decimal(0)


TWO_KEYS: dict[str, tuple[Credential, ...]] = {"alpha": (Credential("dead"), Credential("good"))}


@pytest.mark.parametrize("kind", [FailureKind.AUTH, FailureKind.PERMISSION, FailureKind.QUOTA_EXHAUSTED])
async def test_a_dead_key_is_parked_and_the_next_one_tried_at_the_same_target_within_the_request(
    kind: FailureKind,
) -> None:
    adapters = {"alpha": ScriptedAdapter(fails(kind), "buy"), "beta": ScriptedAdapter("sell")}
    way = House(adapters, keys=TWO_KEYS)

    done = await way.gateway.complete(ask(way, allow_failover=False))
    again = await way.gateway.complete(ask(way))

    assert ("buy", False, "buy") == (done.response.text, done.is_fallback, again.response.text)
    assert ["dead", "good", "good"] == [call.credential.id for call in adapters["alpha"].calls]
    assert [AttemptKind.FIRST, AttemptKind.RETRY] == [one.kind for one in done.attempts]


async def test_another_key_of_the_same_target_is_no_fallback() -> None:
    way = House({"alpha": ScriptedAdapter(fails(FailureKind.AUTH), fails())}, keys=TWO_KEYS)

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, max_retries=1))

    assert (2, False) == (caught.value.trail.attempts, caught.value.trail.is_fallback)


async def test_when_every_key_is_dead_the_next_target_answers() -> None:
    adapters = {"alpha": ScriptedAdapter(fails(FailureKind.AUTH)), "beta": ScriptedAdapter("sell")}
    way = House(adapters, keys=TWO_KEYS)

    done = await way.gateway.complete(ask(way))

    assert ("sell", True) == (done.response.text, done.is_fallback)
    assert [2, 1] == way.calls()


async def test_another_key_is_an_attempt_like_any_other() -> None:
    way = House({"alpha": ScriptedAdapter(fails(FailureKind.AUTH), "buy")}, keys=TWO_KEYS)

    with pytest.raises(OutcryError):
        await way.gateway.complete(ask(way, max_retries=0))

    assert [1] == way.calls()


async def test_a_providers_key_never_stands_in_for_an_agents_dead_one() -> None:
    way = House({"alpha": ScriptedAdapter(fails(FailureKind.AUTH), "buy")}, keys=TWO_KEYS)
    way.employ(AgentConfig(1, 7, "alpha", "alpha-1", api_key=SecretStr("sk-agents-own")))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, agent_id=7))

    assert (Code.PROVIDER_AUTH_FAILED, [1]) == (caught.value.code, way.calls())


async def test_the_last_attempt_is_for_an_untried_target_not_for_one_more_key() -> None:
    keys = {"alpha": tuple(Credential(f"dead-{place}") for place in range(4))}
    way = House({"alpha": ScriptedAdapter(fails(FailureKind.AUTH)), "beta": ScriptedAdapter("sell")}, keys=keys)

    done = await way.gateway.complete(ask(way))

    assert ("sell", [2, 1]) == (done.response.text, way.calls())


async def test_a_key_that_was_left_for_an_untried_target_is_returned_to_when_that_one_sends_nothing() -> None:
    adapters = {"alpha": ScriptedAdapter(fails(FailureKind.AUTH), "buy"), "beta": ScriptedAdapter("sell")}
    way = House(adapters, keys=TWO_KEYS, limits={"beta": RateLimit(requests_per_minute=1)})
    await way.gateway.complete(ask(way, model="beta-1"))

    done = await way.gateway.complete(ask(way, max_retries=1))

    assert ("buy", [2, 1]) == (done.response.text, way.calls())


async def test_a_key_with_nothing_left_of_its_allowance_gives_way_to_the_providers_next_one() -> None:
    adapters = {"alpha": ScriptedAdapter(fails(FailureKind.RATE_LIMITED, retry_after=30.0), "buy")}
    way = House(adapters, keys={"alpha": (Credential("spent"), Credential("good"))})

    done = await way.gateway.complete(ask(way, deadline=way.clock.now() + 8))

    assert ("buy", False) == (done.response.text, done.is_fallback)
    assert ["spent", "good"] == [call.credential.id for call in adapters["alpha"].calls]


async def test_a_key_that_pauses_is_not_the_next_one_after_a_dead_one() -> None:
    adapters = {"alpha": ScriptedAdapter(fails(FailureKind.AUTH)), "beta": ScriptedAdapter("sell")}
    way = House(adapters, keys=TWO_KEYS)
    way.pool.state(Target("alpha", "alpha-1"), "good").cool(way.clock.now() + 60)

    done = await way.gateway.complete(ask(way))

    assert ("sell", [1, 1]) == (done.response.text, way.calls())


async def test_a_refused_key_elsewhere_does_not_keep_an_ejected_target_from_its_last_resort() -> None:
    way = house(alpha=ScriptedAdapter("buy"), beta=ScriptedAdapter(fails(FailureKind.AUTH)))
    ejected = way.pool.state(Target("alpha", "alpha-1"), "k").breaker
    for _ in range(5):
        ejected.failed(way.clock.now())
    with pytest.raises(OutcryError, match="auth"):
        await way.gateway.complete(ask(way))
    way.clock.advance(6)

    done = await way.gateway.complete(ask(way))

    assert ("buy", [1, 1]) == (done.response.text, way.calls())


async def test_a_callers_own_fault_that_the_second_target_found_is_what_the_caller_hears() -> None:
    wrong = ProviderError(FailureKind.BAD_REQUEST, "unknown field", upstream_status=422)
    way = house(alpha=ScriptedAdapter(fails()), beta=ScriptedAdapter(wrong))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way, max_retries=5))

    assert (caught.value, caught.value.status, [1, 1]) == (wrong, 422, way.calls())


async def test_a_rate_limited_key_gives_way_to_the_next_one_before_another_target_is_asked() -> None:
    adapters = {
        "alpha": ScriptedAdapter(fails(FailureKind.RATE_LIMITED, retry_after=30.0), "buy"),
        "beta": ScriptedAdapter("sell"),
    }
    way = House(adapters, keys={"alpha": (Credential("spent"), Credential("good"))})

    done = [await way.gateway.complete(ask(way)) for _ in range(2)]

    assert [("buy", 2), ("buy", 1)] == [(one.response.text, len(one.attempts)) for one in done]
    assert ["spent", "good", "good"] == [call.credential.id for call in adapters["alpha"].calls]


async def test_a_parked_key_is_not_asked_where_the_other_target_only_pauses() -> None:
    refused, limited = ScriptedAdapter(fails(FailureKind.AUTH)), ScriptedAdapter(fails(FailureKind.RATE_LIMITED))
    way = house(alpha=refused, beta=limited)
    with pytest.raises(OutcryError):
        await way.gateway.complete(ask(way))
    before = way.calls()

    with pytest.raises(OutcryError) as caught:
        await way.gateway.complete(ask(way))

    assert (Code.PROVIDER_RATE_LIMITED, 429, before) == (caught.value.code, caught.value.status, way.calls())
    assert 0 < (caught.value.retry_after or 0) <= 5


PATIENT = BreakerRules(failures=10_000, minimum=10_000)


@pytest.mark.parametrize(("names", "most"), [(("alpha",), 620), (("alpha", "beta"), 1000 + 2 * 103)])
async def test_500_calls_that_always_fail_make_a_fifth_more_attempts_at_each_target(
    names: tuple[str, ...], most: int
) -> None:
    way = House({name: ScriptedAdapter(fails()) for name in names}, breaker=PATIENT)
    for _ in range(500):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, max_retries=5))
        way.clock.advance(0.02)

    # The budget must not be what forbids a fallback, nor the allowed fifth.
    assert 500 * len(names) * 1.15 < sum(way.calls()) <= most


@pytest.mark.parametrize(("stopped", "asked"), [("beta", [1, 0, 1]), ("alpha", [1, 1, 0])])
async def test_a_model_that_is_stopped_while_another_fails_is_not_asked_any_more(
    stopped: str, asked: list[int]
) -> None:
    class Failing(ScriptedAdapter):
        async def complete(self, call: Call) -> ChatResponse:
            await way.kills.kill(f"model:{stopped}/{stopped}-1", "nonsense", Author("key1"))
            return await super().complete(call)

    broken = ProviderError(FailureKind.SERVER_ERROR, "down")
    way = house(alpha=Failing(broken), beta=ScriptedAdapter("sell"), gamma=ScriptedAdapter("hold"))

    await way.gateway.complete(ask(way))

    assert way.calls() == asked


async def test_a_stopped_model_is_not_tried_again() -> None:
    class Failing(ScriptedAdapter):
        async def complete(self, call: Call) -> ChatResponse:
            await way.kills.kill("model:alpha/alpha-1", "nonsense", Author("key1"))
            return await super().complete(call)

    way = house(alpha=Failing(ProviderError(FailureKind.SERVER_ERROR, "down")))

    with pytest.raises(OutcryError):
        await way.gateway.complete(ask(way))

    assert way.calls() == [1]
