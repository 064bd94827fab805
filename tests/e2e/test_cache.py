"""The response cache over HTTP: repeated requests are answered for nothing, and only to those who asked them."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Status, Tokens
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, PATIENT, content, error_of, metrics, provider, streamed, total, within
from tests.upstream import Upstream

COST = {"input_per_1m_tokens": 2, "output_per_1m_tokens": 8}
RW = {"x-outcry-cache": "read-write"}
KEYS = ("key-one-0123456789", "key-two-0123456789", "key-limited-0123456789")
V1 = "/v1/chat/completions"
BODIES: dict[str, dict[str, Any]] = {
    V1: {"model": "alpha-1"},
    "/chat": {"model": "alpha-1"},
    "/v1/messages": {"model": "alpha-1", "max_tokens": 50},
    "/v1/responses": {"model": "alpha-1"},
}


def body_of(path: str, said: str) -> dict[str, Any]:
    """A request in the wire's words."""
    place = "input" if path == "/v1/responses" else "messages"
    return {**BODIES[path], place: [{"role": "user", "content": said}]}


class Desk:
    """A gateway with two keys and three providers: alpha as the file leaves it, beta always cached, gamma never."""

    def __init__(self, gateway: Service, upstreams: dict[str, Upstream]) -> None:
        self.gateway, self.upstreams = gateway, upstreams
        self.alpha = upstreams["alpha"]
        self.client = gateway.client
        self.client.headers["authorization"] = f"Bearer {KEYS[0]}"

    def post(self, path: str, said: str, /, headers: dict[str, str] = RW, **more: Any) -> httpx.Response:
        body = {**body_of(path, said), **more}
        response = self.client.post(path, json=body, headers=headers)
        assert response.status_code == 200, response.text
        return response


@pytest.fixture(scope="module")
def desk(start_once: StartService, upstream_once: StartUpstream) -> Desk:
    names = {"alpha": {}, "beta": {"enable_caching": True}, "gamma": {"enable_caching": False}}
    upstreams = {name: upstream_once(Answer("buy", usage=Tokens(1000, 500)), models=(f"{name}-1",)) for name in names}
    providers = [provider(name, upstreams[name], cost=COST, **settings) for name, settings in names.items()]
    env = {**PATIENT, "OUTCRY_API_KEYS": ",".join(KEYS)}
    for name, dialect, kind in (("delta", "anthropic", "anthropic"), ("epsilon", "responses", "openai")):
        upstreams[name] = upstream_once(Answer("buy"), dialect=dialect, models=(f"{name}-1",))
        providers.append(provider(name, upstreams[name], provider_type=kind))
    limited = f"key:{hashlib.sha256(KEYS[2].encode()).hexdigest()[:8]}"
    config = {"providers": providers, "caller_limits": {limited: {"requests_per_minute": 2}}}
    return Desk(start_once(config=config, env=env), upstreams)


def _without_ids(value: Any) -> Any:
    """The same without the ids that the Responses wire makes up anew for every answer."""
    if isinstance(value, dict):
        return {name: _without_ids(each) for name, each in value.items() if name != "id"}
    return [_without_ids(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(autouse=True)
def _fresh(desk: Desk) -> None:
    for upstream in desk.upstreams.values():
        upstream.behave(Answer("buy", usage=Tokens(1000, 500)))
        upstream.forget()


@pytest.mark.parametrize("path", BODIES)
def test_a_repeated_request_is_answered_from_the_cache_labelled_and_free(desk: Desk, path: str) -> None:
    first, second = desk.post(path, f"repeat {path}"), desk.post(path, f"repeat {path}")

    assert first.headers["x-outcry-cache"] == "miss"
    assert first.headers["x-outcry-cost-usd"] == "0.006"
    assert second.headers["x-outcry-cache"].startswith("hit; age=")
    assert (second.headers["x-outcry-cost-usd"], second.headers["x-outcry-attempts"]) == ("0", "0")
    assert (second.headers["x-outcry-provider"], second.headers["x-outcry-model"]) == ("alpha", "alpha-1")
    assert desk.alpha.calls == 1
    if path == "/chat":
        body = second.json()
        assert (body["cost_usd"], body["attempts"], body["cache"]["status"]) == ("0", [], "hit")
        assert (body["content"], body["usage"]["input_tokens"]) == ("buy", 1000)
        assert "answered from the cache" in body["routing"]["reason"]
    else:
        said = [{**one.json(), "id": "", "created_at": 0, "completed_at": 0} for one in (first, second)]
        assert _without_ids(said[0]) == _without_ids(said[1])


@pytest.mark.parametrize("path", BODIES)
def test_a_stream_is_told_again_to_streams_and_to_those_who_want_it_whole(desk: Desk, path: str) -> None:
    body = {**body_of(path, f"stream {path}"), "stream": True}
    responses = [desk.client.post(path, json=body, headers=RW) for _ in range(2)]
    whole = desk.post(path, f"stream {path}")

    assert [one.headers["x-outcry-cache"].partition(";")[0] for one in (*responses, whole)] == ["miss", "hit", "hit"]
    assert [one.headers["x-outcry-attempts"] for one in responses] == ["1", "0"]
    assert all("buy" in one.text for one in responses)
    assert "buy" in whole.text
    assert desk.alpha.calls == 1


def test_both_wires_of_ours_share_an_answer_and_anothers_own_wire_has_its_own(desk: Desk) -> None:
    seen = [desk.post(path, "wires").headers["x-outcry-cache"].partition(";")[0] for path in BODIES]

    assert seen == ["miss", "hit", "miss", "miss"]


@pytest.mark.parametrize(("path", "model"), [("/v1/messages", "delta/delta-1"), ("/v1/responses", "epsilon/epsilon-1")])
def test_between_ends_that_speak_alike_a_stream_comes_back_byte_for_byte(desk: Desk, path: str, model: str) -> None:
    body = {**body_of(path, "native"), "model": model}
    first, second = [desk.client.post(path, json={**body, "stream": True}, headers=RW) for _ in range(2)]
    whole = [desk.client.post(path, json=body, headers=RW) for _ in range(2)]

    labels = [one.headers["x-outcry-cache"].partition(";")[0] for one in (first, second, *whole)]
    assert labels == ["miss", "hit", "miss", "hit"]
    assert first.text == second.text
    assert whole[0].json() == whole[1].json()


def test_fifty_at_once_are_one_call(desk: Desk) -> None:
    desk.alpha.behave(Answer("buy", delay=0.5))
    with ThreadPoolExecutor(50) as threads:
        responses = list(threads.map(lambda _: desk.post(V1, "all at once"), range(50)))

    labels = [response.headers["x-outcry-cache"].partition(";")[0] for response in responses]
    assert desk.alpha.calls == 1
    assert labels.count("miss") == 1
    assert set(labels) <= {"miss", "shared", "hit"}
    assert {response.json()["choices"][0]["message"]["content"] for response in responses} == {"buy"}


def test_streams_at_once_are_one_call_too(desk: Desk) -> None:
    desk.alpha.behave(Answer("buy", delay=0.5))
    body = {"model": "alpha-1", "messages": [{"role": "user", "content": "all at once, streamed"}]}
    with ThreadPoolExecutor(10) as threads:
        seen = list(threads.map(lambda _: content(streamed(desk.client, V1, body, headers=RW)), range(10)))

    assert (seen, desk.alpha.calls) == (["buy"] * 10, 1)


def test_when_all_have_left_the_provider_is_left_too(desk: Desk) -> None:
    desk.alpha.behave(Answer("buy", delay=30))
    body = {"model": "alpha-1", "messages": [{"role": "user", "content": "leaving"}]}
    open_before = desk.alpha.connections_closed

    def impatient(_: int) -> None:
        with pytest.raises(httpx.ReadTimeout), plain_client(desk.gateway.base_url, seconds=0.5) as client:
            client.post(V1, json=body, headers={**RW, "x-api-key": KEYS[0]})

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(impatient, range(3)))

    assert desk.alpha.wait_until(lambda upstream: upstream.connections_closed > open_before, 0.5)
    assert desk.alpha.calls == 1


def test_without_a_word_about_it_nothing_is_cached_nor_said(desk: Desk) -> None:
    responses = [desk.post(V1, "plain", headers={}) for _ in range(2)]

    assert ["x-outcry-cache" in response.headers for response in responses] == [False, False]
    assert desk.alpha.calls == 2


@pytest.mark.parametrize(
    ("headers", "second"),
    [
        ({}, "hit"),
        ({"x-outcry-cache": "off"}, None),
        ({"cache-control": "no-store"}, None),
        ({"x-outcry-cache": "write"}, "bypass"),
    ],
)
def test_a_provider_may_have_it_on_and_a_request_may_say_otherwise(
    desk: Desk, headers: dict[str, str], second: str | None
) -> None:
    said = f"beta {headers}"
    desk.post(V1, said, headers={}, model="beta-1")

    label = desk.post(V1, said, headers=headers, model="beta-1").headers.get("x-outcry-cache")

    assert (label and label.partition(";")[0]) == second


def test_a_provider_that_is_never_to_be_cached_never_is(desk: Desk) -> None:
    responses = [desk.post("/chat", "never", headers={}, model="gamma-1", cache="read-write") for _ in range(2)]

    assert [response.json()["cache"] for response in responses] == [{"status": "bypass", "age_s": None}] * 2
    assert desk.upstreams["gamma"].calls == 2


def test_gateway_keys_and_agents_never_share(desk: Desk) -> None:
    agents = [desk.client.post("/agents", json={"name": f"agent {number}"}).json()["id"] for number in range(2)]
    whom: list[dict[str, str]] = [{}, {"authorization": f"Bearer {KEYS[1]}"}]
    whom += [{"x-outcry-agent": str(agent)} for agent in agents]

    labels = [desk.post(V1, "mine", headers={**RW, **who}).headers["x-outcry-cache"] for who in whom]

    assert labels == ["miss"] * 4


def test_a_failure_is_not_kept(desk: Desk) -> None:
    desk.alpha.behave(Status(400), Answer("buy"))
    body = {"model": "alpha-1", "messages": [{"role": "user", "content": "failing"}]}

    error_of(desk.client.post(V1, json=body, headers=RW), 400, "caller_invalid_request")

    assert desk.post(V1, "failing").headers["x-outcry-cache"] == "miss"


def test_an_answer_that_was_cut_short_is_not_kept(desk: Desk) -> None:
    desk.alpha.behave(Answer("bu", finish_reason="length"))

    assert [desk.post(V1, "short").headers["x-outcry-cache"] for _ in range(2)] == ["miss", "miss"]


def test_a_free_answer_counts_against_nobodys_limit(desk: Desk) -> None:
    headers = {**RW, "authorization": f"Bearer {KEYS[2]}"}

    labels = [desk.post(V1, "limited", headers=headers).headers["x-outcry-cache"].partition(";")[0] for _ in range(4)]
    body = {**body_of(V1, "limited"), "stream": True}
    streams = [desk.client.post(V1, json=body, headers=headers).status_code for _ in range(4)]

    assert labels == ["miss", "hit", "hit", "hit"]
    assert streams == [200] * 4
    assert desk.post(V1, "another", headers=headers).headers["x-outcry-cache"] == "miss"
    error_of(desk.client.post(V1, json=body_of(V1, "a third"), headers=headers), 429, "policy_rate_limit")


def test_hits_are_in_the_record_and_cost_nothing(desk: Desk) -> None:
    headers = {**RW, "authorization": f"Bearer {KEYS[1]}"}

    def hits() -> list[dict[str, Any]]:
        rows = desk.client.get("/usage/summary", params={"by": "day", "group": "outcome,route"}).json()["rows"]
        return [row for row in rows if (row["outcome"], row["route"]) == ("cached", "messages")]

    before = sum(row["requests"] for row in hits())
    for _ in range(3):
        desk.post("/v1/messages", "on record", headers=headers)

    assert within(5, lambda: sum(row["requests"] for row in hits()) == before + 2)
    (row,) = hits()
    assert (row["attempts"], row["input_tokens"], row["cost_usd"], row["unpriced_requests"]) == (0, 0, "0", 0)


def test_metrics_count_what_became_of_requests(desk: Desk) -> None:
    before = metrics(desk.client)
    for _ in range(3):
        desk.post(V1, "counted")
    after = metrics(desk.client)

    def more(outcome: str) -> float:
        name = "outcry_cache_requests_total"
        return total(after, name, outcome=outcome) - total(before, name, outcome=outcome)

    assert [more(outcome) for outcome in ("hit", "miss", "shared", "store")] == [2, 1, 0, 1]
    assert after["outcry_cache_bytes"] > before["outcry_cache_bytes"]


def test_a_market_is_asked_anew_unless_the_caller_says_otherwise(desk: Desk) -> None:
    body = {"symbol": "BTC/USDT", "prompt": "up or down?", "models": ["beta/beta-1"]}
    for headers in ({}, {}, RW, RW):
        desk.client.post("/decisions", json=body, headers=headers)

    assert desk.upstreams["beta"].calls == 3


def test_embeddings_are_not_cached_and_say_so(desk: Desk) -> None:
    body = {"model": "alpha-1", "input": "up"}

    error = error_of(desk.client.post("/v1/embeddings", json=body, headers=RW), 400, "caller_unsupported_parameter")

    assert error["param"] == "x-outcry-cache"


def test_an_answer_grows_too_old(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream()
    gateway = start(providers=[provider("alpha", alpha)], env={"OUTCRY_CACHE__TTL": "0.3"})
    body = {"model": "alpha-1", "messages": HELLO}

    labels = [gateway.client.post(V1, json=body, headers=RW).headers["x-outcry-cache"] for _ in range(2)]

    assert labels == ["miss", "hit; age=0"]
    assert within(5, lambda: gateway.client.post(V1, json=body, headers=RW).headers["x-outcry-cache"] == "miss")
    assert alpha.calls == 2
