from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.errors import header_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("the price of bench/bench-1 is not known", b"the price of bench/bench-1 is not known"),
        (" edges ", b"edges"),
        ("cut\r\nset-cookie: a=b", b"cut??set-cookie: a=b"),
        ("Größe\x7f", b"Gr??e?"),
        ("", b""),
        ("x" * 3000, b"x" * 2000),
    ],
)
def test_text_becomes_fit_for_a_header(text: str, value: bytes) -> None:
    assert header_value(text) == value


@given(st.text(max_size=50))
def test_whatever_the_text_its_header_is_printable_ascii(text: str) -> None:
    value = header_value(text, limit=40)

    assert len(value) <= 40
    assert all(0x20 <= byte <= 0x7E for byte in value)
