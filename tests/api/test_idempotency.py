"""The idempotency key on the wire: what is a key, what it is bound to, and how an answer is told again."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.decisions.idempotency import Idempotency
from app.decisions.question import Question
from app.decisions.service import DecisionEvent, VoteEvent
from app.decisions.wire import rendered
from app.services import Services
from tests.api.conftest import client_of
from tests.api.speaking import error_of
from tests.fakes_edge import DECISION, VOTE, FakeDecisions, fake_services, told
from tests.fakes_keys import KeyShelf

BODY = {"symbol": "BTC/USDT", "prompt": "up?", "metadata": {"a": 1, "b": 2}}
KEY = {"idempotency-key": "order-17"}


class StoredDecisions(FakeDecisions):
    """Decisions that settle their keys as storage does."""

    def __init__(self, shelf: KeyShelf) -> None:
        super().__init__()
        self._shelf = shelf

    async def stream(self, question: Question) -> AsyncGenerator[VoteEvent | DecisionEvent]:
        async for event in super().stream(question):
            if isinstance(event, DecisionEvent) and question.reservation is not None:
                self._shelf.settle(question.reservation, rendered(event.decision))
            yield event


@pytest.fixture
def shelf() -> KeyShelf:
    return KeyShelf()


@pytest.fixture
def decisions(shelf: KeyShelf) -> StoredDecisions:
    return StoredDecisions(shelf)


@pytest.fixture
def services(decisions: StoredDecisions, shelf: KeyShelf) -> Services:
    keys = Idempotency(shelf, now=time.monotonic, wall=lambda: datetime.now(UTC))
    return fake_services(decisions=decisions, idempotency=keys)


async def post(client: httpx.AsyncClient, body: dict[str, Any] = BODY, **headers: str) -> httpx.Response:
    return await client.post("/decisions", json=body, headers={**KEY, **headers})


async def test_the_same_question_is_answered_from_the_record(
    client: httpx.AsyncClient, decisions: StoredDecisions
) -> None:
    first = await post(client)
    again = await post(client, dict(reversed(BODY.items())) | {"metadata": {"b": 2, "a": 1}})

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json() == rendered(DECISION)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert "x-outcry-cost-usd" not in again.headers
    assert len(decisions.asked) == 1


async def test_a_stream_is_told_again_as_events(client: httpx.AsyncClient, decisions: StoredDecisions) -> None:
    first = await post(client, {**BODY, "stream": True})
    again = await post(client, {**BODY, "stream": True})
    whole = await post(client)

    assert again.text == first.text
    assert first.text.startswith("event: vote")
    assert again.headers["idempotency-replayed"] == whole.headers["idempotency-replayed"] == "true"
    assert len(decisions.asked) == 1


async def test_a_keyed_stream_tells_samples_as_one_without_a_key_does(
    client: httpx.AsyncClient, decisions: StoredDecisions
) -> None:
    decisions.script = [VoteEvent(VOTE, sample=2), told(DECISION)]

    keyed = await post(client, {**BODY, "stream": True})
    plain = await client.post("/decisions", json={**BODY, "stream": True})

    assert '"sample":2' in plain.text
    assert keyed.text == plain.text


async def test_a_keyed_decision_of_a_run_bears_its_hash_first_and_again(
    client: httpx.AsyncClient, decisions: StoredDecisions
) -> None:
    decisions.script = [told(replace(DECISION, decision_hash="5f0c", replayed=True))]

    for answer in (await post(client), await post(client)):
        assert answer.headers["x-outcry-decision-hash"] == "5f0c"
        assert answer.headers["x-outcry-replayed"] == "true"


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        ({"prompt": "down?"}, {}),
        ({"metadata": {"a": 1, "b": 2.5}}, {}),
        ({"deadline_ms": 9_000}, {}),
        ({}, {"x-outcry-policy": "cost"}),
        ({}, {"x-outcry-agent": "7"}),
        ({}, {"x-outcry-as-of": "2026-01-01T00:00:00Z"}),
        ({}, {"x-outcry-replay": "record", "x-outcry-run": "spring"}),
    ],
)
async def test_another_question_with_the_same_key_is_refused(
    client: httpx.AsyncClient, decisions: StoredDecisions, change: dict[str, Any], headers: dict[str, str]
) -> None:
    await post(client)

    error = error_of(await post(client, BODY | change, **headers), 422, "caller_idempotency_mismatch")

    assert error["param"] == "idempotency-key"
    assert len(decisions.asked) == 1


async def test_a_wrong_question_does_not_burn_the_key(client: httpx.AsyncClient) -> None:
    error_of(await post(client, {"symbol": "BTC"}), 422, "caller_invalid_field")

    assert (await post(client)).status_code == 200


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "caf\u00e9"])
async def test_what_is_no_key_is_refused_by_name(
    client: httpx.AsyncClient, decisions: StoredDecisions, key: str
) -> None:
    headers = {b"idempotency-key": key.encode()}

    error = error_of(await client.post("/decisions", json=BODY, headers=headers), 400, "caller_invalid_header")

    assert error["param"] == "idempotency-key"
    assert not decisions.asked


async def test_two_keys_in_one_head_are_refused(client: httpx.AsyncClient) -> None:
    headers = [("idempotency-key", "a"), ("idempotency-key", "b")]

    error_of(await client.post("/decisions", json=BODY, headers=headers), 400, "caller_invalid_header")


async def test_without_the_database_nobody_is_asked(
    client: httpx.AsyncClient, decisions: StoredDecisions, shelf: KeyShelf
) -> None:
    shelf.is_away = True

    error_of(await post(client), 503, "gateway_storage_unavailable")
    error_of(await post(client, {**BODY, "stream": True}), 503, "gateway_storage_unavailable")

    assert not decisions.asked


async def test_a_request_under_way_elsewhere_says_when_to_come_back(services: Services, shelf: KeyShelf) -> None:
    async with client_of(services) as client:
        await post(client)
        row = next(iter(shelf.rows.values()))
        row.answer = None
        response = await post(client, BODY, **{"x-outcry-deadline-ms": "40"})

    error_of(response, 409, "caller_idempotency_in_progress")
    assert response.headers["retry-after"] == "1"
