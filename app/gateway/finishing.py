"""What an attempt brought back, and what its caller gets of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import anyio

from app.domain.attempt import Completion, EmbeddingCompletion, spent_on
from app.domain.chat import ChatChunk, ChatResponse
from app.domain.embedding import Embeddings
from app.domain.frozen import frozen
from app.domain.usage import Usage
from app.gateway.attempt import Attempt, Clock
from app.gateway.journey import Journey
from app.gateway.rendition import Rendition
from app.gateway.stream import CompletionStream


class Made(Protocol):
    """What a finished or committed attempt left."""

    async def abandon(self) -> None:
        """Let go of it: another attempt was faster."""
        ...


@frozen
class Answered:
    """A whole answer; its attempt is over and recorded."""

    attempt: Attempt
    response: ChatResponse
    usage: Usage
    rendition: Rendition

    async def abandon(self) -> None:
        """Nothing is held."""

    def completion(self, journey: Journey, clock: Clock) -> Completion:
        """The answer with its way."""
        now = clock.now()
        return Completion(
            response=self.response,
            target=self.attempt.candidate.target,
            plan=journey.itinerary.plan,
            attempts=tuple(journey.records),
            latency=now - journey.arrived,
            overhead=journey.overhead(now),
            usage=self.usage,
            cost_usd=spent_on(journey.records),
            warnings=(
                *journey.itinerary.warnings_for(self.attempt.candidate),
                *self.rendition.warnings,
                *self.response.warnings,
            ),
            rung=self.rendition.rung,
        )


@dataclass(frozen=True, slots=True)
class Embedded:
    """One vector per input; its attempt is over and recorded."""

    attempt: Attempt
    response: Embeddings
    usage: Usage

    async def abandon(self) -> None:
        """Nothing is held."""

    def completion(self, journey: Journey, clock: Clock) -> EmbeddingCompletion:
        """The vectors with their way."""
        now = clock.now()
        return EmbeddingCompletion(
            response=self.response,
            target=self.attempt.candidate.target,
            plan=journey.itinerary.plan,
            attempts=tuple(journey.records),
            latency=now - journey.arrived,
            overhead=journey.overhead(now),
            usage=self.usage,
            cost_usd=spent_on(journey.records),
            warnings=(*journey.itinerary.warnings_for(self.attempt.candidate), *self.response.warnings),
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream that has committed; its attempt is under way until the stack is left."""

    attempt: Attempt
    opening: Sequence[ChatChunk]
    chunks: AsyncIterator[ChatChunk]
    stack: AsyncExitStack
    rendition: Rendition

    async def abandon(self) -> None:
        """Close the upstream, at most a second long; this records a cancelled attempt."""
        with anyio.move_on_after(1, shield=True):
            await self.stack.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None)

    def stream(self, journey: Journey, clock: Clock) -> CompletionStream:
        """The stream for its caller, who closes it."""
        now = clock.now()
        return CompletionStream(
            self.opening,
            self.chunks,
            self.stack,
            self.attempt,
            plan=journey.itinerary.plan,
            warnings=(*journey.itinerary.warnings_for(self.attempt.candidate), *self.rendition.warnings),
            rung=self.rendition.rung,
            trail=journey.trail(now, under_way=1),
            earlier=journey.records,
            overhead=journey.overhead(now - (self.attempt.first_token or 0.0)),
            deadline=journey.ask.deadline,
            now=clock.now,
            arrived=journey.arrived,
        )
