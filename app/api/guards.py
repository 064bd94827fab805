"""What is refused by its head alone: smuggling, floods, loops, and strangers at the open door."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from app.domain.errors import Code, NotPermitted, OutcryError, RequestRejected

MAX_HEADER_BYTES = 32 * 1024
MAX_HOPS = 1
"""How many gateways a request may have come through: none but this one."""

_LOCAL_HOST = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_HOST = re.compile(rb"(\[[0-9a-f:.%a-z_~-]+\]|[a-z0-9._~-]+)(:\d{1,5})?", re.IGNORECASE)
_SAID_ONCE = frozenset(
    (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"origin",
        b"idempotency-key",
    )
)


def read_headers(raw: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
    """The headers by name, once they are safe to be looked at. Raises RequestRejected."""
    headers: dict[bytes, bytes] = {}
    size = 0
    for name, value in raw:
        size += len(name) + len(value) + 4
        if name in headers and (name in _SAID_ONCE or name.startswith(b"x-outcry-")):
            raise _bad_header(name, "is there twice")
        headers[name] = value
    if size > MAX_HEADER_BYTES:
        raise RequestRejected(Code.INVALID_HEADER, f"headers of {size} bytes, at most {MAX_HEADER_BYTES} are read")
    host = headers.get(b"host")
    if host is None:
        raise _bad_header(b"host", "is missing")
    if not _HOST.fullmatch(host):
        raise _bad_header(b"host", "is not a host name with an optional port")
    if b"transfer-encoding" in headers and b"content-length" in headers:
        raise _bad_header(b"content-length", "came together with transfer-encoding")
    if b"x-outcry-hop" in headers:
        _check_hops(headers[b"x-outcry-hop"])
    return headers


def check_target(raw_path: bytes, query: bytes) -> None:
    """Refuses a URL with U+0000 in it, which nothing has for a name and PostgreSQL cannot look for."""
    if b"%00" in raw_path or b"%00" in query:
        raise RequestRejected(Code.INVALID_REQUEST, "the URL holds the character U+0000")


def _check_hops(value: bytes) -> None:
    if not value.isdigit() or int(value[:9]) >= MAX_HOPS:
        raise _bad_header(b"x-outcry-hop", "tells of a loop: this request was sent by a gateway like this one")


def check_open_door(headers: Mapping[bytes, bytes], peer: tuple[str, int] | None) -> None:
    """Without keys only this machine is served, and neither web pages nor proxies may borrow that. Raises."""
    if peer is None or not is_loopback(peer[0]):
        raise _stranger("without configured keys only loopback clients are served")
    host = headers[b"host"]
    if not _LOCAL_HOST.fullmatch(host):
        raise _stranger("without configured keys the host must be localhost, 127.0.0.1 or [::1]")
    for name in headers:
        if name == b"forwarded" or name.startswith(b"x-forwarded-"):
            raise _stranger(f"without configured keys no proxy is served ({name.decode('latin-1')})")
    origin = headers.get(b"origin")
    if origin is not None and not _is_own_origin(origin, host):
        raise _stranger("without configured keys no other origin is served")


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own, an IPv4 one written as IPv6 included."""
    if address in ("127.0.0.1", "::1"):
        return True
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)


def _is_own_origin(origin: bytes, host: bytes) -> bool:
    try:
        parts = urlsplit(origin.decode("ascii"))
    except ValueError:
        return False
    return parts.scheme == "http" and parts.netloc.lower() == host.decode("ascii").lower() and not parts.path


def _bad_header(name: bytes, what: str) -> OutcryError:
    shown = name.decode("latin-1")
    return RequestRejected(Code.INVALID_HEADER, f"header {shown} {what}", param=shown)


def _stranger(message: str) -> OutcryError:
    return NotPermitted(message, code=Code.FOREIGN_ORIGIN)
