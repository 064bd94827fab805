"""What can go wrong, said once: a class per reaction, a kind per reason, a table per consequence.

OutcryError
├── RequestRejected      the caller's input is wrong (400, 413, 422)
├── NotAuthenticated     no or a wrong gateway key (401)
├── NotPermitted         the key may not do this (403)
├── NotFound             no such thing, or not for this caller (404, 405)
├── Conflict             the state of the thing forbids it (409)
├── BudgetExhausted      refused before a call because of money (402)
├── NotAdmitted          a limit, an open circuit, no target: nothing was sent (429, 503)
├── ProviderError        one attempt failed, for one FailureKind
├── AllAttemptsFailed    the plan is exhausted; carries the failure that decides
├── DeadlineExceeded     the caller's time is up (504)
└── StorageUnavailable   the database is away and the answer would need it (503)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from app.domain.target import Target
from app.domain.usage import Usage


class Code(StrEnum):
    """The closed list of error codes; the prefix says whose fault it is. The same value labels metrics and logs."""

    INVALID_JSON = "caller_invalid_json"
    INVALID_REQUEST = "caller_invalid_request"
    INVALID_HEADER = "caller_invalid_header"
    UNSUPPORTED_PARAMETER = "caller_unsupported_parameter"
    CONTEXT_LENGTH = "context_length_exceeded"
    CONTENT_FILTER = "content_filter"
    UNAUTHENTICATED = "caller_unauthenticated"
    NOT_PERMITTED = "caller_not_permitted"
    FOREIGN_ORIGIN = "caller_foreign_origin"
    BUDGET_EXCEEDED = "policy_budget_exceeded"
    UNPRICED_MODEL = "policy_unpriced_model"
    MODEL_NOT_FOUND = "model_not_found"
    UNKNOWN_AGENT = "caller_unknown_agent"
    UNKNOWN_PROVIDER = "caller_unknown_provider"
    NOT_FOUND = "caller_not_found"
    METHOD_NOT_ALLOWED = "caller_method_not_allowed"
    REPLAY_MISS = "caller_replay_miss"
    IDEMPOTENCY_IN_PROGRESS = "caller_idempotency_in_progress"
    IDEMPOTENCY_UNKNOWN_OUTCOME = "caller_idempotency_unknown_outcome"
    CONFLICT = "caller_conflict"
    TOO_LARGE = "caller_too_large"
    INVALID_FIELD = "caller_invalid_field"
    IDEMPOTENCY_MISMATCH = "caller_idempotency_mismatch"
    CONTAMINATED = "policy_contaminated"
    RATE_LIMIT = "policy_rate_limit"
    PROVIDER_RATE_LIMITED = "provider_rate_limited"
    CANCELLED = "caller_cancelled"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    PROVIDER_AUTH_FAILED = "provider_auth_failed"
    PROVIDER_QUOTA_EXHAUSTED = "provider_quota_exhausted"
    PROVIDER_ERROR = "provider_error"
    PROVIDER_BAD_ANSWER = "provider_bad_answer"
    PROVIDER_STREAM_TRUNCATED = "provider_stream_truncated"
    ALL_ATTEMPTS_FAILED = "all_attempts_failed"
    PROVIDER_OVERLOADED = "provider_overloaded"
    PROVIDER_CIRCUIT_OPEN = "provider_circuit_open"
    NO_TARGET = "gateway_no_target"
    OVERLOADED = "gateway_overloaded"
    STORAGE_UNAVAILABLE = "gateway_storage_unavailable"
    SHUTTING_DOWN = "gateway_shutting_down"
    KILLED = "policy_killed"
    PROVIDER_TIMEOUT = "provider_timeout"
    DEADLINE_EXCEEDED = "gateway_deadline_exceeded"
    INTERNAL = "gateway_internal"


class ErrorType(StrEnum):
    """OpenAI's coarse `type` of an error body."""

    INVALID_REQUEST = "invalid_request_error"
    AUTHENTICATION = "authentication_error"
    PERMISSION = "permission_error"
    NOT_FOUND = "not_found_error"
    CONFLICT = "conflict_error"
    RATE_LIMIT = "rate_limit_error"
    INSUFFICIENT_QUOTA = "insufficient_quota"
    UPSTREAM = "upstream_error"
    TIMEOUT = "timeout_error"
    SERVER = "server_error"


@dataclass(frozen=True, slots=True)
class Consequence:
    """HTTP status and coarse type of one code."""

    status: int
    type: ErrorType


CONSEQUENCES: Final[Mapping[Code, Consequence]] = {
    Code.INVALID_JSON: Consequence(400, ErrorType.INVALID_REQUEST),
    Code.INVALID_REQUEST: Consequence(400, ErrorType.INVALID_REQUEST),
    Code.INVALID_HEADER: Consequence(400, ErrorType.INVALID_REQUEST),
    Code.UNSUPPORTED_PARAMETER: Consequence(400, ErrorType.INVALID_REQUEST),
    Code.CONTEXT_LENGTH: Consequence(400, ErrorType.INVALID_REQUEST),
    Code.CONTENT_FILTER: Consequence(400, ErrorType.INVALID_REQUEST),
    Code.UNAUTHENTICATED: Consequence(401, ErrorType.AUTHENTICATION),
    Code.NOT_PERMITTED: Consequence(403, ErrorType.PERMISSION),
    Code.FOREIGN_ORIGIN: Consequence(403, ErrorType.PERMISSION),
    Code.BUDGET_EXCEEDED: Consequence(402, ErrorType.INSUFFICIENT_QUOTA),
    Code.UNPRICED_MODEL: Consequence(402, ErrorType.INSUFFICIENT_QUOTA),
    Code.MODEL_NOT_FOUND: Consequence(404, ErrorType.NOT_FOUND),
    Code.UNKNOWN_AGENT: Consequence(404, ErrorType.NOT_FOUND),
    Code.UNKNOWN_PROVIDER: Consequence(404, ErrorType.NOT_FOUND),
    Code.NOT_FOUND: Consequence(404, ErrorType.NOT_FOUND),
    Code.METHOD_NOT_ALLOWED: Consequence(405, ErrorType.INVALID_REQUEST),
    Code.REPLAY_MISS: Consequence(409, ErrorType.CONFLICT),
    Code.IDEMPOTENCY_IN_PROGRESS: Consequence(409, ErrorType.CONFLICT),
    Code.IDEMPOTENCY_UNKNOWN_OUTCOME: Consequence(409, ErrorType.CONFLICT),
    Code.CONFLICT: Consequence(409, ErrorType.CONFLICT),
    Code.TOO_LARGE: Consequence(413, ErrorType.INVALID_REQUEST),
    Code.INVALID_FIELD: Consequence(422, ErrorType.INVALID_REQUEST),
    Code.IDEMPOTENCY_MISMATCH: Consequence(422, ErrorType.INVALID_REQUEST),
    Code.CONTAMINATED: Consequence(422, ErrorType.INVALID_REQUEST),
    Code.RATE_LIMIT: Consequence(429, ErrorType.RATE_LIMIT),
    Code.PROVIDER_RATE_LIMITED: Consequence(429, ErrorType.RATE_LIMIT),
    Code.CANCELLED: Consequence(499, ErrorType.INVALID_REQUEST),
    Code.PROVIDER_UNREACHABLE: Consequence(502, ErrorType.UPSTREAM),
    Code.PROVIDER_AUTH_FAILED: Consequence(502, ErrorType.UPSTREAM),
    Code.PROVIDER_QUOTA_EXHAUSTED: Consequence(502, ErrorType.UPSTREAM),
    Code.PROVIDER_ERROR: Consequence(502, ErrorType.UPSTREAM),
    Code.PROVIDER_BAD_ANSWER: Consequence(502, ErrorType.UPSTREAM),
    Code.PROVIDER_STREAM_TRUNCATED: Consequence(502, ErrorType.UPSTREAM),
    Code.ALL_ATTEMPTS_FAILED: Consequence(502, ErrorType.UPSTREAM),
    Code.PROVIDER_OVERLOADED: Consequence(503, ErrorType.UPSTREAM),
    Code.PROVIDER_CIRCUIT_OPEN: Consequence(503, ErrorType.UPSTREAM),
    Code.NO_TARGET: Consequence(503, ErrorType.SERVER),
    Code.OVERLOADED: Consequence(503, ErrorType.SERVER),
    Code.STORAGE_UNAVAILABLE: Consequence(503, ErrorType.SERVER),
    Code.SHUTTING_DOWN: Consequence(503, ErrorType.SERVER),
    Code.KILLED: Consequence(503, ErrorType.SERVER),
    Code.PROVIDER_TIMEOUT: Consequence(504, ErrorType.TIMEOUT),
    Code.DEADLINE_EXCEEDED: Consequence(504, ErrorType.TIMEOUT),
    Code.INTERNAL: Consequence(500, ErrorType.SERVER),
}


class FailureKind(StrEnum):
    """Why one attempt failed."""

    AUTH = "auth"
    PERMISSION = "permission"
    MODEL_NOT_FOUND = "model_not_found"
    BAD_REQUEST = "bad_request"
    CONTEXT_LENGTH = "context_length"
    CONTENT_POLICY = "content_policy"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONFLICT = "conflict"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BAD_ANSWER = "bad_answer"
    STREAM_TRUNCATED = "stream_truncated"
    UNSUPPORTED = "unsupported"
    CROWDED = "crowded"
    LIMITED = "limited"
    CIRCUIT_OPEN = "circuit_open"
    OVER_BUDGET = "over_budget"
    BUDGET_SPENT = "budget_spent"
    CANCELLED = "cancelled"
    STOPPED = "stopped"


class Cooldown(StrEnum):
    """What a failure pauses, beyond the breaker."""

    NONE = "none"
    TARGET = "target"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the walk does about one kind of failure.

    `breaks`: it counts against the breaker. `retry_same`, `try_next`: whether the same or another target may help.
    `larger_window_only`: another target helps only if it takes a longer prompt.
    `sent`: whether the attempt reached the provider; one that did not is no attempt in `max_retries`.
    """

    code: Code
    breaks: bool = False
    retry_same: bool = False
    try_next: bool = False
    cooldown: Cooldown = Cooldown.NONE
    larger_window_only: bool = False
    sent: bool = True


# Quota stands apart from rate limit: an empty balance does not refill within a retry.
REACTIONS: Final[Mapping[FailureKind, Reaction]] = {
    FailureKind.AUTH: Reaction(Code.PROVIDER_AUTH_FAILED, try_next=True, cooldown=Cooldown.CREDENTIAL),
    FailureKind.PERMISSION: Reaction(Code.PROVIDER_AUTH_FAILED, try_next=True, cooldown=Cooldown.CREDENTIAL),
    FailureKind.MODEL_NOT_FOUND: Reaction(Code.MODEL_NOT_FOUND, try_next=True),
    FailureKind.BAD_REQUEST: Reaction(Code.INVALID_REQUEST),
    FailureKind.CONTEXT_LENGTH: Reaction(Code.CONTEXT_LENGTH, try_next=True, larger_window_only=True),
    FailureKind.CONTENT_POLICY: Reaction(Code.CONTENT_FILTER),
    FailureKind.PAYLOAD_TOO_LARGE: Reaction(Code.INVALID_REQUEST),
    FailureKind.RATE_LIMITED: Reaction(
        Code.PROVIDER_RATE_LIMITED, retry_same=True, try_next=True, cooldown=Cooldown.TARGET
    ),
    FailureKind.QUOTA_EXHAUSTED: Reaction(Code.PROVIDER_QUOTA_EXHAUSTED, try_next=True, cooldown=Cooldown.CREDENTIAL),
    FailureKind.OVERLOADED: Reaction(
        Code.PROVIDER_OVERLOADED, breaks=True, retry_same=True, try_next=True, cooldown=Cooldown.TARGET
    ),
    FailureKind.SERVER_ERROR: Reaction(Code.PROVIDER_ERROR, breaks=True, retry_same=True, try_next=True),
    FailureKind.CONFLICT: Reaction(Code.PROVIDER_ERROR, retry_same=True, try_next=True),
    FailureKind.TIMEOUT: Reaction(Code.PROVIDER_TIMEOUT, breaks=True, retry_same=True, try_next=True),
    FailureKind.UNREACHABLE: Reaction(Code.PROVIDER_UNREACHABLE, breaks=True, retry_same=True, try_next=True),
    FailureKind.BAD_ANSWER: Reaction(Code.PROVIDER_BAD_ANSWER, breaks=True, retry_same=True, try_next=True),
    FailureKind.STREAM_TRUNCATED: Reaction(Code.PROVIDER_STREAM_TRUNCATED, breaks=True, retry_same=True, try_next=True),
    # The dialect has no words for it; nothing was sent, and another dialect may have them.
    FailureKind.UNSUPPORTED: Reaction(Code.UNSUPPORTED_PARAMETER, try_next=True, sent=False),
    # All connections of ours to that host are in use: this says nothing about the provider.
    FailureKind.CROWDED: Reaction(Code.OVERLOADED, try_next=True, sent=False),
    FailureKind.LIMITED: Reaction(Code.RATE_LIMIT, try_next=True, sent=False),
    FailureKind.CIRCUIT_OPEN: Reaction(Code.PROVIDER_CIRCUIT_OPEN, try_next=True, sent=False),
    # A provider's budget, or one that lets requests go to cheaper targets; the other kind ends the request.
    FailureKind.OVER_BUDGET: Reaction(Code.BUDGET_EXCEEDED, try_next=True, sent=False),
    FailureKind.BUDGET_SPENT: Reaction(Code.BUDGET_EXCEEDED, sent=False),
    FailureKind.CANCELLED: Reaction(Code.CANCELLED),
    # An operator stopped it while it was under way; a stopped model leaves the others.
    FailureKind.STOPPED: Reaction(Code.KILLED, try_next=True),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a body: a dotted path and what was expected there."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Trail:
    """What the gateway had done when an error ended a request, or a stream was committed: for headers and the record.

    `target` is the last one tried; `is_final` tells the caller not to repeat the request by itself;
    `overhead` is the seconds that the gateway itself took. `is_live`: providers were asked, for a run that is recorded.
    `cost_usd` is what the attempts cost in dollars, None for unknown, and where nothing was billed.
    """

    target: Target | None = None
    attempts: int = 0
    is_fallback: bool = False
    is_final: bool = False
    has_plan: bool = False
    overhead: float = 0.0
    is_live: bool = False
    cost_usd: Decimal | None = None


class OutcryError(Exception):
    """An error with a place in the contract; `message` is a lower-case fact without any key."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.violations = tuple(violations)
        self.trail = Trail()

    @property
    def status(self) -> int:
        """The HTTP status this error answers with."""
        return CONSEQUENCES[self.code].status


class RequestRejected(OutcryError):
    """The caller's input is wrong; saying it again would not help."""


class NotAuthenticated(OutcryError):
    """No gateway key, or one we do not know."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.UNAUTHENTICATED, message)


class NotPermitted(OutcryError):
    """The caller is known and may not do this."""

    def __init__(self, message: str, *, code: Code = Code.NOT_PERMITTED) -> None:
        super().__init__(code, message)


class NotFound(OutcryError):
    """No such thing, or not for this caller."""

    def __init__(self, message: str, *, code: Code = Code.NOT_FOUND, param: str | None = None) -> None:
        super().__init__(code, message, param=param)


class Conflict(OutcryError):
    """The state of the thing forbids it."""

    def __init__(
        self,
        message: str,
        *,
        code: Code = Code.CONFLICT,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, message, param=param, retry_after=retry_after)


class BudgetExhausted(OutcryError):
    """Refused before anything was sent, because of money."""


class NotAdmitted(OutcryError):
    """Nothing was sent: a limit, an open circuit, no target, or the gateway itself is busy or leaving."""


class StorageUnavailable(OutcryError):
    """The database is away and this answer would need it."""

    def __init__(self, message: str, *, retry_after: float | None = 1.0) -> None:
        super().__init__(Code.STORAGE_UNAVAILABLE, message, retry_after=retry_after)


class RunUnread(StorageUnavailable):
    """What a run holds cannot be read now, so that nobody can say what was answered."""


class DeadlineExceeded(OutcryError):
    """The caller's deadline passed before an answer was there."""

    def __init__(self, message: str = "the deadline passed before any target answered") -> None:
        super().__init__(Code.DEADLINE_EXCEEDED, message)


class ProviderError(OutcryError):
    """One attempt failed.

    `upstream_status` is the provider's HTTP status, where one arrived; `retry_after` seconds the provider asked for;
    `should_retry` the provider's own word on it (`x-should-retry`), which overrides the table. `usage` is what the
    provider counted all the same.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        upstream_status: int | None = None,
        retry_after: float | None = None,
        param: str | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(REACTIONS[kind].code, message, param=param, retry_after=retry_after)
        self.kind = kind
        self.upstream_status = upstream_status
        self.should_retry = should_retry
        self.usage: Usage | None = None

    @property
    def status(self) -> int:
        """The caller's status: a provider's own 400, 413 or 422 is passed on, everything else follows the code."""
        passed_on = self.kind in (FailureKind.BAD_REQUEST, FailureKind.PAYLOAD_TOO_LARGE)
        if passed_on and self.upstream_status in (400, 413, 422):
            return self.upstream_status
        return CONSEQUENCES[self.code].status


class AllAttemptsFailed(OutcryError):
    """The plan is exhausted. `last` is the failure that decides the answer."""

    def __init__(self, code: Code, message: str, *, last: ProviderError, retry_after: float | None = None) -> None:
        super().__init__(code, message, param=last.param, retry_after=retry_after)
        self.last = last

    @property
    def status(self) -> int:
        """The deciding failure's status, unless the attempts as a whole say something else."""
        return self.last.status if self.code is self.last.code else CONSEQUENCES[self.code].status
