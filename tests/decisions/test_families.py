"""Models of one maker are one family, whoever hosts them."""

from __future__ import annotations

import pytest

from app.decisions.families import MAKERS, family_of


@pytest.mark.parametrize(
    ("line", "provider", "family"),
    [
        ("gpt", "azure", "openai"),
        ("gpt", "main", "openai"),
        ("gemma", "local", "google"),
        ("zeta", "main", "zeta"),
        (None, "desk", "desk"),
    ],
)
def test_a_family_is_the_maker_else_the_line_else_the_provider(line: str | None, provider: str, family: str) -> None:
    assert family_of(line, provider) == family


def test_a_line_is_one_lower_case_word() -> None:
    assert all(line.isalnum() and line == line.lower() for line in MAKERS)
