"""Webhooks: alerts go in without a wait and out over the transport, in their order, a few times if need be."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import anyio
import httpx
from anyio.abc import TaskGroup

from app.domain.alerts import Alert, Webhook
from app.telemetry.alerts import payload

log = logging.getLogger(__name__)

_TICK: Final = 0.5
_CLOSING: Final = 1.0
_WORTH_A_RETRY: Final = frozenset({408, 425, 429})


class Outcome(StrEnum):
    """What became of one alert at one webhook."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """`queue` alerts wait per webhook; each is sent at most `tries` times, the pauses growing fourfold.

    `timeout` bounds one try. Both are seconds.
    """

    queue: int = 100
    tries: int = 4
    first_pause: float = 1.0
    timeout: float = 5.0


@dataclass(slots=True)
class _Delivery:
    webhook: Webhook
    body: bytes
    tries: int = 0
    due_at: float = 0.0


class Webhooks:
    """Tells webhooks. The one who tells it never waits and never fails; a webhook that is dead holds up no other.

    When a queue is full its oldest alert is dropped. What waits when the process ends is gone; the log has it.
    """

    def __init__(
        self,
        webhooks: Callable[[], Sequence[Webhook]],
        transport_for: Callable[[str], httpx.AsyncBaseTransport],
        *,
        now: Callable[[], float],
        counted: Callable[[str], None] = lambda _outcome: None,
        rules: WebhookRules | None = None,
    ) -> None:
        self._webhooks = webhooks
        self._transport_for = transport_for
        self._now = now
        self._counted = counted
        self._rules = rules or WebhookRules()
        self._queues: dict[str, deque[_Delivery]] = {}
        self._wake = anyio.Event()

    @property
    def depth(self) -> int:
        """How many alerts wait."""
        return sum(len(queue) for queue in self._queues.values())

    def tell(self, alert: Alert) -> None:
        """Queue the alert for every webhook in force."""
        for webhook in self._webhooks():
            queue = self._queues.setdefault(webhook.url.get_secret_value(), deque())
            if len(queue) >= self._rules.queue:
                queue.popleft()
                self._counted(Outcome.DROPPED)
            queue.append(_Delivery(webhook, json.dumps(payload(alert, webhook.format)).encode()))
        self._wake.set()

    async def run(self) -> None:
        """The job: never returns. A start over goes on with what waits."""
        busy = set[str]()
        async with anyio.create_task_group() as sending:
            while True:
                self._wake = anyio.Event()
                self._start_due(sending, busy)
                with anyio.move_on_after(_TICK):
                    await self._wake.wait()

    async def deliver(self) -> None:
        """Send the first alert of every webhook whose time has come, side by side, and wait for all of them."""
        async with anyio.create_task_group() as sending:
            self._start_due(sending, set())

    def _start_due(self, sending: TaskGroup, busy: set[str]) -> None:
        self._queues = {url: queue for url, queue in self._queues.items() if queue}
        now = self._now()
        for url, queue in self._queues.items():
            if url not in busy and queue[0].due_at <= now:
                busy.add(url)
                sending.start_soon(self._send_first, url, queue, busy)

    async def _send_first(self, url: str, queue: deque[_Delivery], busy: set[str]) -> None:
        await self._try(queue)
        busy.discard(url)
        self._wake.set()

    async def _try(self, queue: deque[_Delivery]) -> None:
        delivery = queue[0]
        # Counted before it is tried: one that kills this job does not do so for ever.
        delivery.tries += 1
        outcome = await self._send(delivery) if delivery.tries <= self._rules.tries else Outcome.FAILED
        if outcome is Outcome.FAILED and delivery.tries < self._rules.tries:
            delivery.due_at = self._now() + self._rules.first_pause * 4.0 ** (delivery.tries - 1)
            return
        if queue and queue[0] is delivery:
            queue.popleft()
        self._counted(outcome)
        if outcome is not Outcome.DELIVERED:
            log.warning("an alert did not reach its webhook", extra={"outcome": outcome, "tries": delivery.tries})

    async def _send(self, delivery: _Delivery) -> Outcome:
        url = delivery.webhook.url.get_secret_value()
        headers = {"content-type": "application/json", "user-agent": "outcry"}
        limits = {"connect": self._rules.timeout, "read": self._rules.timeout}
        request = httpx.Request("POST", url, content=delivery.body, headers=headers, extensions={"timeout": limits})
        try:
            with anyio.fail_after(self._rules.timeout):
                response = await self._transport_for(url).handle_async_request(request)
        except (TimeoutError, httpx.HTTPError, OSError):
            return Outcome.FAILED
        with anyio.move_on_after(_CLOSING, shield=True):
            await response.aclose()
        if response.is_success:
            return Outcome.DELIVERED
        # A redirect is not followed: the address that was checked is the one that is told.
        is_passing = response.status_code >= 500 or response.status_code in _WORTH_A_RETRY
        return Outcome.FAILED if is_passing else Outcome.REFUSED
