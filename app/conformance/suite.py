"""Runs the checks against one configured provider, past its circuit, its limits and its cooldowns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from app.conformance.checks import CHECKS, CheckFailed, CheckSkipped
from app.conformance.report import CheckResult, Report, Status
from app.conformance.session import Session, Subject
from app.domain.chat import Timeouts
from app.domain.errors import Code, FailureKind, NotFound, ProviderError, RequestRejected, Violation
from app.domain.needs import FORCED_TOOLS, JSON_SCHEMA, TOOLS
from app.domain.ports import AttemptObserver
from app.domain.routing import Candidate
from app.domain.target import Target
from app.gateway.attempt import Clock
from app.ledger.spending import Spending
from app.providers.state import ProviderState


@dataclass(frozen=True, slots=True)
class ConformanceRules:
    """Bounds in seconds (`check`, `total`) and in tokens per answer; a model that thinks first needs more of them."""

    check: float = 60.0
    total: float = 240.0
    answer_tokens: int = 256
    reasoning_tokens: int = 2048


class Targets(Protocol):
    """What the suite needs to know of the configured providers."""

    def provider(self, name: str) -> ProviderState | None: ...
    def default_model(self, provider: str) -> str | None: ...
    def candidate(self, target: Target) -> Candidate: ...


_LEAST: Final = 0.01
_TIMERS: Final = Timeouts(connect=5.0, first_token=30.0, idle=20.0, total=45.0)
# A provider that is not there, refuses the key or lacks the model would fail every other check for the same reason.
_HOPELESS: Final = frozenset(
    {FailureKind.UNREACHABLE, FailureKind.AUTH, FailureKind.PERMISSION, FailureKind.MODEL_NOT_FOUND}
)


class ConformanceTests:
    """The suite over the providers in force. Its calls go on record, but never steer routing or health."""

    def __init__(
        self,
        targets: Targets,
        observers: Sequence[AttemptObserver],
        clock: Clock,
        rules: ConformanceRules = ConformanceRules(),
        *,
        spending: Spending | None = None,
    ) -> None:
        self._targets = targets
        self._observers = observers
        self._clock = clock
        self._rules = rules
        self._spending = spending

    async def run(
        self,
        provider: str,
        *,
        model: str | None = None,
        checks: Sequence[str] | None = None,
        request_id: str,
        key_id: str = "local",
    ) -> AsyncGenerator[CheckResult | Report]:
        """Each check as it ends, then the report. Raises NotFound and RequestRejected before the first check."""
        names = _chosen(checks)
        subject = await self._subject(provider, model)
        started_at, started = self._clock.wall(), self._clock.now()
        session = Session(
            subject, self._observers, self._clock, request_id=request_id, key_id=key_id, spending=self._spending
        )
        results: list[CheckResult] = []
        hopeless = ""
        for name in names:
            left = self._rules.total - (self._clock.now() - started)
            why_not = hopeless or ("" if left > _LEAST else f"the suite's {self._rules.total:g} s are over")
            if why_not:
                result = CheckResult(name, Status.SKIPPED, 0.0, why_not, Decimal(0))
            else:
                result, hopeless = await self._one(name, session, min(self._rules.check, left))
            results.append(result)
            yield result
        duration = self._clock.now() - started
        yield Report(provider, subject.type, subject.target.model, started_at, duration, tuple(results))

    async def _one(self, name: str, session: Session, seconds: float) -> tuple[CheckResult, str]:
        """A check's result, and why the following ones would be in vain."""
        session.begin()
        started = self._clock.now()
        hopeless, figures = "", {}
        try:
            async with asyncio.timeout(seconds):
                seen = await CHECKS[name](session)
            status, detail, figures = Status.PASSED, seen.detail, dict(seen.figures)
        except CheckFailed as error:
            status, detail = Status.FAILED, str(error)
        except CheckSkipped as error:
            status, detail = Status.SKIPPED, str(error)
        except ProviderError as error:
            unsupported = error.kind is FailureKind.UNSUPPORTED
            status, detail = Status.SKIPPED if unsupported else Status.FAILED, f"{error.kind}: {error.message}"
            hopeless = f"{name} failed with {error.kind}" if error.kind in _HOPELESS else ""
        except TimeoutError:
            status, detail = Status.FAILED, f"no end after {seconds:.3g} s"
        latency = self._clock.now() - started
        return CheckResult(name, status, latency, detail, session.cost, session.usage, figures), hopeless

    async def _subject(self, provider: str, model: str | None) -> Subject:
        state = self._targets.provider(provider)
        if state is None:
            raise NotFound(f"provider {provider[:64]!r} is not configured, or not on", code=Code.UNKNOWN_PROVIDER)
        chosen = model or self._targets.default_model(provider) or await _first_listed(state)
        candidate = self._targets.candidate(Target(provider, chosen))
        rules = self._rules
        return Subject(
            target=candidate.target,
            type=state.config.type.value,
            adapter=state.adapter,
            credential=candidate.credential,
            abilities=_abilities(candidate),
            price=candidate.price,
            parameters=state.config.parameters,
            timeouts=_TIMERS,
            answer_tokens=rules.reasoning_tokens if candidate.is_reasoning else rules.answer_tokens,
        )


async def _first_listed(state: ProviderState) -> str:
    """The first model that the provider itself names, where nobody else does."""
    try:
        listed = await state.adapter.models(state.credentials[0])
    except ProviderError as error:
        listed, reason = (), f"its own list could not be read: {error.message}"
    else:
        reason = "its own list is empty"
    if not listed:
        message = f"no model of {state.config.name} is known, and {reason}; name one"
        raise RequestRejected(Code.INVALID_FIELD, message, param="model", violations=[Violation("model", message)])
    return listed[0]


def _abilities(candidate: Candidate) -> frozenset[str]:
    """What the dialect has words for, without what the model is known not to do."""
    lacking = set() if candidate.capabilities is None else {TOOLS, JSON_SCHEMA} - candidate.capabilities
    if TOOLS in lacking:
        lacking.add(FORCED_TOOLS)
    return (candidate.dialect or frozenset()) - lacking


def _chosen(checks: Sequence[str] | None) -> list[str]:
    unknown = [name for name in checks or () if name not in CHECKS]
    if unknown:
        message = f"unknown check {unknown[0][:64]!r}: it must be among {', '.join(CHECKS)}"
        raise RequestRejected(Code.INVALID_FIELD, message, param="checks", violations=[Violation("checks", message)])
    return [name for name in CHECKS if not checks or name in checks]
