"""Keeps watch over the record: draws up checkpoints, has everything checked, puts bundles together."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

import anyio

from app.domain.audit import Checkpoint, Findings, Head
from app.domain.errors import Conflict, NotFound, StorageUnavailable
from app.ledger.bundle import Shelf, bundle, shown
from app.ledger.checkpoints import Signer, drawn_up
from app.ledger.words import Words

log = logging.getLogger(__name__)

_LOOK: Final = 1.0
_LAST_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class AuditRules:
    """A checkpoint is drawn up after so many seconds, or sooner after so many entries."""

    checkpoint_seconds: float = 60.0
    checkpoint_entries: int = 1_000


class Checkpoints(Protocol):
    """Where checkpoints are kept. `add` raises Conflict when another process was faster, and StorageUnavailable."""

    async def add(self, draw_up: Callable[[Sequence[Head], Checkpoint | None], Checkpoint]) -> Checkpoint | None: ...


class Record(Shelf, Protocol):
    """Where the record is read. Raises StorageUnavailable."""

    async def checkpoints(self, past: int, limit: int) -> Sequence[Checkpoint]: ...


class Auditor:
    """The watch over the record.

    `check` goes through all of it; `appended` is how many entries this process has put on it so far.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        record: Record,
        check: Callable[[], Awaitable[Findings]],
        *,
        appended: Callable[[], int],
        signer: Signer | None,
        words: Words,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        rules: AuditRules = AuditRules(),
    ) -> None:
        self._checkpoints = checkpoints
        self._record = record
        self._check = check
        self._appended = appended
        self._signer = signer
        self._words = words
        self._now = now
        self._wall = wall
        self._rules = rules
        self._covered: int | None = None
        self._drawn_at = now()
        self._is_checking = False

    @property
    def public_key(self) -> str | None:
        """What checkpoints are checked with, 64 hex digits; None while they are not signed."""
        return None if self._signer is None else self._signer.public_key

    async def run(self) -> None:
        """Draw up checkpoints until cancelled; the first one at once, over what processes left that are gone."""
        if self._signer is None:
            log.warning("checkpoints of the record are not signed: OUTCRY_SIGNING_KEY is not set")
        while True:
            if self._is_due():
                await self.seal()
            await anyio.sleep(_LOOK)

    async def seal(self) -> None:
        """Draw up a checkpoint if there is anything new. What the database does not take now, the next one covers."""
        appended, self._drawn_at = self._appended(), self._now()
        draw_up = partial(drawn_up, at=f"{self._wall().astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", signer=self._signer)
        try:
            await self._checkpoints.add(draw_up)
        except Conflict:
            # Another process was faster; it may not have seen all of ours.
            return
        except StorageUnavailable as error:
            log.warning("no checkpoint of the record", extra={"reason": error.message})
            return
        self._covered = appended

    async def close(self) -> None:
        """The last checkpoint of this process; bounded."""
        if self._covered != self._appended():
            with anyio.move_on_after(_LAST_SECONDS, shield=True):
                await self.seal()

    async def verify(self) -> Findings:
        """Go through the whole record. Raises Conflict while somebody else has it done here."""
        if self._is_checking:
            raise Conflict("the record is being checked already: ask again when that has ended")
        self._is_checking = True
        try:
            return await self._check()
        finally:
            self._is_checking = False

    async def bundle(self, decision_id: str, *, words: bool = False) -> dict[str, Any]:
        """A decision with all that is needed to check it elsewhere, with its `words` if wanted. Raises NotFound."""
        wanted = self._words if words else None
        found = await bundle(self._record, decision_id, wanted)
        if found is not None and not found["is_sealed"] and self._signer is not None:
            await self.seal()
            found = await bundle(self._record, decision_id, wanted)
        if found is None:
            raise NotFound(f"no decision {decision_id[:64]!r} is on record")
        return found

    async def page(self, *, past: int, limit: int) -> list[dict[str, Any]]:
        """Checkpoints past a number, in order."""
        return [shown(checkpoint) for checkpoint in await self._record.checkpoints(past, limit)]

    def _is_due(self) -> bool:
        if self._covered is None:
            return self._now() - self._drawn_at >= _LOOK or self._appended() > 0
        waiting = self._appended() - self._covered
        is_time = self._now() - self._drawn_at >= self._rules.checkpoint_seconds
        return waiting >= self._rules.checkpoint_entries or (waiting > 0 and is_time)
