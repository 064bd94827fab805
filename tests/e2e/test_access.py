"""Who may come in: everybody on loopback while no key is set, the bearers of a key from then on."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, error_of, provider

ALL, CHAT, READ = "all-scopes-0123456789", "chat-only-0123456789", "read-only-0123456789"
KEYS = f"{ALL},{CHAT}:chat,{READ}:read"


@pytest.fixture(scope="module")
def open_door(start_once: StartService) -> Service:
    return start_once()


@pytest.fixture(scope="module")
def locked(start_once: StartService, upstream_once: StartUpstream) -> Service:
    return start_once(providers=[provider("alpha", upstream_once())], env={"OUTCRY_API_KEYS": KEYS})


def test_without_keys_loopback_is_served(open_door: Service) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", f"localhost:{open_door.port}"):
        assert open_door.client.get("/v1/models", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"forwarded": "for=203.0.113.9"},
        {"x-forwarded-for": "203.0.113.9"},
        {"x-forwarded-host": "evil.example"},
        {"x-forwarded-proto": "https"},
        {"host": "evil.example"},
        {"host": "localhost.evil.example"},
        {"origin": "null"},
    ],
)
def test_the_open_door_is_closed_to_web_pages_and_proxies(open_door: Service, headers: dict[str, str]) -> None:
    read = open_door.client.get("/v1/models", headers=headers)
    write = open_door.client.post("/chat", json={"messages": HELLO}, headers=headers)

    error_of(read, 403, "caller_foreign_origin")
    error_of(write, 403, "caller_foreign_origin")


def test_no_answer_invites_another_origin(open_door: Service) -> None:
    response = open_door.client.options(
        "/chat", headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
    )

    assert response.status_code >= 400
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_without_keys_no_other_address_is_bound(tmp_path_factory: pytest.TempPathFactory) -> None:
    gateway = Service(tmp_path_factory.mktemp("wide"), env={"OUTCRY_HOST": "0.0.0.0"})

    assert gateway.ends_by_itself() != 0

    assert "OUTCRY_API_KEYS" in gateway.log
    assert "Traceback" not in gateway.log


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_a_key_opens_in_each_of_its_three_headers(locked: Service, header: str) -> None:
    value = f"Bearer {ALL}" if header == "authorization" else ALL

    assert locked.client.get("/v1/models", headers={header: value}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-api-key": "wrong-key-0123456789"}, {"authorization": f"Basic {ALL}"}, {"authorization": "Bearer"}],
)
def test_no_key_and_wrong_keys_are_a_401(locked: Service, headers: dict[str, str]) -> None:
    for method, path in [
        ("POST", "/v1/chat/completions"),
        ("POST", "/chat"),
        ("POST", "/decisions"),
        ("POST", "/risk-assessments"),
        ("GET", "/decisions"),
        ("GET", "/v1/models"),
        ("GET", "/providers/health"),
        ("GET", "/usage/summary"),
        ("POST", "/agents"),
        ("GET", "/agents"),
    ]:
        response = locked.client.request(method, path, headers=headers)
        error_of(response, 401, "caller_unauthenticated")


def test_only_health_and_loopback_metrics_need_no_key(locked: Service) -> None:
    assert locked.client.get("/health/live").status_code == 200
    assert locked.client.get("/health/ready").status_code == 200
    assert locked.client.get("/metrics").status_code == 200


def test_a_key_opens_what_its_scopes_say_and_no_more(locked: Service) -> None:
    chat, read = {"x-api-key": CHAT}, {"x-api-key": READ}
    question = {"model": "alpha-1", "messages": HELLO}

    assert locked.client.post("/v1/chat/completions", json=question, headers=chat).status_code == 200
    assert locked.client.get("/v1/models", headers=chat).status_code == 200
    assert locked.client.get("/providers/health", headers=read).status_code == 200
    for method, path, headers in [
        ("POST", "/decisions", chat),
        ("GET", "/providers/health", chat),
        ("POST", "/agents", chat),
        ("POST", "/chat", read),
        ("POST", "/agents", read),
    ]:
        response = locked.client.request(method, path, json={}, headers=headers)
        error_of(response, 403, "caller_not_permitted")


def test_with_keys_a_proxy_may_stand_in_front(locked: Service) -> None:
    headers = {"x-api-key": ALL, "x-forwarded-for": "203.0.113.9", "host": "gateway.example"}

    assert locked.client.get("/v1/models", headers=headers).status_code == 200


def test_a_gateway_key_never_shows(locked: Service) -> None:
    locked.client.get("/v1/models", headers={"x-api-key": ALL})
    locked.client.get("/v1/models", headers={"x-api-key": "wrong-key-0123456789"})

    seen = locked.log + locked.client.get("/metrics").text
    assert not [key for key in (ALL, CHAT, READ, "wrong-key-0123456789") if key in seen]


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n",
        b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    ],
    ids=["no host", "two hosts", "length and chunked"],
)
def test_ambiguous_requests_are_a_400_and_the_end_of_the_connection(open_door: Service, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", open_door.port), timeout=5) as wire:
        wire.sendall(raw)
        answer = b""
        while part := wire.recv(65_536):
            answer += part

    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_request_that_came_through_a_gateway_does_not_go_round_again(
    start: StartService, upstream: StartUpstream
) -> None:
    alpha = upstream()
    client: httpx.Client = start(providers=[provider("alpha", alpha)]).client
    client.post("/chat", json={"messages": HELLO})

    again = client.post("/chat", json={"messages": HELLO}, headers={"x-outcry-hop": "1"})

    assert alpha.requests[0].headers["x-outcry-hop"] == "1"
    assert 400 <= again.status_code < 500
    assert alpha.calls == 1
