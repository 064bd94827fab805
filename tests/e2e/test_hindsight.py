"""Asked as of a day in the past: models that may remember it are named, refused or left out."""

from __future__ import annotations

import httpx
import pytest

from tests.behaviours import Answer
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import vote
from tests.e2e.speaking import HELLO, error_of, provider, streamed
from tests.upstream import Upstream

THEN = {"x-outcry-as-of": "2024-10-01T00:00:00Z"}
ASK = {"symbol": "BTC/USDT", "prompt": "up?"}
MODELS = {"old": "2024-08", "new": "2025-06", "odd": None}


@pytest.fixture(scope="module")
def upstreams(upstream_once: StartUpstream) -> dict[str, Upstream]:
    return {name: upstream_once(Answer(vote("HOLD")), models=(f"{name}-1",)) for name in MODELS}


@pytest.fixture(scope="module")
def client(start_once: StartService, upstreams: dict[str, Upstream]) -> httpx.Client:
    models = {
        name: [{"id": f"{name}-1"} | ({} if cutoff is None else {"knowledge_cutoff": cutoff})]
        for name, cutoff in MODELS.items()
    }
    configured = [
        provider(name, upstream, models=models[name], priority=place)
        for place, (name, upstream) in enumerate(reversed(upstreams.items()), start=1)
    ]
    sandbox = {"name": "paper", "provider_type": "sandbox", "priority": 9}
    return start_once(providers=[*configured, sandbox]).client


def asked(upstreams: dict[str, Upstream]) -> list[str]:
    found = [name for name, upstream in upstreams.items() if upstream.requests]
    for upstream in upstreams.values():
        upstream.forget()
    return found


def test_each_vote_says_what_it_may_remember_and_rules_remember_nothing(client: httpx.Client) -> None:
    body = {**ASK, "models": ["old/old-1", "new/new-1", "odd/odd-1", "paper/trend"], "settle": "all"}

    decision = client.post("/decisions", json=body, headers=THEN).json()

    assert [v["contamination"] for v in decision["votes"]] == ["clean", "contaminated", "unknown", "clean"]
    assert decision["contamination"] == "contaminated"
    assert client.get(f"/decisions/{decision['id']}").json()["contamination"] == "contaminated"
    assert client.post("/decisions", json=body).json()["contamination"] is None


def test_a_day_earlier_the_embargo_is_not_over(client: httpx.Client) -> None:
    body = {**ASK, "models": ["old/old-1"]}
    earlier = {"x-outcry-as-of": "2024-09-30T23:59:59Z"}

    assert client.post("/decisions", json=body, headers=earlier).json()["contamination"] == "contaminated"
    assert client.post("/decisions", json=body, headers=THEN).json()["contamination"] == "clean"


def test_block_asks_nobody_and_filter_only_the_clean(client: httpx.Client, upstreams: dict[str, Upstream]) -> None:
    body = {**ASK, "models": ["old/old-1", "new/new-1", "odd/odd-1", "auto"]}
    asked(upstreams)

    blocked = client.post("/decisions", json={**body, "as_of_mode": "block"}, headers=THEN)
    assert asked(upstreams) == []
    events = streamed(client, "/decisions", {**body, "as_of_mode": "filter"}, headers=THEN)

    assert "new/new-1" in error_of(blocked, 422, "policy_contaminated")["message"]
    assert asked(upstreams) == ["old"]
    assert {event.data["contamination"] for event in events} == {"clean"}
    assert [vote["provider"] for vote in events[-1].data["votes"]] == ["old", "old"]
    assert sum("left out" in warning for warning in events[-1].data["warnings"]) == 2


def test_a_quorum_that_the_clean_cannot_make_is_refused_as_what_it_is(
    client: httpx.Client, upstreams: dict[str, Upstream]
) -> None:
    body = {**ASK, "models": ["old/old-1", "new/new-1"], "quorum": 2, "as_of_mode": "filter"}
    asked(upstreams)

    error = error_of(client.post("/decisions", json=body, headers=THEN), 422, "policy_contaminated")

    assert "new/new-1" in error["message"]
    assert "quorum of 2" in error["message"]
    assert asked(upstreams) == []


def test_completions_are_guarded_too(client: httpx.Client, upstreams: dict[str, Upstream]) -> None:
    chat = {"model": "auto", "messages": HELLO}
    asked(upstreams)

    warned = client.post("/v1/chat/completions", json={**chat, "model": "new/new-1"}, headers=THEN)
    filtered = client.post("/v1/chat/completions", json=chat, headers=THEN | {"x-outcry-as-of-mode": "filter"})
    blocked = client.post("/chat", json=chat, headers=THEN | {"x-outcry-as-of-mode": "block"})
    nobody = client.post("/chat", json=chat | {"model": "new-1"}, headers=THEN | {"x-outcry-as-of-mode": "filter"})
    momentless = client.post("/chat", json=chat, headers={"x-outcry-as-of-mode": "filter"})

    assert "contaminated" in warned.headers["x-outcry-warnings"]
    assert filtered.headers["x-outcry-provider"] == "old"
    error_of(blocked, 422, "policy_contaminated")
    error_of(nobody, 422, "policy_contaminated")
    error_of(momentless, 400, "caller_invalid_header")
    assert asked(upstreams) == ["old", "new"]
