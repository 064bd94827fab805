"""The suite tells a good provider from a bad one, and never the key."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from app.adapters.build import build_adapter
from app.catalog.catalog import Catalog
from app.conformance.checks import CHECKS, LEAVING, CheckFailed, cancellation
from app.conformance.questions import PLAIN
from app.conformance.report import CheckResult, Report, Status, rendered
from app.conformance.session import Session, Subject
from app.conformance.suite import ConformanceRules, ConformanceTests
from app.domain.attempt import AttemptOutcome
from app.domain.chat import Call, ChatChunk, Credential
from app.domain.errors import Code, NotFound, RequestRejected
from app.domain.provider import ProviderConfig, ProviderSet, ProviderType
from app.domain.target import Target
from app.domain.usage import UsageSource
from app.gateway.attempt import Clock
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from app.transport.client import TransportRules, open_transport
from tests.behaviours import Answer, Behaviour, Refuse, Stream, Tokens, ToolCall
from tests.behaviours import Status as Says
from tests.conformance.providers import obliging
from tests.fakes import FakeClock, Recorder, ScriptedAdapter
from tests.upstream import Received, Script, Upstream

KEY = "sk-real-0123456789abcdef"
RULES = ConformanceRules()
Tested = Callable[..., Any]


def but(answer: Behaviour, when: Callable[[dict[str, Any]], bool]) -> Script:
    """An obliging provider with one fault."""
    return lambda request: answer if when(request.body or {}) else obliging(request)


@pytest.fixture
async def tested() -> AsyncIterator[Tested]:
    """`await tested(script)` runs the suite against an upstream that follows it; gives the report."""
    async with AsyncExitStack() as stack:

        async def run(
            script: Behaviour | Script = obliging,
            *,
            key: str | None = KEY,
            rules: ConformanceRules = RULES,
            observers: tuple[Recorder, ...] = (),
            broken: bool = False,
            **asked: Any,
        ) -> Report:
            upstream = stack.enter_context(Upstream(script, models=("alpha-1",)))
            transport = await stack.enter_async_context(open_transport(TransportRules()))
            config = ProviderConfig(
                "alpha",
                ProviderType.OPENAI_COMPATIBLE,
                f"{upstream.url}/v1",
                credentials=(Credential.of(SecretStr(key)),) if key else (Credential(),),
                default_model="alpha-1",
            )
            pool = Pool(
                lambda each: build_adapter(each, transport),
                Catalog(),
                breaker=BreakerRules(failures=1),
                retry=RetryRules(),
                now=time.monotonic,
                rng=random.Random(1),
            )
            pool.replace(ProviderSet((config,)))
            if broken:
                target = pool.state(Target("alpha", "alpha-1"), config.credentials[0].id)
                target.breaker.failed(time.monotonic(), started=time.monotonic())
            clock = Clock(time.monotonic, lambda: datetime.now(UTC))
            suite = ConformanceTests(pool, observers, clock, rules)
            *_, report = [each async for each in suite.run("alpha", request_id="req_1", **asked)]
            assert isinstance(report, Report)
            return report

        yield run


def only(report: Report, status: Status) -> set[str]:
    return {check.name for check in report.checks if check.status is status}


def detail_of(report: Report, name: str) -> str:
    check: CheckResult = next(check for check in report.checks if check.name == name)
    return check.detail


async def test_a_good_provider_passes_every_check(tested: Tested) -> None:
    report = await tested()

    assert only(report, Status.PASSED) == set(CHECKS), [(c.name, c.detail) for c in report.checks]
    assert report.passed
    assert report.success_rate == 1.0
    assert [check.name for check in report.checks] == list(CHECKS)


def plain(body: dict[str, Any]) -> bool:
    """Whether this is the suite's plain question."""
    return bool(body["messages"] == PLAIN and body["model"] == "alpha-1")


def streamed(body: dict[str, Any]) -> bool:
    return body.get("stream") is True


FAULTS: dict[str, tuple[Behaviour, Callable[[dict[str, Any]], bool], set[str]]] = {
    "nonsense": (Answer("five"), lambda body: plain(body) and not body.get("stream"), {"chat"}),
    "nonsense streamed": (Answer("five"), lambda body: plain(body) and streamed(body), {"stream"}),
    "cut short": (Answer("4", finish_reason="length"), lambda body: plain(body) and streamed(body), {"stream"}),
    "no finish": (Stream(no_finish=True), streamed, {"stream", "usage", "latency", "cancellation"}),
    "no usage": (Answer("4", usage=None), lambda body: plain(body) and not streamed(body), {"usage"}),
    "no usage streamed": (Answer("4", usage=Tokens(0, 0)), lambda body: plain(body) and streamed(body), {"usage"}),
    "deaf to the system": (Answer("4"), lambda body: body["messages"][0]["role"] == "system", {"system"}),
    "no tool call": (Answer("It costs a lot."), lambda body: "tools" in body, {"tools", "tool_round_trip"}),
    "wrong arguments": (
        Answer("", tool_calls=(ToolCall("get_price", '{"ticker": "BTC"}'),)),
        lambda body: "tools" in body,
        {"tools", "tool_round_trip"},
    ),
    "forgetful": (Answer("I forgot."), lambda body: body["messages"][-1]["role"] == "tool", {"tool_round_trip"}),
    "chatty JSON": (Answer("Sure: {}"), lambda body: "response_format" in body, {"json_object", "json_schema"}),
    "loose JSON": (Answer('{"sum": "4"}'), lambda body: "response_format" in body, {"json_schema"}),
    "vague": (Says(500), lambda body: "no-such-model" in body["model"], {"unknown_model"}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_fails_its_own_checks_and_no_other(tested: Tested, fault: str) -> None:
    answer, when, fails = FAULTS[fault]

    report = await tested(but(answer, when))

    # Leaving a stream early may or may not see that its end is missing.
    assert only(report, Status.FAILED) | {"cancellation"} == fails | {"cancellation"}
    assert not report.passed


async def test_a_stream_that_is_slow_to_close_fails() -> None:
    clock = FakeClock()

    class Clinging(ScriptedAdapter):
        @asynccontextmanager
        async def _stream(self, call: Call) -> AsyncGenerator[AsyncIterator[ChatChunk]]:
            async with super()._stream(call) as chunks:
                yield chunks
            clock.advance(LEAVING + 1)

    subject = Subject(Target("alpha", "a"), "openai", Clinging("one two"), Credential(), frozenset())
    session = Session(subject, (), Clock(clock.now, clock.wall), request_id="req_1", key_id="local")

    with pytest.raises(CheckFailed, match=r"took 3\.0 s"):
        await cancellation(session)


async def test_a_wrong_key_taken_for_something_else_fails(tested: Tested) -> None:
    def strange(request: Received) -> Behaviour:
        return Says(404, message="no such thing") if "not-a-key" in (request.key or "") else obliging(request)

    report = await tested(strange, checks=["wrong_key"])

    assert only(report, Status.FAILED) == {"wrong_key"}


async def test_what_cannot_be_tried_is_skipped_with_its_reason(tested: Tested) -> None:
    report = await tested(Answer("4"), key=None, checks=["wrong_key", "unknown_model"])

    assert only(report, Status.SKIPPED) == {"wrong_key", "unknown_model"}
    assert detail_of(report, "wrong_key") == "no key is configured"
    assert detail_of(report, "unknown_model") == "it answers whatever model is named"
    assert not report.passed
    assert report.success_rate is None


async def test_a_provider_that_is_not_there_fails_once_and_quickly(tested: Tested) -> None:
    report = await tested(Refuse())

    assert only(report, Status.FAILED) == {"reachable"}
    assert only(report, Status.SKIPPED) == set(CHECKS) - {"reachable"}
    assert detail_of(report, "chat") == "reachable failed with unreachable"


async def test_a_provider_whose_circuit_is_open_is_tested_all_the_same(tested: Tested) -> None:
    report = await tested(broken=True, checks=["chat"])

    assert only(report, Status.PASSED) == {"chat"}


async def test_a_check_that_hangs_is_ended_and_the_suite_too(tested: Tested) -> None:
    rules = ConformanceRules(check=0.2, total=0.3)

    report = await asyncio.wait_for(tested(Answer(delay=30.0), rules=rules, checks=["chat", "system", "tools"]), 10)

    assert detail_of(report, "chat") == "no end after 0.2 s"
    assert only(report, Status.FAILED) == {"chat", "system"}
    assert detail_of(report, "tools") == "the suite's 0.3 s are over"


async def test_every_call_goes_on_record_and_is_paid_for(tested: Tested) -> None:
    recorder = Recorder()

    report = await tested(checks=["chat", "latency"], observers=(recorder,))

    assert [(r.route, r.target.provider, r.streamed) for r in recorder.records] == [
        ("conformance", "alpha", False),
        *[("conformance", "alpha", True)] * 3,
    ]
    assert [r.ordinal for r in recorder.records] == [1, 2, 3, 4]
    latency = next(check for check in report.checks if check.name == "latency")
    assert (latency.usage.input_tokens, latency.usage.output_tokens) == (33, 21)
    assert {"first_token_ms", "total_ms", "n"} == set(latency.figures)
    assert report.cost_usd is None, "nobody stated a price"


async def test_a_stream_that_was_left_is_estimated_for_the_bill(tested: Tested) -> None:
    recorder = Recorder()

    report = await tested(Stream(words=("1", " 2"), gap=0.05), checks=["cancellation"], observers=(recorder,))

    record = recorder.records[0]
    assert record.outcome is AttemptOutcome.CANCELLED
    assert record.usage is not None
    assert record.usage.source is UsageSource.ESTIMATED
    assert report.checks[0].usage.input_tokens > 0


async def test_neither_the_real_key_nor_the_made_up_one_is_told(tested: Tested) -> None:
    recorder = Recorder()

    report = await tested(observers=(recorder,))

    told = json.dumps(rendered(report)) + repr(recorder.records)
    assert KEY not in told
    assert "not-a-key-0123456789" not in told


async def test_the_report_is_json_that_says_what_was_seen(tested: Tested) -> None:
    shown = rendered(await tested(checks=["chat"]))

    assert json.loads(json.dumps(shown)) == shown
    assert (shown["provider"], shown["type"], shown["model"]) == ("alpha", "openai_compatible", "alpha-1")
    assert (shown["status"], shown["summary"]) == ("passed", {"passed": 1, "failed": 0, "skipped": 0})
    assert shown["started_at"].endswith("Z")
    assert shown["checks"][0]["name"] == "chat"
    assert shown["checks"][0]["latency_ms"] > 0


async def test_an_unknown_provider_and_an_unknown_check_are_refused_before_anything_is_sent(tested: Tested) -> None:
    with pytest.raises(RequestRejected) as wrong_check:
        await tested(checks=["chatt"])
    pool = Pool(
        lambda _: pytest.fail("nothing is configured"),
        Catalog(),
        breaker=BreakerRules(),
        retry=RetryRules(),
        now=time.monotonic,
        rng=random.Random(1),
    )
    suite = ConformanceTests(pool, (), Clock(time.monotonic, lambda: datetime.now(UTC)))
    with pytest.raises(NotFound) as nobody:
        await anext(suite.run("nobody", request_id="req_1"))

    assert wrong_check.value.param == "checks"
    assert nobody.value.code is Code.UNKNOWN_PROVIDER
