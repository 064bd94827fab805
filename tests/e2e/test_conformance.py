"""The conformance suite on the running service."""

from __future__ import annotations

import time

from tests.behaviours import Status
from tests.conformance.providers import obliging
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.speaking import HELLO, provider, streamed


def test_a_provider_with_an_open_circuit_is_tested_and_the_calls_go_on_record(
    start: StartService, upstream: StartUpstream
) -> None:
    alpha = upstream(Status(500))
    gateway = start(providers=[provider("alpha", alpha)], env={"OUTCRY_BREAKER__FAILURES": "1"})
    client = gateway.client
    client.post("/v1/chat/completions", json={"model": "alpha-1", "messages": HELLO})
    alpha.behave(obliging)

    events = streamed(client, "/providers/alpha/test", {"checks": ["chat", "tools", "wrong_key"]})

    assert [(e.name, e.data["status"]) for e in events] == [*[("check", "passed")] * 3, ("report", "passed")]
    assert client.get("/providers/health").json()["providers"]["alpha"]["circuit"] == "open"
    end = time.monotonic() + 5
    rows: list[str] = []
    while rows.count("conformance") < 3 and time.monotonic() < end:
        rows = [row["route"] for row in client.get("/usage").json()["items"]]
    assert rows.count("conformance") == 3
    assert "sk-alpha" not in gateway.log
