from __future__ import annotations

import pytest

from app.adapters.retry_after import retry_after, seconds

NOW = 1795225200.0  # 2026-11-21T01:40:00Z


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("2", 2.0),
        ("0", 0.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("12ms", 0.012),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("36.918271s", 36.918271),
        ("1d", 86400.0),
        ("2026-11-21T01:40:30Z", 30.0),
        ("2026-11-21T02:40:30+01:00", 30.0),
        ("Sat, 21 Nov 2026 01:40:27 GMT", 27.0),
        ("1795225260", 60.0),
        ("1795225260000", 60.0),
    ],
)
def test_every_form_is_read(spelled: str, expected: float) -> None:
    assert seconds(spelled, now=NOW) == pytest.approx(expected)


@pytest.mark.parametrize(
    "spelled",
    [
        *("", " ", "-1", "-5s", "soon", "nan", "inf", "1e9", "1e999", "99999999", "2d", "9" * 400, "1,5", "5 apples"),
        *("2026-11-20T00:00:00Z", "2099-01-01T00:00:00Z", "Fri, 20 Nov 2026 01:40:27 GMT", "\u0663"),
    ],
)
def test_garbage_negative_and_absurd_values_are_nothing(spelled: str) -> None:
    assert seconds(spelled, now=NOW) is None


@pytest.mark.parametrize(
    ("headers", "hints", "text", "expected"),
    [
        ({"retry-after": "1", "retry-after-ms": "820"}, [], "", 0.82),
        ({"retry-after": "3", "retry-after-ms": "garbage"}, [], "", 3.0),
        ({"retry-after": "soon"}, ["12s"], "try again in 2s", 12.0),
        ({}, [], "Please try again in 2.25s.", 2.25),
        ({}, [], "Please retry after 6 seconds.", 6.0),
        ({}, [], "Please try again in 12ms.", 0.012),
        ({}, [], "try again in 1m30s", 90.0),
        ({}, [], "Try again in 2 minutes", 120.0),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "9ms"}
         | {"x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "100"}, [], "", 360.0),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "9ms"}
         | {"x-ratelimit-remaining-requests": "12", "x-ratelimit-remaining-tokens": "0"}, [], "", 0.009),
        ({"anthropic-ratelimit-requests-reset": "2026-11-21T01:40:30Z"}
         | {"anthropic-ratelimit-requests-remaining": "0"}, [], "", 30.0),
        ({"x-ratelimit-reset": "1795225260000", "x-ratelimit-remaining": "0"}, [], "", 60.0),
        # Their clock is an hour behind ours: their moments are counted from their now.
        ({"retry-after": "Sat, 21 Nov 2026 00:40:27 GMT", "date": "Sat, 21 Nov 2026 00:40:00 GMT"}, [], "", 27.0),
        ({}, [], "no hint at all", None),
    ],
)  # fmt: skip
def test_the_most_exact_source_wins(
    headers: dict[str, str], hints: list[str], text: str, expected: float | None
) -> None:
    assert retry_after(headers, iter(hints), text, wall=NOW) == (None if expected is None else pytest.approx(expected))
