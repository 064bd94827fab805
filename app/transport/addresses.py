"""Which IP addresses the gateway may connect to."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

# `is_global` is no help with these: it is True for 168.63.129.16 and 192.0.0.192, and False for fd00:ec2::254, which
# an operator's "private is fine" would let through.
METADATA_ADDRESSES: Final = frozenset(
    ip_address(spelled)
    for spelled in (
        "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, OpenStack
        "169.254.169.253",  # AWS: DNS
        "169.254.169.123",  # AWS: time
        "169.254.170.2",  # AWS: container credentials
        "169.254.170.23",  # AWS: pod identity
        "168.63.129.16",  # Azure: wire server
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",  # AWS: pod identity over IPv6
        "fd20:ce::254",  # Google over IPv6
        "fd00:42::42",  # Scaleway over IPv6
    )
)

_SHARED: Final = IPv4Network("100.64.0.0/10")
_PROTOCOL_V4: Final = IPv4Network("192.0.0.0/24")
_SITE_LOCAL: Final = IPv6Network("fec0::/10")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = IPv6Network("64:ff9b:1::/48")
_COMPATIBLE: Final = IPv6Network("::/96")
_TRANSLATED: Final = IPv6Network("::ffff:0:0:0/96")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)
_LOW_32: Final = 0xFFFFFFFF


def forbidden_address(ip: str, *, private_allowed: bool) -> str | None:
    """Why this address must not be connected to, or None when it may.

    IPv4 addresses inside IPv6 ones (mapped, 6to4, NAT64, Teredo, ISATAP, compatible) are judged as themselves too.
    Metadata, link-local, multicast and reserved addresses are never allowed; private ones where the operator says so.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        return f"{ip} is not an IP address"
    for each in (address, *_embedded(address)):
        reason = _never(each) or (None if private_allowed else _private(each))
        if reason is not None:
            return f"{ip} is {reason}"
    return None


def is_allowed_private(url: str, allowed: Collection[str]) -> bool:
    """Whether the operator lists this URL's host, as `host` for every port or as `host:port`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    spelled = f"[{host}]" if ":" in host else host
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    return spelled in allowed or f"{spelled}:{port}" in allowed


def _never(address: IPv4Address | IPv6Address) -> str | None:
    if _without_scope(address) in METADATA_ADDRESSES:
        return "a cloud metadata address"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if isinstance(address, IPv4Address):
        return "reserved" if address.is_reserved else None
    # Loopback, :: and the forms that embed IPv4 lie in ranges that count as reserved; what they embed is judged apart.
    if address.is_reserved and not (address.is_loopback or address.is_unspecified or _embedded(address)):
        return "reserved"
    return None


def _private(address: IPv4Address | IPv6Address) -> str | None:
    # 0.0.0.0 and :: connect to this very machine, so they are as private as loopback.
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    if isinstance(address, IPv4Address):
        if address in _SHARED:
            return "shared address space"
        if address in _PROTOCOL_V4:
            return "reserved for protocols"
    elif address in _SITE_LOCAL:
        return "site-local"
    elif address in _NAT64_LOCAL:
        return "a local NAT64 address"
    if _embedded(address):
        return None
    return None if address.is_global else "private"


def _embedded(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """IPv4 addresses that a tunnel or translator would reach through this one."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return ()
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    number = int(address)
    low = IPv4Address(number & _LOW_32)
    if any(address in network for network in (_NAT64, _NAT64_LOCAL, _COMPATIBLE, _TRANSLATED)):
        return (low,)
    if number >> 32 & _LOW_32 in _ISATAP:
        return (low,)
    return ()


def _without_scope(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return IPv6Address(int(address)) if isinstance(address, IPv6Address) else address
