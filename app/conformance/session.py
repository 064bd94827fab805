"""The calls of one check: made through the adapter alone, timed, counted and put on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from app.catalog.tokens import estimate_tokens, tokens_of_bytes
from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.chat import JSON, Call, ChatRequest, ChatResponse, Credential, Timeouts
from app.domain.errors import BudgetExhausted, Code, OutcryError, ProviderError
from app.domain.ports import Adapter, AttemptObserver
from app.domain.routing import Candidate
from app.domain.target import Target
from app.domain.usage import PriceCard, Usage, UsageSource, charge_of, summed
from app.gateway.attempt import Clock
from app.gateway.expected import expected_spend
from app.ledger.spending import Hold, Payer, Shortfall, Spending

ROUTE: Final = "conformance"
"""The route under which the calls stand in the usage records."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is tested, and with what. `abilities` is what dialect and catalog say that the model can do.

    `parameters` are the provider's own defaults; `answer_tokens` bounds each answer, and so the bill.
    """

    target: Target
    type: str
    adapter: Adapter
    credential: Credential
    abilities: frozenset[str]
    price: PriceCard | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts()
    answer_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Streamed:
    """A stream that was read to its end. Durations are seconds from the request."""

    text: str
    pieces: int
    finish_reason: str | None
    usage: Usage | None
    first_token: float | None
    duration: float


class Session:
    """One run's calls. `usage` and `cost` are of the calls since `begin`; `cost` None is unknown."""

    def __init__(
        self,
        subject: Subject,
        observers: Sequence[AttemptObserver],
        clock: Clock,
        *,
        request_id: str,
        key_id: str,
        spending: Spending | None = None,
    ) -> None:
        self.subject = subject
        self.usage = Usage()
        self.cost: Decimal | None = Decimal(0)
        self.clock = clock
        self._observers = observers
        self._request_id = request_id
        self._key_id = key_id
        self._spending = spending
        self._calls = 0
        self._whole: ChatResponse | None = None
        self._streamed: Streamed | None = None

    def begin(self) -> None:
        """Another check begins: count from nothing."""
        self.usage, self.cost = Usage(), Decimal(0)

    async def whole(self, messages: Sequence[JSON]) -> ChatResponse:
        """The answer to the plain question; asked once, however many checks look at it."""
        if self._whole is None:
            self._whole = await self.complete(messages)
        return self._whole

    async def streamed(self, messages: Sequence[JSON]) -> Streamed:
        """The same as a stream; read once."""
        if self._streamed is None:
            self._streamed = await self.stream(messages)
        return self._streamed

    async def complete(
        self,
        messages: Sequence[JSON],
        parameters: Mapping[str, Any] = MappingProxyType({}),
        *,
        model: str | None = None,
        credential: Credential | None = None,
    ) -> ChatResponse:
        """One whole answer."""
        call = self._call(messages, parameters, model=model, credential=credential)
        noted = _Noted(self, call, streamed=False)
        async with noted:
            response = await self.subject.adapter.complete(call)
            noted.usage = response.usage
        return response

    async def stream(self, messages: Sequence[JSON]) -> Streamed:
        """One stream, read to its end."""
        call = self._call(messages, {})
        noted = _Noted(self, call, streamed=True)
        text: list[str] = []
        finish: str | None = None
        async with noted, self.subject.adapter.stream(call) as chunks:
            async for chunk in chunks:
                noted.usage = chunk.usage or noted.usage
                finish = chunk.finish_reason or finish
                if chunk.carries and noted.first_token is None:
                    noted.first_token = noted.elapsed()
                text += [delta for delta in (_said(choice) for choice in chunk.chunk.get("choices") or ()) if delta]
        return Streamed("".join(text), len(text), finish, noted.usage, noted.first_token, noted.elapsed())

    async def leave_stream(self, messages: Sequence[JSON]) -> float:
        """Read a stream up to its first content and leave; returns how many seconds leaving took."""
        call = self._call(messages, {})
        async with _Noted(self, call, streamed=True, leaves=True) as noted:
            async with self.subject.adapter.stream(call) as chunks:
                async for chunk in chunks:
                    if chunk.carries:
                        # Nobody counts what is left in the middle, and it is billed all the same.
                        seen = tokens_of_bytes(chunk.length)
                        noted.usage = Usage(estimate_tokens(messages), seen, source=UsageSource.ESTIMATED)
                        noted.first_token = noted.elapsed()
                        break
                leaving = self.clock.now()
            return self.clock.now() - leaving

    async def reserve(self, call: Call) -> Hold | None:
        """What the call may cost, of every budget it falls under. Raises BudgetExhausted when one has no room."""
        if self._spending is None or not self._spending.is_set:
            return None
        subject = self.subject
        payer = Payer(subject.target.provider, self._key_id, None)
        candidate = Candidate(subject.target, call.credential, price=subject.price)
        hold = await self._spending.reserve(payer, expected_spend(call.request, candidate))
        if isinstance(hold, Shortfall):
            raise BudgetExhausted(Code.BUDGET_EXCEEDED, hold.message)
        return hold

    def finished(self, record: AttemptRecord) -> None:
        """Count a call, and tell those who keep the records."""
        usage = record.usage
        if usage is not None:
            self.usage = replace(
                self.usage,
                input_tokens=self.usage.input_tokens + usage.input_tokens,
                output_tokens=self.usage.output_tokens + usage.output_tokens,
            )
        if record.cost_usd is not None or record.is_unpriced:
            self.cost = summed((self.cost, record.cost_usd))
        for observer in self._observers:
            observer.attempt_finished(record)

    def record(self, call: Call, noted: _Noted, outcome: AttemptOutcome, error: BaseException | None) -> AttemptRecord:
        """What one call was, for the usage records."""
        self._calls += 1
        charge = charge_of(noted.usage, self.subject.price, noted.started_at.date())
        return AttemptRecord(
            request_id=self._request_id,
            ordinal=self._calls,
            target=Target(self.subject.target.provider, call.model),
            kind=AttemptKind.FIRST,
            outcome=outcome,
            started_at=noted.started_at,
            duration=noted.elapsed(),
            streamed=noted.streamed,
            code=error.code if isinstance(error, OutcryError) else None,
            upstream_status=error.upstream_status if isinstance(error, ProviderError) else None,
            message=error.message if isinstance(error, OutcryError) else None,
            time_to_first_token=noted.first_token,
            usage=noted.usage,
            cost_usd=charge.cost_usd,
            price_source=charge.price_source,
            price_dated=charge.price_dated,
            credential_id=call.credential.id,
            key_id=self._key_id,
            route=ROUTE,
        )

    def _call(
        self,
        messages: Sequence[JSON],
        parameters: Mapping[str, Any],
        *,
        model: str | None = None,
        credential: Credential | None = None,
    ) -> Call:
        subject = self.subject
        merged = {**subject.parameters, "max_tokens": subject.answer_tokens, **parameters}
        return Call(
            model=model or subject.target.model,
            request=ChatRequest(messages, merged),
            timeouts=subject.timeouts,
            credential=credential or subject.credential,
            request_id=self._request_id,
        )


class _Noted:
    """Notes one call, whichever way it ends."""

    def __init__(self, session: Session, call: Call, *, streamed: bool, leaves: bool = False) -> None:
        self.usage: Usage | None = None
        self.first_token: float | None = None
        self.streamed = streamed
        self.started_at = session.clock.wall()
        self._leaves = leaves
        self._session = session
        self._call = call
        self._started = session.clock.now()
        self._hold: Hold | None = None

    def elapsed(self) -> float:
        """Seconds since the call began."""
        return self._session.clock.now() - self._started

    async def __aenter__(self) -> _Noted:
        self._hold = await self._session.reserve(self._call)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        outcome = AttemptOutcome.CANCELLED if self._leaves else AttemptOutcome.OK
        if isinstance(error, ProviderError):
            outcome = AttemptOutcome.SKIPPED if error.code is Code.UNSUPPORTED_PARAMETER else AttemptOutcome.ERROR
        elif error is not None:
            outcome = AttemptOutcome.CANCELLED
        record = self._session.record(self._call, self, outcome, error)
        if self._hold is not None:
            self._hold.settle(record.cost_usd, 0 if record.usage is None else record.usage.total_tokens)
        self._session.finished(record)


def _said(choice: JSON) -> str:
    delta = choice.get("delta") or {}
    content = delta.get("content")
    return content if isinstance(content, str) else ""
