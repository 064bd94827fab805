"""One request at the response cache, and what it makes of a call that was not its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.domain.caching import CacheMode, CacheNote, CacheStatus
from app.domain.errors import Code, OutcryError
from app.gateway.flights import Flight
from app.gateway.journey import Journey

EVENTS: Final = b"events"
"""What the key of a stream in a provider's own words ends with."""

_OF_TIME: Final = frozenset((Code.PROVIDER_TIMEOUT, Code.DEADLINE_EXCEEDED))


@dataclass(slots=True)
class Visit:
    """One request at the cache. `key` is None for one that cannot be told from others; `failures` it has waited for."""

    journey: Journey
    mode: CacheMode
    key: bytes | None
    streamed: bool
    shares: bool
    failures: int = 0

    @property
    def flight_key(self) -> bytes | None:
        """Under which its call may be shared; a provider's own words are of one form only."""
        if not self.shares or self.key is None:
            return None
        return self.key + EVENTS if self.streamed and self.journey.ask.chat.native is not None else self.key

    @property
    def plan(self) -> object:
        """What a call of its own would try."""
        journey = self.journey
        return tuple(step.target for step in journey.itinerary.plan.steps), journey.ask.max_retries

    @property
    def note(self) -> CacheNote:
        """The label of an answer that was asked for."""
        return CacheNote(CacheStatus.MISS if self.mode.reads and self.key is not None else CacheStatus.BYPASS)

    def places(self) -> Iterator[bytes]:
        """Under which an answer of this form may be kept."""
        if self.key is not None:
            yield self.key
            if self.streamed:
                yield self.key + EVENTS


def befalls(visit: Visit, flight: Flight, error: OutcryError) -> bool:
    """Whether a call of its own would fail in the same way, as far as one can know.

    It would when the request itself was refused, and when a whole call was made since it came: who waits has seen the
    end of a call that was under way before it, and of one that was made after. Not where time was what was missing.
    """
    if visit.plan != flight.plan or (error.code in _OF_TIME and flight.deadline < visit.journey.ask.deadline):
        return False
    return error.status in (400, 413, 422) or visit.failures > 1


def twin(error: OutcryError) -> OutcryError:
    """The same error for somebody else: what one request makes of it is not the other's to see."""
    other: OutcryError = error.__class__.__new__(error.__class__, *error.args)
    other.__dict__.update(error.__dict__)
    return other
