"""The bracket around one attempt: reserve -> breaker -> call -> classify -> settle -> record.

It is a plain `with`: nothing in it waits, so the same bracket serves answers and streams, and is left in whichever
task the stream ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType

from app.catalog.tokens import estimate_tokens, tokens_of_bytes
from app.domain.attempt import Ask, AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.chat import Allowance, Call
from app.domain.embedding import EmbedCall
from app.domain.errors import REACTIONS, Code, Cooldown, FailureKind, OutcryError, ProviderError
from app.domain.kill import NO_STOPS, Kill, Stops
from app.domain.ports import Adapter, AttemptObserver
from app.domain.routing import Candidate
from app.domain.target import Target
from app.domain.usage import Usage, UsageSource, charge_of
from app.gateway.expected import expected_tokens
from app.gateway.final_error import DEFAULT_COOLDOWN
from app.ledger.spending import Hold, Shortfall
from app.providers.state import ProviderState, TargetState
from app.resilience.limits import Denial, Permit
from app.waiting import Waiting

log = logging.getLogger(__name__)

KEY_QUARANTINE = 300.0
LONGEST_COOLDOWN = 3600.0
LEAST_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Both clocks: `now` monotonic seconds for durations, `wall` UTC for the record."""

    now: Callable[[], float]
    wall: Callable[[], datetime]


class Attempt:
    """One attempt at one target, entered with `with`. Raises ProviderError (LIMITED, CIRCUIT_OPEN) when not admitted.

    Whoever makes the call reports what came back: `usage`, `length` (characters seen so far, for an estimate when the
    Whoever makes the call reports what came back: `usage`, `length` (characters seen so far, for an estimate when the
    provider never counts), `first_token` (seconds from `started`, which is monotonic). `is_partial`: the `usage` was
    counted before the answer's end. `is_outrun`: whoever cancels it does so because another attempt was faster.
    `hold` is what it holds of its budgets, or why it may not go out.
    Between its beginning and its end it is among what `stops` can end: the wait that was named last breaks off.
    """

    def __init__(
        self,
        ask: Ask,
        call: Call | EmbedCall,
        candidate: Candidate,
        *,
        ordinal: int,
        kind: AttemptKind,
        streamed: bool,
        provider: ProviderState,
        target: TargetState,
        observers: Sequence[AttemptObserver],
        clock: Clock,
        is_cut: bool,  # the deadline left less than the target's own timers
        permit: Permit | None = None,  # of one who has waited for it
        stops: Stops = NO_STOPS,
    ) -> None:
        self.ask = ask
        self.call = call
        self.candidate = candidate
        self.usage: Usage | None = None
        self.is_partial = False
        self.length = 0
        self.first_token: float | None = None
        self.record: AttemptRecord | None = None
        self.is_outrun = False
        self.hold: Hold | Shortfall | None = None
        self._ordinal = ordinal
        self.kind = kind
        self._streamed = streamed
        self._provider = provider
        self._state = target
        self._observers = observers
        self._clock = clock
        self._is_cut = is_cut
        self._permit = permit
        self._stops = stops
        self._stopped: ProviderError | None = None
        self._waiting: Waiting | None = None
        self.started = 0.0
        self._started_at = clock.wall()

    @property
    def adapter(self) -> Adapter:
        """Who speaks to this target."""
        return self._provider.adapter

    @property
    def agent_id(self) -> int | None:
        """Whose request it is for."""
        return self.ask.agent_id

    @property
    def target(self) -> Target:
        """Who is asked."""
        return self.candidate.target

    def retime(self, call: Call | EmbedCall, *, is_cut: bool) -> None:
        """It waited before it began: its timers are others by now."""
        self.call, self._is_cut = call, is_cut

    def waits_in(self, waiting: Waiting) -> None:
        """Where it waits from here on, for a stop to break off."""
        self._waiting = waiting
        if self._stopped is not None:
            waiting.break_off(self._stopped)

    def stop(self, kill: Kill) -> None:
        """An operator stopped this: the wait ends with a ProviderError (STOPPED)."""
        if self._stopped is None:
            self._stopped = ProviderError(FailureKind.STOPPED, kill.says())
            if self._waiting is not None:
                self._waiting.break_off(self._stopped)

    def __enter__(self) -> Attempt:
        now = self.started = self._clock.now()
        if self.hold is not None and isinstance(self.hold, Shortfall):
            self._refuse_for(self.hold)
        permit = self._permit or self._reserve(now)
        if isinstance(permit, Denial):
            self._refuse(FailureKind.LIMITED, permit.says(str(self.candidate.target)), permit.patience)
        elif not self._state.breaker.try_acquire(now):
            permit.refund(now)
            wait = self._state.breaker.retry_after(now)
            self._refuse(FailureKind.CIRCUIT_OPEN, f"the circuit of {self.candidate.target} is open", wait)
        else:
            self._permit = permit
            self._state.budget.record(now)
            self._state.last_used = now
            self._stops.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.record is not None:
            # Who was outrun, and would not let go, is settled before it has.
            return
        now = self._clock.now()
        match error:
            case None:
                self._state.breaker.succeeded(now, started=self.started)
                self._finish(AttemptOutcome.OK, now)
            case ProviderError():
                self._fail(error, now)
            case asyncio.CancelledError() | GeneratorExit():
                self._state.breaker.released(now, started=self.started)
                self._estimate()
                self._finish(AttemptOutcome.CANCELLED, now, code=self._why_cancelled())
            case OutcryError():
                self._state.breaker.released(now, started=self.started)
                self._estimate()
                self._finish(AttemptOutcome.ERROR, now, code=error.code, message=error.message)
            case _:
                self._state.breaker.released(now, started=self.started)
                self._finish(AttemptOutcome.ERROR, now, code=Code.INTERNAL, message=type(error).__name__)

    def settle(self) -> None:
        """Record it as cancelled, if it is not over: whoever waited for it to be closed waits no longer."""
        self.__exit__(asyncio.CancelledError, asyncio.CancelledError(), None)

    def allow(self, allowance: Allowance | None) -> None:
        """The provider said what is left of its limit: a target with nothing left is left alone until there is more."""
        if allowance is None:
            return
        self._state.allowance = allowance
        if 0 in (allowance.requests, allowance.tokens) and allowance.resets_after is not None:
            self._state.cool(self._clock.now() + min(allowance.resets_after, LONGEST_COOLDOWN))

    def answered(self, usage: Usage | None) -> Usage:
        """The answer is complete. Returns the usage it is billed by: what the provider counted, else our estimate."""
        self.usage = usage
        if usage is None:
            self._estimate()
        elif not usage.input_tokens:
            # No prompt is empty: a server that had this one cached left its count out.
            prompt = estimate_tokens(self.call.request.messages)
            self.usage = replace(usage, input_tokens=prompt, source=UsageSource.ESTIMATED)
        assert self.usage is not None  # noqa: S101 - _estimate always sets it
        return self.usage

    def _reserve(self, now: float) -> Permit | Denial:
        limits = self._provider.limits
        tokens = expected_tokens(self.call.request) if limits.counts_tokens else 0
        return limits.reserve(now, self._started_at, tokens=tokens, priority=self.ask.priority)

    def _leave_limits(self, permit: Permit, error: ProviderError, now: float) -> None:
        """What a failure took of the limits: nothing when nothing was sent, what was expected when nobody knows."""
        if error.kind is FailureKind.UNREACHABLE or not REACTIONS[error.kind].sent:
            permit.refund(now)
        elif self.usage is not None:
            permit.settle(self.usage.total_tokens, now)
        else:
            # A provider that said no counts no tokens; one that fell silent may have written a whole answer.
            permit.settle(0 if (error.upstream_status or 0) >= 400 else None, now)

    def forgo(self) -> None:
        """It is not going to be made: give back what was waited for."""
        if self._permit is not None:
            self._permit.refund(self._clock.now())

    def _refuse_for(self, shortfall: Shortfall) -> None:
        self.forgo()
        # A hedge that there is no money for leaves the attempt beside it alone.
        is_final = shortfall.is_final and self.kind is not AttemptKind.HEDGE
        self._refuse(FailureKind.BUDGET_SPENT if is_final else FailureKind.OVER_BUDGET, shortfall.message, None)

    def _refuse(self, kind: FailureKind, message: str, retry_after: float | None) -> None:
        failure = ProviderError(kind, message, retry_after=retry_after)
        self._finish(AttemptOutcome.SKIPPED, self._clock.now(), code=failure.code, message=message)
        raise failure

    def _fail(self, error: ProviderError, now: float) -> None:
        reaction = REACTIONS[error.kind]
        if reaction.breaks and not self._is_excused(error):
            self._state.breaker.failed(now, started=self.started)
        else:
            self._state.breaker.released(now, started=self.started)
        self._cool(error, reaction.cooldown, now)
        if self.usage is None:
            self.usage = error.usage
        if self.length or error is self._stopped:
            self._estimate()
        if self._permit is not None:
            self._leave_limits(self._permit, error, now)
        outcome = AttemptOutcome.ERROR if reaction.sent else AttemptOutcome.SKIPPED
        self._finish(outcome, now, code=error.code, message=error.message, upstream_status=error.upstream_status)

    def _cool(self, error: ProviderError, cooldown: Cooldown, now: float) -> None:
        match cooldown:
            case Cooldown.NONE:
                pass
            case Cooldown.TARGET:
                if error.retry_after is not None:
                    self._state.cool(now + min(error.retry_after, LONGEST_COOLDOWN))
                elif error.kind is FailureKind.RATE_LIMITED:
                    self._state.cool(now + DEFAULT_COOLDOWN)
            case Cooldown.CREDENTIAL:
                pause = max(error.retry_after or 0.0, KEY_QUARANTINE)
                self._provider.park(self.call.credential.id, now + min(pause, LONGEST_COOLDOWN))

    def _is_excused(self, error: ProviderError) -> bool:
        """Whether a timeout says more about the caller's deadline than about the target.

        It does when the target was given less time than its usual answer takes, or hardly any.
        """
        if error.kind is not FailureKind.TIMEOUT or not self._is_cut:
            return False
        usual = self._state.window.percentile(0.95, self._clock.now())
        return self.call.timeouts.total < (LEAST_PATIENCE if usual is None else usual)

    def _why_cancelled(self) -> Code | None:
        if self._stopped is not None:
            return self._stopped.code
        return None if self.is_outrun else Code.CANCELLED

    def _estimate(self) -> None:
        """Count by ourselves what the provider did not: the prompt, and what was seen of the answer."""
        if self.usage is None:
            prompt = estimate_tokens(self.call.request.messages)
            self.usage = Usage(prompt, tokens_of_bytes(self.length), source=UsageSource.ESTIMATED)
        elif self.is_partial and (said := tokens_of_bytes(self.length)) > self.usage.output_tokens:
            # Some count the prompt when they begin, and the answer at its end only.
            self.usage = replace(self.usage, output_tokens=said, source=UsageSource.ESTIMATED)

    def _finish(
        self,
        outcome: AttemptOutcome,
        now: float,
        *,
        code: Code | None = None,
        message: str | None = None,
        upstream_status: int | None = None,
    ) -> None:
        self._stops.leave(self)
        if self._permit is not None:
            self._permit.settle(None if self.usage is None else self.usage.total_tokens, now)
        charge = charge_of(self.usage, self.candidate.price, self._started_at.date())
        self.record = AttemptRecord(
            request_id=self.ask.request_id,
            ordinal=self._ordinal,
            target=self.candidate.target,
            kind=self.kind,
            outcome=outcome,
            started_at=self._started_at,
            duration=now - self.started,
            streamed=self._streamed,
            code=code,
            upstream_status=upstream_status,
            message=message,
            time_to_first_token=self.first_token,
            usage=self.usage,
            cost_usd=charge.cost_usd,
            price_source=charge.price_source,
            price_dated=charge.price_dated,
            credential_id=self.call.credential.id,
            agent_id=self.ask.agent_id,
            config_id=self.ask.config_id,
            decision_id=self.ask.decision_id,
            key_id=self.ask.caller.key_id,
            route=self.ask.route,
            symbol=self.ask.symbol,
            strategy=self.ask.strategy,
            variant=self.ask.variant,
            conversation=self.ask.conversation,
        )
        if self.hold is not None and isinstance(self.hold, Hold):
            self.hold.settle(self.record.cost_usd, 0 if self.usage is None else self.usage.total_tokens)
        for observer in self._observers:
            try:
                observer.attempt_finished(self.record)
            except Exception:
                log.exception("an observer failed", extra={"observer": type(observer).__name__})
