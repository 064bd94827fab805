"""What one worker learns, the other knows; what both see is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.behaviours import Answer, Refuse, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, provider, within
from tests.e2e.test_health_history import QUICK, Receiver
from tests.upstream import Upstream

DOWN = {"when": "provider_down", "for_seconds": 0, "clear_seconds": 0}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def alpha(upstream_once: StartUpstream) -> Upstream:
    return upstream_once()


@pytest.fixture(scope="module")
def gateway(start_once: StartService, alpha: Upstream, receiver: Receiver) -> Service:
    webhook = f"127.0.0.1:{receiver.port}"
    return start_once(
        config={
            "providers": [provider("alpha", alpha)],
            "alerts": {"rules": [DOWN], "webhooks": [f"http://{webhook}/all"]},
        },
        env={**QUICK, "OUTCRY_WORKERS": "2", "OUTCRY_ALLOWED_PRIVATE_HOSTS": webhook},
    )


def logged(gateway: Service, event: str) -> int:
    return gateway.log.count(event)


def test_an_outage_that_all_workers_see_is_told_once_and_so_is_its_end(
    gateway: Service, alpha: Upstream, receiver: Receiver
) -> None:
    alpha.behave(Refuse())
    assert within(20, lambda: logged(gateway, "alert fired") == 2)
    alpha.behave(Answer())
    assert within(20, lambda: logged(gateway, "alert resolved") == 2)

    assert within(10, lambda: receiver.states("/all")[-1:] == ["resolved"])
    assert receiver.states("/all") == ["fired", "resolved"]


def everywhere(gateway: Service, holds: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether this is so of the provider, whichever worker is asked."""

    def row(_: int) -> dict[str, Any]:
        with plain_client(gateway.base_url, seconds=10) as client:
            found: dict[str, Any] = client.get("/providers/health").json()["providers"]["alpha"]
        return found

    with ThreadPoolExecutor(8) as callers:
        return all(holds(one) for one in callers.map(row, range(24)))


def chat(gateway: Service) -> int:
    body = {"messages": HELLO, "max_tokens": 5}
    with plain_client(gateway.base_url) as client:
        return client.post("/chat", json=body).status_code


def test_a_pause_that_one_worker_was_asked_for_is_kept_by_all_until_it_is_ended_by_hand(
    gateway: Service, alpha: Upstream
) -> None:
    assert within(10, lambda: everywhere(gateway, lambda row: row["status"] == "healthy"))
    alpha.behave(Status(429, headers={"retry-after": "200"}))
    alpha.forget()
    assert chat(gateway) == 429

    assert within(5, lambda: everywhere(gateway, lambda row: row["cooldown_until"] is not None))
    asked = alpha.calls
    assert {chat(gateway) for _ in range(10)} == {429}
    assert alpha.calls == asked

    alpha.behave(Answer())
    answer = gateway.client.post("/providers/alpha/circuit/reset", json={})
    assert answer.status_code == 200
    assert within(5, lambda: everywhere(gateway, lambda row: row["cooldown_until"] is None))
    assert {chat(gateway) for _ in range(10)} == {200}
