"""Wrong gateway keys of every kind: a 401 that tells nothing, in the same time, and nowhere in the log."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping

import pytest

from tests.behaviours import Answer
from tests.e2e.nursery import Nursery
from tests.e2e.speaking import HELLO
from tests.faults.caller import Caller, Reply, head
from tests.faults.reception import MODEL, ROUTES, WELL, Reception, reception

KEY = "the-right-key-0123456789abcdef"
OTHER = "another-key-of-read-0123456789"
HUGE = "h" * 20_000
SECRETS = (KEY, OTHER, KEY[:-1], KEY.upper(), KEY[::-1], "schlüssel-0123456789")
WRONG: list[Mapping[str, str]] = [
    {},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Bearer "},
    {"authorization": f"Basic {KEY}"},
    {"authorization": KEY},
    {"authorization": f"Bearer{KEY}"},
    {"authorization": f"Bearer {KEY} {KEY}"},
    {"authorization": f"Bearer {KEY[:-1]}"},
    {"authorization": f"Bearer {KEY}x"},
    {"authorization": f"Bearer {KEY.upper()}"},
    {"authorization": f"Bearer {KEY[::-1]}"},
    {"authorization": "Bearer schlüssel-0123456789"},
    {"authorization": f"Bearer {HUGE}"},
    {"authorization": "Bearer sk-alpha-0123456789abcdef"},
    {"x-api-key": ""},
    {"x-api-key": KEY[:-1]},
    {"x-api-key": f"Bearer {KEY}"},
    {"api-key": KEY[1:]},
    {"cookie": f"authorization=Bearer {KEY}"},
]
DISAGREEING: list[Mapping[str, str]] = [
    {"authorization": f"Bearer {KEY[:-1]}", "x-api-key": KEY},
    {"authorization": f"Bearer {KEY}", "x-api-key": KEY[:-1]},
    {"authorization": f"Bearer {KEY}", "api-key": OTHER},
    {"x-api-key": KEY, "api-key": KEY[:-1]},
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[Reception]:
    keys = {"OUTCRY_API_KEYS": f"{KEY},{OTHER}:read"}
    with reception(tmp_path_factory.mktemp("keys"), nursery=gateway_nursery, env=keys, key=KEY) as one:
        yield one


@pytest.fixture(autouse=True)
def _refused_and_well(place: Reception) -> Iterator[None]:
    place.expects(Answer())
    yield
    assert place.alpha.calls == 0
    seen = place.gateway.log + place.gateway.client.get("/metrics").text
    assert not [secret for secret in (*SECRETS, HUGE[:100]) if secret in seen]
    place.assert_well()


def refused(place: Reception, path: str, headers: Mapping[str, str]) -> Reply:
    with place.caller() as caller:
        caller.ask(path, ROUTES[path], headers)
        return caller.reply()


@pytest.mark.parametrize("headers", WRONG, ids=lambda headers: str(dict(headers))[:60])
def test_a_wrong_key_is_a_401_that_tells_nothing(place: Reception, headers: Mapping[str, str]) -> None:
    for path in ROUTES:
        reply = refused(place, path, headers)

        assert reply.status == 401, reply
        assert reply.code in ("caller_unauthenticated", "authentication_error")
        assert not [secret for secret in SECRETS if secret.encode() in reply.body]


@pytest.mark.parametrize("headers", DISAGREEING, ids=" ".join)
def test_two_keys_that_disagree_are_a_401(place: Reception, headers: Mapping[str, str]) -> None:
    assert refused(place, "/chat", headers).status == 401


def test_the_same_key_in_two_headers_opens(place: Reception) -> None:
    headers = {"authorization": f"Bearer {KEY}", "x-api-key": KEY}

    assert place.gateway.client.get("/v1/models", headers=headers).status_code == 200


def test_the_same_header_twice_is_a_400(place: Reception) -> None:
    with place.caller() as caller:
        lines = head("GET", "/v1/models", {"host": "localhost"})[:-2]
        caller.say(lines + f"x-api-key: {KEY}\r\nx-api-key: {OTHER}\r\n\r\n".encode())

        assert caller.reply().code == "caller_invalid_header"


def test_anothers_key_opens_what_is_theirs_and_no_more(place: Reception) -> None:
    reply = refused(place, "/chat", {"authorization": f"Bearer {OTHER}"})

    assert (reply.status, reply.code) == (403, "caller_not_permitted")


@pytest.mark.parametrize(
    "target", [f"/v1/models?api_key={KEY}", f"/v1/models?key={KEY}", f"/v1/models?access_token={KEY}"]
)
def test_a_key_in_the_url_opens_nothing(place: Reception, target: str) -> None:
    with place.caller() as caller:
        caller.say(head("GET", target, {"host": "localhost"}))

        assert caller.reply().status == 401


def test_a_key_in_the_authority_of_the_url_opens_nothing(place: Reception) -> None:
    with place.caller() as caller:
        caller.say(head("GET", f"http://user:{KEY}@localhost/v1/models", {"host": "localhost"}))

        assert caller.reply().status in (400, 401)


def test_how_long_a_refusal_takes_does_not_tell_how_much_of_the_key_was_right(place: Reception) -> None:
    nearly, nothing = list[float](), list[float]()
    with place.caller() as caller:
        for _ in range(200):
            nearly.append(_timed(caller, KEY[:-1] + "x"))
            nothing.append(_timed(caller, "x" * len(KEY)))

    # A comparison that stops early differs by nanoseconds, hashing does not; this is to see what is grossly wrong.
    assert abs(statistics.median(nearly) - statistics.median(nothing)) < 0.0005


def test_the_right_key_opens(place: Reception) -> None:
    place.alpha.behave(Answer(WELL))

    answer = place.gateway.client.post("/chat", json={"model": MODEL, "messages": HELLO})

    assert answer.json()["content"] == WELL
    place.alpha.forget()


def _timed(caller: Caller, key: str) -> float:
    began = time.perf_counter()
    caller.say(head("GET", "/v1/models", {"host": "localhost", "x-api-key": key}))
    assert caller.reply().status == 401
    return time.perf_counter() - began
