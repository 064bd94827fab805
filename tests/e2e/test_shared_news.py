"""What one worker learns, the other knows; what both see is told once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.behaviours import Answer, Refuse
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import provider
from tests.e2e.test_health_history import QUICK, Receiver, within
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
