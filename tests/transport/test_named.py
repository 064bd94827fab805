"""URLs that are named over the API lead nowhere that the operator did not allow."""

from __future__ import annotations

import pytest

from app.transport.named import objection_to

LISTED = ("127.0.0.1:9000", "tools.internal", "169.254.169.254")


@pytest.mark.parametrize(
    "url",
    [
        "https://tools.example/v1/price",
        "https://tools.example:8443",
        "https://8.8.8.8/x",
        "https://[2001:4860:4860::8888]/x",
        "https://xn--bcher-kva.example/x",
        "http://127.0.0.1:9000/x",
        "http://tools.internal/x",
        "https://tools.internal:9443/x",
    ],
)
def test_a_public_https_url_or_a_listed_host_is_taken(url: str) -> None:
    assert objection_to(url, LISTED) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tools.example/x",
        "http://tools.example/x",
        "http://127.0.0.1:9001/x",
        "https://127.0.0.1/x",
        "https://10.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://[fe80::1%25eth0]/x",
        "https://169.254.169.254/latest",
        "http://169.254.169.254/latest",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://127.1/x",
        "https://0177.0.0.1/x",
        "https://a..b/x",
        "https://tools.example./x",
        "https://tools_%31.example/x",
        "https://b\u00fccher.example/x",
        "https://user@tools.example/x",
        "https://:pass@tools.example/x",
        "https://tools.example/x?",
        "https://tools.example/x?a=1",
        "https://tools.example/x#",
        "https://tools.example:0/x",
        "https://tools.example:99999/x",
        "https://tools.example/a b",
        "https://tools.example/a\nb",
        "https://tools.example/" + "a" * 2_100,
        "file:///etc/passwd",
        "https:///x",
    ],
)
def test_everything_else_is_refused_with_a_reason(url: str) -> None:
    assert objection_to(url, LISTED)
