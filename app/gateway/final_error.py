"""The one error that a caller gets for all the attempts that failed."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.errors import REACTIONS, AllAttemptsFailed, Code, FailureKind, OutcryError, ProviderError

DEFAULT_COOLDOWN = 5.0
"""Seconds that a rate-limited target is left alone when its provider names no time."""


def final_error(failures: Sequence[ProviderError], error: ProviderError) -> OutcryError:
    """What the caller hears when nothing follows `error`: the last failure that was sent decides.

    A fault of the caller's own is passed on as it is, whatever failed before it.
    """
    sent = [one for one in failures if REACTIONS[one.kind].sent]
    last = sent[-1] if sent else error
    if not REACTIONS[last.kind].try_next:
        return last
    return _exhausted(failures, last)


def _exhausted(failures: Sequence[ProviderError], last: ProviderError) -> AllAttemptsFailed:
    limited = {FailureKind.RATE_LIMITED, FailureKind.LIMITED}
    code = last.code
    if all(one.kind is FailureKind.LIMITED for one in failures):
        code = Code.RATE_LIMIT
    elif all(one.kind in limited for one in failures):
        code = Code.PROVIDER_RATE_LIMITED
    elif all(one.kind is FailureKind.CIRCUIT_OPEN for one in failures):
        code = Code.PROVIDER_CIRCUIT_OPEN
    waits = [wait for one in failures if (wait := _wait_asked_for(one)) is not None]
    message = (
        last.message if len(failures) == 1 else f"all {len(failures)} attempts failed; the last one: {last.message}"
    )
    if code is Code.RATE_LIMIT:
        # Nothing was attempted: each limit is named instead.
        message = "; ".join(dict.fromkeys(one.message for one in failures))
    return AllAttemptsFailed(code, message, last=last, retry_after=min(waits, default=None))


def _wait_asked_for(failure: ProviderError) -> float | None:
    if failure.retry_after is None and failure.kind is FailureKind.RATE_LIMITED:
        return DEFAULT_COOLDOWN
    return failure.retry_after
