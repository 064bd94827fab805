from __future__ import annotations

import pytest

from app.transport.addresses import METADATA_ADDRESSES, forbidden_address

NEVER = [
    *(str(each) for each in METADATA_ADDRESSES),
    "169.254.1.1",
    "fe80::1",
    "fe80::1%eth0",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    # Other spellings of 169.254.169.254: mapped, compatible, translated, 6to4, NAT64, Teredo, ISATAP.
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2001:0:a9fe:a9fe::1",
    "2001:db8::5efe:a9fe:a9fe",
    "2606:4700::5efe:169.254.169.254",
    "2606:4700::200:5efe:169.254.169.254",
    "::ffff:168.63.129.16",
    "64:ff9b::6464:64c8",
    "not an address",
    "0177.0.0.1",
    "2130706433",
    "127.1",
]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "::1",
    "::",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "64:ff9b::7f00:1",
    "64:ff9b::c0a8:101",
    "64:ff9b:1::808:808",
    "2606:4700::5efe:10.0.0.1",
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "104.18.7.192", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "100.128.0.1"]


@pytest.mark.parametrize("ip", sorted(NEVER))
def test_some_addresses_are_never_connected_to(ip: str) -> None:
    assert forbidden_address(ip, private_allowed=True) is not None
    assert forbidden_address(ip, private_allowed=False) is not None


@pytest.mark.parametrize("ip", PRIVATE)
def test_private_addresses_are_the_operators_word(ip: str) -> None:
    assert forbidden_address(ip, private_allowed=True) is None
    assert forbidden_address(ip, private_allowed=False) is not None


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_are_fine(ip: str) -> None:
    assert forbidden_address(ip, private_allowed=True) is None
    assert forbidden_address(ip, private_allowed=False) is None


def test_a_reason_names_the_address() -> None:
    assert forbidden_address("169.254.169.254", private_allowed=True) == "169.254.169.254 is a cloud metadata address"
