"""How long a provider asks us to wait, in every form that providers use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_SECONDS: Final = 86_400.0
"""A wait beyond a day is nonsense, or nothing that a gateway should honour."""

_DURATION: Final = re.compile(
    r"(?=\S)(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?",
    re.ASCII,
)
_UNITS: Final = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_HINT: Final = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+(\d[\d.hms]*)\s*(milliseconds?|ms|seconds?|minutes?|hours?)?",
    re.IGNORECASE | re.ASCII,
)
_HINT_UNITS: Final = {"m": 60.0, "h": 3_600.0, "s": 1.0}
_EPOCH_SECONDS: Final = 1e9
_EPOCH_MILLISECONDS: Final = 1e12


def retry_after(headers: Mapping[str, str], hints: Iterator[str], text: str, *, wall: float) -> float | None:
    """Seconds to wait; None when nothing sensible is said.

    The order is `retry-after-ms`, `retry-after`, the body's own fields (`hints`), a sentence in its text, then the
    resets of limits that are used up. Moments are counted from the provider's own clock (`date`) where it states one,
    else from `wall`, our seconds since the epoch.
    """
    now = their_now(headers, wall)
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds) and (wait := _sane(float(milliseconds) / 1000)) is not None:
        return wait
    for spelled in (headers.get("retry-after", ""), *hints):
        if (wait := seconds(spelled, now=now)) is not None:
            return wait
    if (wait := _hinted(text)) is not None:
        return wait
    waits = [wait for spelled in _used_up(headers) if (wait := seconds(spelled, now=now)) is not None]
    return max(waits, default=None)


def their_now(headers: Mapping[str, str], wall: float) -> float:
    """The provider's clock in seconds since the epoch, or ours (`wall`) where it states none."""
    now = _moment(headers.get("date", ""))
    return wall if now is None else now


def seconds(spelled: str, *, now: float) -> float | None:
    """Seconds from `now` of a number, a duration (`6m0s`), a date (RFC 3339 or HTTP) or an epoch; None for garbage."""
    spelled = spelled.strip()
    if not spelled or len(spelled) > 64:
        return None
    if _NUMBER.fullmatch(spelled):
        number = float(spelled)
        if number >= _EPOCH_MILLISECONDS:
            return _sane(number / 1000 - now)
        return _sane(number - now if number >= _EPOCH_SECONDS else number)
    if match := _DURATION.fullmatch(spelled):
        return _sane(sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part))
    moment = _moment(spelled)
    return None if moment is None else _sane(moment - now)


def _sane(wait: float) -> float | None:
    return wait if math.isfinite(wait) and 0 <= wait <= MAX_SECONDS else None


def _moment(spelled: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(spelled)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


def _hinted(text: str) -> float | None:
    match = _HINT.search(text)
    if match is None:
        return None
    amount, unit = match.group(1).rstrip("."), (match.group(2) or "").lower()
    if unit in ("ms", "millisecond", "milliseconds"):
        amount += "ms"
    elif unit and _NUMBER.fullmatch(amount):
        return _sane(float(amount) * _HINT_UNITS[unit[0]])
    return seconds(amount, now=0.0)


def _used_up(headers: Mapping[str, str]) -> Iterator[str]:
    """Resets of the limits of which nothing remains."""
    for name, reset in headers.items():
        if "ratelimit" in name and "reset" in name:
            remaining = headers.get(name.replace("reset", "remaining"), "0").strip()
            if remaining in ("", "0"):
                yield reset
