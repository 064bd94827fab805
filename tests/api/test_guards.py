"""What is refused by its head alone."""

from __future__ import annotations

import pytest

from app.api.guards import MAX_HEADER_BYTES, check_open_door, is_loopback, read_headers
from app.domain.errors import Code, OutcryError

HOST = (b"host", b"localhost:8080")
LOCAL = ("127.0.0.1", 5)


def code_of(*headers: tuple[bytes, bytes], peer: tuple[str, int] | None = LOCAL) -> Code | None:
    """What these headers are refused with at the open door, None when they are not."""
    try:
        check_open_door(read_headers(headers), peer)
    except OutcryError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    "host", [b"localhost", b"localhost:8080", b"127.0.0.1", b"127.0.0.1:1", b"[::1]", b"[::1]:8080"]
)
def test_this_machine_is_served_at_the_open_door(host: bytes) -> None:
    assert code_of((b"host", host)) is None


@pytest.mark.parametrize(
    "host",
    [b"evil.test", b"localhost.evil.test", b"127.0.0.1.evil.test", b"127.0.0.2", b"0.0.0.0", b"[::]", b"localhost:"],
)
def test_another_name_for_this_machine_is_not(host: bytes) -> None:
    assert code_of((b"host", host)) in (Code.FOREIGN_ORIGIN, Code.INVALID_HEADER)


@pytest.mark.parametrize("peer", [("10.0.0.5", 1), ("::ffff:10.0.0.5", 1), ("fe80::1", 1), ("", 1), None])
def test_a_peer_from_elsewhere_is_not_served_at_the_open_door(peer: tuple[str, int] | None) -> None:
    assert code_of(HOST, peer=peer) is Code.FOREIGN_ORIGIN


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_every_spelling_of_loopback_is_known(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "header",
    [
        (b"origin", b"https://evil.test"),
        (b"origin", b"null"),
        (b"origin", b"http://localhost:3000"),
        (b"origin", b"https://localhost:8080"),
        (b"origin", b"http://localhost:8080@evil.test"),
        (b"origin", b"http://[::1"),
        (b"origin", b"\xff"),
        (b"forwarded", b"for=10.0.0.5"),
        (b"x-forwarded-for", b"127.0.0.1"),
        (b"x-forwarded-host", b"localhost"),
    ],
)
def test_web_pages_and_proxies_do_not_borrow_the_open_door(header: tuple[bytes, bytes]) -> None:
    assert code_of(HOST, header) is Code.FOREIGN_ORIGIN


def test_the_services_own_page_is_served() -> None:
    assert code_of(HOST, (b"origin", b"http://localhost:8080")) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [HOST, HOST],
        [(b"host", b"")],
        [(b"host", b"a b")],
        [(b"host", b"localhost\n")],
        [(b"host", b"user@localhost")],
        [HOST, (b"content-length", b"3"), (b"transfer-encoding", b"chunked")],
        [HOST, (b"content-length", b"3"), (b"content-length", b"4")],
        [HOST, (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
        [HOST, (b"x-outcry-agent", b"1"), (b"x-outcry-agent", b"2")],
        [HOST, (b"x-filler", b"x" * MAX_HEADER_BYTES)],
        [HOST, (b"x-outcry-hop", b"1")],
        [HOST, (b"x-outcry-hop", b"many")],
    ],
)
def test_a_head_that_could_mean_two_things_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    assert code_of(*headers) is Code.INVALID_HEADER


def test_a_loop_is_called_one() -> None:
    with pytest.raises(OutcryError, match="loop"):
        read_headers([HOST, (b"x-outcry-hop", b"1")])
