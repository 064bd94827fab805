"""Webhooks are told in order, a few times if need be, without anybody waiting for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import anyio
import httpx
import pytest
from pydantic import SecretStr

from app.domain.alerts import Alert, AlertKind, AlertRule, AlertState, Webhook, WebhookFormat
from app.supervisor import SupervisionRules, Supervisor
from app.telemetry.webhooks import WebhookRules, Webhooks
from tests.fakes_providers import FakeClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPS = Webhook(SecretStr("https://ops.example/hook"))
SLACK = Webhook(SecretStr("https://hooks.slack.example/T/B/secret"), WebhookFormat.SLACK)


def alert(number: int = 0, state: AlertState = AlertState.FIRED) -> Alert:
    rule = AlertRule(AlertKind.SUCCESS_RATE, 0.9, 0.95)
    return Alert(rule, f"p{number}", state, NOON, NOON, 0.5, f"p{number} has a success rate < 0.9 & falling")


class Receivers:
    """What stands behind every URL: answers as `answer` says, remembers what came."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.came: list[tuple[str, dict[str, object]]] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200)
        self.outcomes: list[str] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.came.append((request.url.host, json.loads(request.content)))
        return self.answer(request)

    def webhooks(self, *those: Webhook, **rules: float) -> Webhooks:
        transport = httpx.MockTransport(self.handle)
        return Webhooks(
            lambda: those,
            lambda _url: transport,
            now=self.clock.now,
            counted=self.outcomes.append,
            rules=WebhookRules(**rules),  # type: ignore[arg-type]
        )


class Silent(httpx.AsyncBaseTransport):
    """Takes a request and never says a word."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


async def test_each_webhook_is_told_in_its_own_form(receivers: Receivers) -> None:
    webhooks = receivers.webhooks(OPS, SLACK)
    webhooks.tell(alert(1, AlertState.RESOLVED))

    await webhooks.deliver()

    said = dict(receivers.came)
    assert said["ops.example"] == {
        "type": "alert",
        "key": "success_rate:p1:0.9",
        "alert": "success_rate",
        "state": "resolved",
        "provider": "p1",
        "value": 0.5,
        "threshold": 0.9,
        "message": "p1 has a success rate < 0.9 & falling",
        "fired_at": "2026-11-21T12:00:00.000Z",
        "resolved_at": "2026-11-21T12:00:00.000Z",
    }
    text = ":white_check_mark: *success_rate* resolved: p1 has a success rate &lt; 0.9 &amp; falling"
    assert said["hooks.slack.example"] == {"text": text}
    assert (receivers.outcomes, webhooks.depth) == (["delivered", "delivered"], 0)


def _broken(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize("answer", [_broken, lambda _: httpx.Response(503), lambda _: httpx.Response(429)])
async def test_what_may_pass_is_tried_again_with_growing_pauses_and_given_up(
    receivers: Receivers, answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    webhooks = receivers.webhooks(OPS)
    receivers.answer = answer
    webhooks.tell(alert())
    tried_at = list[float]()

    for _ in range(60):
        before = len(receivers.came)
        await webhooks.deliver()
        tried_at += [receivers.clock.now() - 1000] * (len(receivers.came) - before)
        receivers.clock.advance(0.5)

    assert tried_at == [0, 1, 5, 21]
    assert (receivers.outcomes, webhooks.depth) == (["failed"], 0)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410])
async def test_what_will_not_pass_and_a_redirect_are_not_tried_again(receivers: Receivers, status: int) -> None:
    webhooks = receivers.webhooks(OPS)
    receivers.answer = lambda _: httpx.Response(status, headers={"location": "http://169.254.169.254/"})
    webhooks.tell(alert())

    for _ in range(3):
        await webhooks.deliver()
        receivers.clock.advance(60)

    assert len(receivers.came) == 1
    assert receivers.outcomes == ["refused"]


async def test_alerts_arrive_in_their_order_also_after_a_failure(receivers: Receivers) -> None:
    webhooks = receivers.webhooks(OPS)
    receivers.answer = lambda _: httpx.Response(500 if len(receivers.came) == 1 else 200)
    for number in range(3):
        webhooks.tell(alert(number))

    for _ in range(5):
        await webhooks.deliver()
        receivers.clock.advance(1)

    assert [body["provider"] for _, body in receivers.came] == ["p0", "p0", "p1", "p2"]


async def test_a_webhook_that_is_silent_holds_up_no_other(receivers: Receivers) -> None:
    delivered = anyio.Event()

    def answer(_: httpx.Request) -> httpx.Response:
        if len(receivers.came) == 3:
            delivered.set()
        return httpx.Response(200)

    receivers.answer = answer
    well = httpx.MockTransport(receivers.handle)
    webhooks = Webhooks(
        lambda: (SLACK, OPS),
        lambda url: Silent() if "slack" in url else well,
        now=receivers.clock.now,
        rules=WebhookRules(timeout=60),
    )

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(webhooks.run)
        for number in range(3):
            webhooks.tell(alert(number))
        with anyio.fail_after(5):
            await delivered.wait()
        jobs.cancel_scope.cancel()

    assert [body["provider"] for _, body in receivers.came] == ["p0", "p1", "p2"]


async def test_a_webhook_that_says_nothing_in_time_is_tried_again(receivers: Receivers) -> None:
    webhooks = Webhooks(
        lambda: (OPS,), lambda _: Silent(), now=receivers.clock.now, rules=WebhookRules(timeout=0.01),
        counted=receivers.outcomes.append,
    )  # fmt: skip
    webhooks.tell(alert())

    await webhooks.deliver()

    assert (receivers.outcomes, webhooks.depth) == ([], 1)


async def test_a_full_queue_drops_its_oldest_and_nobody_waits(receivers: Receivers) -> None:
    webhooks = receivers.webhooks(OPS, queue=3)
    for number in range(5):
        webhooks.tell(alert(number))

    for _ in range(3):
        await webhooks.deliver()

    assert [body["provider"] for _, body in receivers.came] == ["p2", "p3", "p4"]
    assert receivers.outcomes.count("dropped") == 2


async def test_the_job_that_dies_goes_on_with_what_waits_and_gives_a_poisoned_one_up(receivers: Receivers) -> None:
    webhooks = receivers.webhooks(OPS, tries=2)
    delivered = anyio.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        if b'"p0"' in request.content:
            raise RuntimeError("a bug of ours")
        delivered.set()
        return httpx.Response(200)

    receivers.answer = answer
    webhooks.tell(alert(0))
    webhooks.tell(alert(1))

    async with Supervisor(rules=SupervisionRules(first_pause=0.0)) as supervisor:
        supervisor.add("webhooks", webhooks.run)
        with anyio.fail_after(5):
            await delivered.wait()

    assert supervisor.restarts["webhooks"] == 2
    assert [body["provider"] for _, body in receivers.came] == ["p0", "p0", "p1"]
    assert receivers.outcomes[0] == "failed"


def test_a_webhooks_address_shows_nowhere() -> None:
    assert "secret" not in f"{SLACK!r}{SLACK}"
