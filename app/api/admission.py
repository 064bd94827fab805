"""Letting a caller's request in by the limits of its key and its agent, and counting what it took."""

from __future__ import annotations

from types import TracebackType

from app.api.exchange import Exchange
from app.domain.attempt import Ask
from app.domain.errors import OutcryError
from app.domain.replay import Replay
from app.domain.routing import Priority
from app.gateway.admission import Admitted
from app.gateway.expected import expected_tokens


class Admission:
    """While this lasts the request is counted against its caller's limits; whoever is inside sets `tokens`.

    Entering raises NotAdmitted (policy_rate_limit) when a limit of the key or the agent says no. A request for which
    no provider was asked counts for nothing, and one that will ask none (`is_free`) is not held up. `expected` are the
    tokens reserved meanwhile, `deadline` is monotonic.
    """

    __slots__ = ("_admitted", "_agent_id", "_deadline", "_exchange", "_expected", "_is_free", "_priority", "tokens")

    def __init__(
        self,
        exchange: Exchange,
        *,
        agent_id: int | None,
        expected: int,
        priority: Priority,
        deadline: float,
        is_free: bool = False,
    ) -> None:
        self.tokens: int | None = None
        """What it took in the end; None while nobody knows, and then what was expected stands."""
        self._exchange = exchange
        self._agent_id = agent_id
        self._expected = expected
        self._priority = priority
        self._deadline = deadline
        self._is_free = is_free
        self._admitted: Admitted | None = None

    @classmethod
    def of(cls, exchange: Exchange, ask: Ask) -> Admission:
        """That of one completion or embedding."""
        expected = 0 if exchange.services.admission.is_open else expected_tokens(ask.request)
        return cls(
            exchange,
            agent_id=agent_of(ask),
            expected=expected,
            priority=ask.priority,
            deadline=ask.deadline,
            is_free=is_replay(ask.replay),
        )

    async def __aenter__(self) -> Admission:
        admission = self._exchange.services.admission
        if not admission.is_open and not self._is_free:
            self._admitted = await admission.admit(
                self._exchange.caller.key_id,
                self._agent_id,
                tokens=self._expected,
                priority=self._priority,
                deadline=self._deadline,
            )
        return self

    def forget(self) -> None:
        """The answer was there already, or on its way for somebody else: the request counts for nothing."""
        if self._admitted is not None:
            self._admitted.refund()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._admitted is None:
            return
        if isinstance(error, OutcryError) and not error.trail.attempts:
            self._admitted.refund()
        self._admitted.settle(self.tokens)


def is_replay(replay: Replay | None) -> bool:
    """Whether a request asks no provider, whatever comes."""
    return replay is not None and not replay.mode.may_go_live


def agent_of(ask: Ask) -> int | None:
    """The agent that an ask names; whether there is such a one, planning finds out."""
    kind, _, number = ask.model.partition(":")
    if kind == "agent" and number.isascii() and number.isdigit() and len(number) <= 18:
        return int(number)
    return ask.agent_id
