from __future__ import annotations

from datetime import date

import pytest

from app.domain.catalog import last_day


@pytest.mark.parametrize(
    ("stated", "day"),
    [
        ("2025-07-31", date(2025, 7, 31)),
        ("2025-07", date(2025, 7, 31)),
        ("2024-02", date(2024, 2, 29)),
        ("2025-02-30", None),
        ("2025-13", None),
        ("0000-01", None),
        ("2025", None),
        ("2025-7-1", None),
        ("٢٠٢٥-٠٧", None),
        ("2025-07-31T00:00", None),
        ("", None),
    ],
)
def test_a_month_stands_for_its_last_day_and_what_is_no_day_is_none(stated: str, day: date | None) -> None:
    assert last_day(stated) == day
