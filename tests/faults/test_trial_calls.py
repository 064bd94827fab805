"""Whatever becomes of the one call that a half-open circuit lets through, its slot is free again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests import behaviours as b
from tests.behaviours import Answer, Behaviour, Status, Stream
from tests.e2e.nursery import Nursery
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, provider, within
from tests.faults.aftermath import Aftermath, ask, assert_typed
from tests.faults.house import CHAT, TIMEOUTS
from tests.upstream import Upstream

MODEL = "alpha/alpha-1"
# A slot that is not given back would be kept for five minutes; one that is, is asked for again at once.
ENVIRONMENT = {
    "OUTCRY_BREAKER__FAILURES": "1",
    "OUTCRY_BREAKER__OPEN_SECONDS": "300",
    "OUTCRY_BREAKER__LAST_RESORT": "0.02",
    "OUTCRY_RETRY__MAX_RETRIES": "0",
}


class Trial:
    """A gateway with one provider, whose circuit a single failure opens."""

    def __init__(self, gateway: Service, upstream: Upstream) -> None:
        self.gateway, self.upstream = gateway, upstream
        self.aftermath = Aftermath(gateway, [upstream])

    def ask(self, **body: object) -> httpx.Response:
        return self.gateway.client.post(CHAT, json={"model": MODEL, "messages": HELLO, **body})

    def opened(self) -> None:
        """Have the circuit open, and time for its last resort gone by."""
        self.gateway.client.post("/providers/alpha/circuit/reset").raise_for_status()
        self.upstream.behave(Status(500))
        assert self.ask().status_code == 502
        assert self.circuit == "open"

    @property
    def circuit(self) -> str:
        said: str = self.gateway.client.get("/providers/health").json()["providers"]["alpha"]["circuit"]
        return said


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[Trial]:
    with Upstream() as upstream:
        only = provider("alpha", upstream, timeouts=TIMEOUTS)
        with Service(
            tmp_path_factory.mktemp("trial"), providers=[only], env=ENVIRONMENT, nursery=gateway_nursery
        ) as gateway:
            yield Trial(gateway, upstream)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "outcome",
    [
        *(Status(400), Status(413), Status(429, headers={"retry-after-ms": "30"}), Status(500), Status(529)),
        *(b.Silent(), b.Reset(), b.Refuse(), b.Html(), b.GzipBomb(4), b.WrongMode(), Answer("well")),
        *(Stream(cut_after=1), Stream(stall_after=1), Stream(reset_after=1), Stream(error_after=1)),
    ],
    ids=lambda each: str(each)[:40],
)
def test_a_trial_call_that_ends_in_any_way_gives_its_slot_back(trial: Trial, outcome: Behaviour, stream: bool) -> None:
    trial.opened()
    trial.upstream.behave(outcome)
    assert within(1.0, lambda: _is_let_through(trial, stream=stream))

    trial.upstream.behave(Answer("well"))

    assert within(1.0, lambda: trial.ask().status_code == 200), trial.circuit
    assert within(1.0, lambda: trial.ask().status_code == 200 and trial.circuit == "closed")
    trial.aftermath.assert_given_back()


@pytest.mark.parametrize("stream", [False, True])
def test_a_trial_call_whose_caller_leaves_gives_its_slot_back(trial: Trial, stream: bool) -> None:
    trial.opened()
    trial.upstream.behave(Stream(words=("tick",) * 500, gap=0.2) if stream else b.Silent())
    body = {"model": MODEL, "messages": HELLO, "stream": stream}

    def leave() -> bool:
        trial.upstream.forget()
        with contextlib.suppress(httpx.TimeoutException):
            httpx.post(f"{trial.gateway.base_url}{CHAT}", json=body, timeout=0.1, trust_env=False)
        return trial.upstream.calls == 1

    assert within(1.0, leave)
    trial.upstream.behave(Answer("well"))

    assert within(1.0, lambda: trial.ask().status_code == 200), trial.circuit
    trial.aftermath.assert_given_back()


def test_only_one_caller_at_a_time_tries_a_provider_that_is_out(trial: Trial) -> None:
    trial.opened()
    trial.upstream.behave(b.Silent())
    trial.upstream.forget()

    with ThreadPoolExecutor(1) as first:
        met = first.submit(within, 1.0, lambda: _is_let_through(trial, stream=False))
        assert trial.upstream.wait_until(lambda upstream: upstream.calls == 1)
        refused = [trial.ask().json()["error"]["code"] for _ in range(20)]
        assert met.result()

    assert refused == ["provider_circuit_open"] * 20
    assert trial.upstream.calls == 1
    trial.aftermath.assert_given_back()


def _is_let_through(trial: Trial, *, stream: bool) -> bool:
    """Whether the fault was met, rather than the open circuit."""
    reply = ask(trial.gateway.client, CHAT, {"model": MODEL, "messages": HELLO, "stream": stream})
    assert_typed(reply, within=2.0)
    return reply.code != "provider_circuit_open"
