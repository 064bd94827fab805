"""Passive first: who is checked when, and what traffic and checks make of a provider."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.chat import Credential
from app.domain.errors import Code, FailureKind, ProviderError
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType, RateLimit
from app.domain.target import Circuit, Target
from app.domain.usage import Usage
from app.providers.health import Status, overall_status
from app.providers.monitor import HealthMonitor, HealthRules, counts_as
from app.providers.pool import Pool
from app.providers.state import ProviderState
from app.resilience.breaker import BreakerRules
from app.resilience.limits import Permit
from app.resilience.retry import RetryRules
from tests.fakes_providers import FakeAdapter, FakeAdapters, FakeCatalog, FakeClock

KEY = Credential("aaaaaaaa", SecretStr("sk-very-secret"))
ALPHA = ProviderConfig("alpha", ProviderType.OPENAI, "http://alpha", (KEY,), (ModelConfig("alpha-1"),), priority=1)
BETA = ProviderConfig("beta", ProviderType.OPENAI, "http://beta", (KEY,), (ModelConfig("beta-1"),), priority=2)
LOCAL = ProviderConfig("local", ProviderType.VLLM, "http://local")
RULES = BreakerRules()
DOWN = ProviderError(FailureKind.UNREACHABLE, "connection refused")


class Watched:
    """A pool with its monitor and clock."""

    def __init__(self, *providers: ProviderConfig, adapters: dict[str, FakeAdapter] | None = None) -> None:
        self.clock = FakeClock()
        self.adapters = FakeAdapters(adapters)
        self.rules = HealthRules(probe_timeout=0.01)
        self.pool = Pool(
            self.adapters,
            FakeCatalog(),
            breaker=BreakerRules(),
            retry=RetryRules(),
            now=self.clock.now,
            rng=random.Random(1),
        )
        self.pool.replace(ProviderSet(providers))
        self.monitor = HealthMonitor(
            self.pool, now=self.clock.now, wall=self.clock.wall, rng=random.Random(2), rules=self.rules
        )

    def state(self, name: str) -> ProviderState:
        state = self.pool.provider(name)
        assert state is not None
        return state

    async def tick(self, seconds: float = 0.0) -> list[str]:
        """Let time pass and make the checks that are due; their providers' names."""
        self.clock.advance(seconds)
        checks = self.monitor.due()
        for check in checks:
            await self.monitor.check(check)
        return [check.state.config.name for check in checks]

    def attempt(self, name: str, code: Code | None = None, credential_id: str = KEY.id) -> None:
        outcome = AttemptOutcome.OK if code is None else AttemptOutcome.ERROR
        self.monitor.attempt_finished(record(name, code, outcome, credential_id=credential_id))

    def eject(self, name: str) -> None:
        breaker = self.pool.state(Target(name, f"{name}-1"), KEY.id).breaker
        for _ in range(5):
            breaker.failed(self.clock.now())


def record(
    name: str, code: Code | None, outcome: AttemptOutcome, *, credential_id: str = KEY.id, usage: Usage | None = None
) -> AttemptRecord:
    return AttemptRecord(
        "req", 1, Target(name, f"{name}-1"), AttemptKind.FIRST, outcome, datetime(2026, 1, 2, tzinfo=UTC), 0.25,
        code=code, message=code and f"it said {code}", usage=usage, credential_id=credential_id,
    )  # fmt: skip


async def test_live_traffic_makes_checks_superfluous() -> None:
    watched = Watched(ALPHA)
    await watched.tick(60)
    for _ in range(10):
        watched.attempt("alpha")
        assert await watched.tick(50) == []

    assert await watched.tick(60) == ["alpha"]
    assert watched.adapters.built["alpha"].probes == 2


async def test_first_checks_are_staggered() -> None:
    watched = Watched(ALPHA, BETA)

    assert await watched.tick() == ["alpha"]
    assert await watched.tick(29) == []
    assert await watched.tick(1) == ["beta"]


async def test_a_provider_is_never_checked_twice_at_once() -> None:
    watched = Watched(ALPHA)
    (check,) = watched.monitor.due()
    check.is_running = True

    assert await watched.tick(1000) == []


@pytest.mark.parametrize("length", [20, 95, 300, 1800])
async def test_after_an_outage_the_first_success_comes_within_35_seconds_without_a_herd(length: int) -> None:
    adapter = FakeAdapter(error=DOWN)
    watched = Watched(ALPHA, adapters={"alpha": adapter})
    breaker = watched.pool.state(Target("alpha", "alpha-1"), KEY.id).breaker
    met = 0

    async def second(*, is_up: bool) -> bool:
        """A second with ten callers; whether one of them was served."""
        nonlocal met
        await watched.tick(1.0)
        now = watched.clock.now()
        for _ in range(10):
            if breaker.try_acquire(now):
                met += 1
                (breaker.succeeded if is_up else breaker.failed)(now)
                if is_up:
                    return True
        return False

    for _ in range(length):
        await second(is_up=False)
    assert met <= RULES.failures + length / RULES.open_seconds
    adapter.error = None
    seconds = [await second(is_up=True) for _ in range(35)]

    assert any(seconds)
    assert seconds[-1]


async def test_an_open_circuit_is_checked_within_thirty_seconds_and_half_opens() -> None:
    watched = Watched(ALPHA)
    await watched.tick()
    watched.clock.advance(100)
    breaker = watched.pool.state(Target("alpha", "alpha-1"), KEY.id).breaker
    watched.eject("alpha")
    while breaker.ejections < 4:
        watched.clock.advance(breaker.retry_after(watched.clock.now()))
        assert breaker.try_acquire(watched.clock.now())
        breaker.failed(watched.clock.now())

    assert await watched.tick() == []
    assert await watched.tick(26) == []
    assert await watched.tick(4) == ["alpha"]
    assert breaker.circuit(watched.clock.now()) is Circuit.HALF_OPEN


async def test_a_failing_last_resort_does_not_put_checks_off() -> None:
    watched = Watched(ALPHA, adapters={"alpha": FakeAdapter(error=DOWN)})
    await watched.tick()
    watched.eject("alpha")
    breaker = watched.pool.state(Target("alpha", "alpha-1"), KEY.id).breaker
    checks = 0
    for _ in range(24):
        breaker.try_last_resort(watched.clock.now())
        is_let_through = breaker.try_acquire(watched.clock.now())
        checks += len(await watched.tick(2))
        if is_let_through:
            breaker.failed(watched.clock.now())
            watched.attempt("alpha", Code.PROVIDER_UNREACHABLE)
        checks += len(await watched.tick(3))

    assert checks == 4


async def test_a_failed_check_leaves_the_circuit_open_and_the_provider_down() -> None:
    watched = Watched(ALPHA, adapters={"alpha": FakeAdapter(error=DOWN)})
    watched.eject("alpha")

    await watched.tick()
    await watched.tick(29)

    row = watched.monitor.report()["providers"]["alpha"]
    assert row["circuit"] in {"open", "half_open"}
    assert row["status"] == "down"
    assert row["last_error"] == "connection refused"
    assert watched.pool.state(Target("alpha", "alpha-1"), KEY.id).breaker.ejections == 1


async def test_checks_alone_open_no_circuit() -> None:
    watched = Watched(ALPHA, adapters={"alpha": FakeAdapter(error=DOWN)})
    for _ in range(20):
        await watched.tick(60)

    assert watched.adapters.built["alpha"].probes == 20
    assert watched.pool.candidate(Target("alpha", "alpha-1")).circuit is Circuit.CLOSED


async def test_a_silent_provider_ends_the_check_in_time() -> None:
    watched = Watched(ALPHA, adapters={"alpha": FakeAdapter(is_silent=True)})

    with anyio.fail_after(1):
        await watched.tick()

    assert watched.state("alpha").answers is False
    assert "no answer to a check" in str(watched.state("alpha").last_error)


async def test_a_check_refused_for_want_of_a_list_is_a_sign_of_life() -> None:
    missing = ProviderError(FailureKind.MODEL_NOT_FOUND, "404: no such route")
    watched = Watched(ALPHA, adapters={"alpha": FakeAdapter(error=missing)})
    await watched.tick()

    assert watched.monitor.report()["providers"]["alpha"]["status"] == "healthy"


async def test_the_models_of_an_unconfigured_provider_are_listed_at_once_and_again() -> None:
    adapter = FakeAdapter(listed=["a"])
    watched = Watched(ALPHA, LOCAL, adapters={"local": adapter})

    assert "local" in await watched.tick()
    assert watched.pool.models("local") == ("a",)
    adapter.listed = ["a", "b"]
    await watched.tick(60)

    assert watched.pool.models("local") == ("a", "b")
    assert adapter.probes == 0
    assert watched.adapters.built["alpha"].listings == 0


async def test_a_missing_list_is_asked_for_again_soon() -> None:
    adapter = FakeAdapter(error=DOWN)
    watched = Watched(LOCAL, adapters={"local": adapter})
    await watched.tick()
    adapter.error, adapter.listed = None, ["a"]

    assert await watched.tick(26) == []
    assert await watched.tick(4) == ["local"]
    assert watched.pool.models("local") == ("a",)


async def test_a_provider_without_a_list_is_probed_instead() -> None:
    watched = Watched(LOCAL)
    await watched.tick()

    assert watched.adapters.built["local"].probes == 1
    assert watched.state("local").answers is True


async def test_a_providers_own_interval_is_kept() -> None:
    watched = Watched(
        ProviderConfig("slow", ProviderType.OPENAI, "", models=(ModelConfig("m"),), health_check_interval=300.0)
    )
    await watched.tick()

    assert await watched.tick(200) == []
    assert await watched.tick(100) == ["slow"]


async def test_a_replaced_provider_is_followed_anew() -> None:
    watched = Watched(ALPHA)
    await watched.tick()
    watched.pool.replace(ProviderSet((BETA,)))

    assert await watched.tick() == ["beta"]


async def test_the_job_checks_and_goes_on_until_cancelled() -> None:
    probed = anyio.Event()

    class Telling(FakeAdapter):
        async def probe(self, credential: Credential) -> None:
            probed.set()

    watched = Watched(ALPHA, adapters={"alpha": Telling()})
    with anyio.fail_after(5):
        async with anyio.create_task_group() as jobs:
            jobs.start_soon(watched.monitor.run)
            await probed.wait()
            jobs.cancel_scope.cancel()

    assert watched.monitor.due() == []


@given(st.sampled_from(Code), st.booleans())
def test_only_the_providers_own_faults_speak_against_it(code: Code, own_key: bool) -> None:
    verdict = counts_as(record("alpha", code, AttemptOutcome.ERROR), own_key=own_key)

    speaks_against = code.value.startswith("provider_") and code not in {
        Code.PROVIDER_RATE_LIMITED,
        Code.PROVIDER_CIRCUIT_OPEN,
    }
    if code in {Code.PROVIDER_AUTH_FAILED, Code.PROVIDER_QUOTA_EXHAUSTED}:
        speaks_against = own_key
    assert verdict is (False if speaks_against else None)


@pytest.mark.parametrize("outcome", [AttemptOutcome.CANCELLED, AttemptOutcome.SKIPPED])
def test_cancelled_and_skipped_attempts_say_nothing(outcome: AttemptOutcome) -> None:
    assert counts_as(record("alpha", Code.PROVIDER_ERROR, outcome), own_key=True) is None


def test_an_agents_bad_key_is_not_the_providers_fault() -> None:
    watched = Watched(ALPHA)
    for _ in range(10):
        watched.attempt("alpha", Code.PROVIDER_AUTH_FAILED, credential_id="cccccccc")
    row = watched.monitor.report()["providers"]["alpha"]

    assert (row["status"], row["success_rate"], row["last_error"]) == ("healthy", None, None)


def test_traffic_to_a_provider_that_is_gone_is_ignored() -> None:
    watched = Watched(ALPHA)
    watched.attempt("gone")

    assert watched.monitor.report()["providers"]["alpha"]["success_rate"] is None


def test_the_report_has_every_field_of_the_contract_and_no_key() -> None:
    limited = ProviderConfig(
        "alpha", ProviderType.OPENAI, "http://alpha", (KEY,), (ModelConfig("alpha-1"),),
        rate_limit=RateLimit(requests_per_minute=5, requests_per_day=9, tokens_per_day=700), max_concurrent=4,
    )  # fmt: skip
    watched = Watched(limited, BETA)
    state = watched.state("alpha")
    permit = state.limits.reserve(watched.clock.now(), watched.clock.wall())
    assert isinstance(permit, Permit)
    permit.settle(15, watched.clock.now())
    state.limits.in_flight = 2
    watched.monitor.attempt_finished(record("alpha", None, AttemptOutcome.OK, usage=Usage(10, 5)))
    watched.attempt("alpha", Code.PROVIDER_ERROR)

    report = watched.monitor.report()
    assert set(report) == {"overall_status", "panic", "providers", "ranking"}
    row = report["providers"]["alpha"]
    targets = row.pop("targets")
    assert row == {
        "status": "degraded",
        "is_healthy": False,
        "circuit": "closed",
        "success_rate": 0.5,
        "error_rate": 0.5,
        "response_time_ms": 250.0,
        "p95_ms": 250.0,
        "uptime_percentage": 100.0,
        "uptime_window_s": 3600.0,
        "last_error": "it said provider_error",
        "last_checked": "2026-01-02T12:00:00.000Z",
        "cooldown_until": None,
        "requests_today": 1,
        "requests_this_minute": 1,
        "rate_limit_per_minute": 5,
        "rate_limit_per_day": 9,
        "tokens_today": 15,
        "token_limit_per_minute": None,
        "token_limit_per_day": 700,
        "in_flight": 2,
        "max_concurrent": 4,
    }
    assert [target["model"] for target in targets] == ["alpha-1"]
    assert report["ranking"] == ["beta", "alpha"]
    assert "secret" not in json.dumps([report, watched.monitor.rows()])


def test_a_providers_circuit_is_the_worst_of_its_targets() -> None:
    two = ProviderConfig("alpha", ProviderType.OPENAI, "", (KEY,), (ModelConfig("alpha-1"), ModelConfig("alpha-2")))
    watched = Watched(two)
    watched.pool.state(Target("alpha", "alpha-2"), KEY.id)
    watched.eject("alpha")

    row = watched.monitor.report()["providers"]["alpha"]
    assert (row["circuit"], row["status"]) == ("open", "degraded")
    assert {target["model"]: target["circuit"] for target in row["targets"]} == {
        "alpha-1": "open",
        "alpha-2": "closed",
    }


def test_an_ejected_provider_degrades_the_whole_and_ranks_last() -> None:
    watched = Watched(ALPHA, BETA)
    watched.eject("alpha")
    report = watched.monitor.report()

    assert report["providers"]["alpha"]["status"] == "down"
    assert report["overall_status"] == "degraded"
    assert report["ranking"] == ["beta", "alpha"]


def test_more_than_half_of_the_targets_ejected_is_a_panic() -> None:
    watched = Watched(ALPHA, BETA)
    assert watched.monitor.report()["panic"] is False
    watched.pool.state(Target("beta", "beta-1"), KEY.id)
    watched.eject("alpha")
    assert watched.monitor.report()["panic"] is False

    watched.eject("beta")

    assert watched.monitor.report()["panic"] is True


def test_a_cooldown_is_told_in_wall_time() -> None:
    watched = Watched(ALPHA)
    watched.pool.state(Target("alpha", "alpha-1"), KEY.id).cool(watched.clock.now() + 90)
    row = watched.monitor.report()["providers"]["alpha"]

    assert row["cooldown_until"] == "2026-01-02T12:01:30.000Z"
    assert row["status"] == "degraded"


def test_uptime_is_a_share_of_time() -> None:
    watched = Watched(ALPHA)
    for second in range(100):
        watched.clock.advance(1)
        watched.state("alpha").answers = second < 25
        watched.monitor.sample_uptime()

    assert watched.monitor.report()["providers"]["alpha"]["uptime_percentage"] == 25.0


@pytest.mark.parametrize(
    ("statuses", "overall"),
    [
        ([Status.HEALTHY, Status.HEALTHY], Status.HEALTHY),
        ([Status.HEALTHY, Status.DOWN], Status.DEGRADED),
        ([Status.DEGRADED, Status.DEGRADED], Status.DEGRADED),
        ([Status.DOWN, Status.DOWN], Status.DOWN),
        ([], Status.DOWN),
    ],
)
def test_the_whole_is_as_good_as_what_is_left(statuses: list[Status], overall: Status) -> None:
    assert overall_status(statuses) is overall


def test_rows_show_every_configured_provider_without_its_key_or_address() -> None:
    off = ProviderConfig("off", ProviderType.GROQ, "http://off", (KEY,), (ModelConfig("m"),), enabled=False)
    rows = Watched(ALPHA, off).monitor.rows()

    assert rows[0] == {
        "name": "alpha",
        "type": "openai",
        "models": ["alpha-1"],
        "default_model": "alpha-1",
        "priority": 1,
        "enabled": True,
        "rate_limit": {
            "requests_per_minute": None,
            "tokens_per_minute": None,
            "requests_per_day": None,
            "tokens_per_day": None,
            "burst_limit": None,
            "strategy": "sliding_window",
        },
        "max_concurrent": None,
        "state": "healthy",
    }
    assert (rows[1]["enabled"], rows[1]["state"], rows[1]["models"]) == (False, "disabled", ["m"])


def test_successes_teach_how_long_and_how_dear_answers_are_and_failures_do_not() -> None:
    watched = Watched(ALPHA)
    for outcome, code, usage in (
        (AttemptOutcome.OK, None, Usage(100, 40, cached_tokens=25)),
        (AttemptOutcome.ERROR, Code.PROVIDER_ERROR, Usage(100, 1)),
    ):
        seen = record("alpha", code, outcome, credential_id=KEY.id)
        watched.monitor.attempt_finished(replace(seen, duration=2.0, usage=usage))
        watched.monitor.attempt_finished(replace(seen, duration=2.0, usage=None))

    candidate = watched.pool.candidate(Target("alpha", "alpha-1"))

    assert (candidate.samples, candidate.success_rate) == (4, 0.5)
    assert (candidate.usual_output, candidate.cached_share) == (40.0, 0.25)
    for seconds, share in ((1.0, 0.0), (3.0, 1.0)):
        assert watched.pool.share_in_time(candidate, watched.clock.now() + seconds, 100) == share


@pytest.mark.parametrize("outcome", [AttemptOutcome.OK, AttemptOutcome.CANCELLED, AttemptOutcome.ERROR])
def test_how_long_a_stream_took_to_its_first_content_is_known_whatever_became_of_it(outcome: AttemptOutcome) -> None:
    watched = Watched(ALPHA)
    seen = replace(record("alpha", None, outcome), streamed=True, time_to_first_token=0.1)
    for _ in range(3):
        watched.monitor.attempt_finished(seen)
    watched.monitor.attempt_finished(record("alpha", None, outcome))

    first_tokens = watched.pool.state(seen.target, seen.credential_id).first_tokens
    assert first_tokens.percentile(0.95, watched.clock.now(), least=3) == 0.1
    assert first_tokens.percentile(0.95, watched.clock.now(), least=4) is None
