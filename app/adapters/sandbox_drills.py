"""Drills: what the sandbox is told to do wrong, so that the rest can be seen to cope."""

from __future__ import annotations

import re
from typing import Final

from app.domain.errors import FailureKind, ProviderError
from app.domain.frozen import frozen

_DRILL = re.compile(r"\[\[(slow|fail|cut)=(\d{1,6})\]\]|\[\[(nonsense)\]\]")

_KINDS: Final[dict[int, FailureKind]] = {
    401: FailureKind.AUTH,
    402: FailureKind.QUOTA_EXHAUSTED,
    403: FailureKind.PERMISSION,
    404: FailureKind.MODEL_NOT_FOUND,
    408: FailureKind.TIMEOUT,
    409: FailureKind.CONFLICT,
    413: FailureKind.PAYLOAD_TOO_LARGE,
    429: FailureKind.RATE_LIMITED,
    503: FailureKind.OVERLOADED,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}


@frozen
class Drill:
    """`slow` seconds before the first word, `fail` with an HTTP status, `cut` after that many words, or `nonsense`."""

    slow: float = 0.0
    fail: int | None = None
    cut: int | None = None
    nonsense: bool = False


NO_DRILL: Final = Drill()


def drill_in(text: str) -> Drill:
    """The drills that this text asks for; the last of a kind counts."""
    if "[[" not in text:
        return NO_DRILL
    slow, fail, cut, nonsense = 0.0, None, None, False
    for name, value, word in _DRILL.findall(text):
        match name or word:
            case "slow":
                slow = int(value) / 1000
            case "fail":
                fail = int(value)
            case "cut":
                cut = int(value)
            case _:
                nonsense = True
    return Drill(slow, fail, cut, nonsense)


def drilled_failure(status: int) -> ProviderError:
    """The failure that a provider's HTTP status means."""
    kind = _KINDS.get(status, FailureKind.BAD_REQUEST if 400 <= status < 500 else FailureKind.SERVER_ERROR)
    return ProviderError(kind, f"{status} from sandbox: a drill", upstream_status=status)
