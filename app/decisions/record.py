"""Decisions on record: committed, or on this machine's disk until the database takes them."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

import anyio
import anyio.to_thread

from app.decisions.background import Background
from app.domain.decision import Action, DecisionStatus, Filing
from app.domain.errors import Code, Conflict, StorageUnavailable
from app.domain.frozen import frozen
from app.domain.idempotency import RequestKey, Reservation
from app.domain.payload import Part, Payload, PayloadForm
from app.domain.ports import DecisionRepository
from app.ledger.spill import Spill, SpillFile

log = logging.getLogger(__name__)

_SHORTEST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 2.0
_LOOK: Final = 1.0
"""Seconds between two looks at what others have left on disk."""
_BATCH: Final = 50


@dataclass(frozen=True, slots=True)
class _Filed:
    """What a decision is found by, read from disk."""

    id: str
    created_at: datetime
    symbol: str
    status: DecisionStatus
    action: Action
    actionable: bool
    agent_id: int | None
    key_id: str
    request_id: str
    reservation: Reservation | None = None

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Self:
        created_at = datetime.fromisoformat(fields.pop("created_at"))
        held = fields.pop("reservation", None)
        if held is not None:
            held = Reservation(RequestKey(held["caller"], held["key"], held["body_hash"]), held["owner"])
        status, action = DecisionStatus(fields.pop("status")), Action(fields.pop("action"))
        return cls(created_at=created_at, status=status, action=action, reservation=held, **fields)


@frozen
class Papers:
    """A decision as it is to be kept. `answer` and `request` are without words, which only `payloads` hold.

    `shown` is what whoever asks for the decision gets while it waits; it stays in memory.
    """

    answer: dict[str, Any]
    request: dict[str, Any]
    payloads: Sequence[Payload]
    shown: dict[str, Any]


class DecisionRecord:
    """Keeps decisions before anybody hears of them. `run` hands what went to disk to the database, once it is back.

    Decisions have ids of their own, so that handing one over twice stores it once.
    """

    def __init__(self, repository: DecisionRepository, now: Callable[[], float], spill: Spill | None = None) -> None:
        self._repository = repository
        self._now = now
        self._spill = spill
        self._waiting: dict[str, dict[str, Any]] = {}
        self._held: dict[str, Reservation] = {}
        self._spilled = asyncio.Event()

    async def keep(
        self,
        filing: Filing,
        papers: Papers,
        *,
        until: float,
        grace: float,
        tasks: Background,
    ) -> None:
        """Return once it is committed, or on disk for good where no commit returned before `until`.

        Raises StorageUnavailable within `grace` seconds after that when neither was possible. An idempotency key was
        committed before anybody was asked: it stays held while its decision waits on disk, and is settled with it.
        """
        commit = tasks.start(self._repository.append(filing, papers.answer, papers.request, papers.payloads))
        done, _ = await asyncio.wait({commit}, timeout=max(until - self._now(), 0))
        if done:
            try:
                await commit
            except StorageUnavailable as error:
                reason = error.message
            else:
                return
        else:
            # It may be committed all the same; handing it over again then changes nothing.
            commit.cancel()
            reason = "the commit did not return in time"
        write = tasks.start(self._to_disk(_line(filing, papers)))
        await asyncio.wait({write}, timeout=max(until + grace - self._now(), 0.01))
        if not write.done() or not write.result():
            refusal = self._refusal() if write.done() else "the disk did not take it in time"
            log.error("a decision could not be stored", extra={"reason": reason, "disk": refusal})
            raise StorageUnavailable("the decision could not be stored before its deadline")
        log.warning("a decision waits on disk", extra={"decision_id": filing.id, "reason": reason})
        self._waiting[filing.id] = papers.shown
        if filing.reservation is not None:
            self._held[filing.id] = filing.reservation
        self._spilled.set()

    def held(self) -> Mapping[Reservation, dict[str, Any]]:
        """The answers that wait on this process's disk, by the reservation that each settles."""
        return {held: self._waiting[decision_id] for decision_id, held in self._held.items()}

    async def complete(self, decision_id: str, papers: Papers) -> None:
        """Replace the answer by one with the votes that came after it. Raises StorageUnavailable."""
        if decision_id not in self._waiting:
            try:
                await self._repository.update(decision_id, papers.answer, papers.payloads)
            except StorageUnavailable:
                if self._spill is None:
                    raise
            else:
                return
        if not await self._to_disk(
            _encoded({"id": decision_id, "answer": papers.answer, "payloads": _folded(papers.payloads)})
        ):
            raise StorageUnavailable("the late votes could not be stored")
        self._waiting[decision_id] = papers.shown
        self._spilled.set()

    async def get(self, decision_id: str) -> dict[str, Any] | None:
        """The answer of a decision, also while it waits on this process's disk."""
        waiting = self._waiting.get(decision_id)
        return await self._repository.get(decision_id) if waiting is None else waiting

    def is_waiting(self, decision_id: str) -> bool:
        """Whether it is only on this process's disk as yet."""
        return decision_id in self._waiting

    async def run(self) -> None:
        """Hand over what waits, until cancelled: also what a process left that died beside this one or before it.

        Until then nobody finds such a decision, and who began in its place may take seconds to.
        """
        if self._spill is None:
            return
        if refusal := await anyio.to_thread.run_sync(self._spill.refuses):
            log.error("no decision can wait on disk while the database is away", extra={"reason": refusal})
        pause = _SHORTEST_PAUSE
        while True:
            self._spilled.clear()
            try:
                await anyio.to_thread.run_sync(self._spill.adopt)
                for file in [] if self._spill.is_empty else self._spill.seal():
                    await self._hand_over(self._spill, file)
            except StorageUnavailable:
                await anyio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                pause = _SHORTEST_PAUSE
                with anyio.move_on_after(_LOOK):
                    await self._spilled.wait()

    def close(self) -> None:
        """Let go of the files; what is in them waits for the next process."""
        if self._spill is not None:
            self._spill.close()

    async def _hand_over(self, spill: Spill, file: SpillFile) -> None:
        batches, handed = file.batches(_BATCH, _read), set[str]()
        while (batch := await anyio.to_thread.run_sync(next, batches, None)) is not None:
            for entry in batch:
                await self._store(entry)
                handed.add(entry["id"])
        await anyio.to_thread.run_sync(spill.done, file)
        for decision_id in handed:
            self._waiting.pop(decision_id, None)
            self._held.pop(decision_id, None)
        log.info("decisions from disk are stored", extra={"count": len(handed)})

    async def _store(self, entry: dict[str, Any]) -> None:
        try:
            payloads = [_unfolded(fields) for fields in entry.get("payloads", ())]
            if "filing" in entry:
                await self._file(_Filed.of(entry["filing"]), entry["answer"], entry["request"], payloads)
            else:
                await self._repository.update(entry["id"], entry["answer"], payloads)
        except Conflict:
            log.info("a decision was stored already", extra={"decision_id": entry["id"]})
        except (ValueError, TypeError, KeyError):
            # One that no database takes must not hold up the others.
            log.exception("a decision cannot be stored", extra={"decision_id": entry["id"]})

    async def _file(
        self, filed: _Filed, answer: dict[str, Any], request: dict[str, Any], payloads: Sequence[Payload]
    ) -> None:
        """Store it and settle its key; where somebody else holds that by now, or it is settled, the decision alone."""
        if filed.reservation is not None:
            try:
                await self._repository.append(filed, answer, request, payloads)
            except Conflict as error:
                if error.code is not Code.IDEMPOTENCY_UNKNOWN_OUTCOME:
                    raise
            else:
                return
        await self._repository.append(replace(filed, reservation=None), answer, request, payloads)

    async def _to_disk(self, line: bytes) -> bool:
        if self._spill is None:
            return False
        return await anyio.to_thread.run_sync(self._synced, self._spill, line, abandon_on_cancel=True)

    def _refusal(self) -> str:
        return "no spill is configured" if self._spill is None else self._spill.refusal

    def _synced(self, spill: Spill, line: bytes) -> bool:
        return spill.append([line], sync=True) == 1


def _line(filing: Filing, papers: Papers) -> bytes:
    fields = {
        "id": filing.id,
        "created_at": filing.created_at.isoformat(),
        "symbol": filing.symbol,
        "status": filing.status.value,
        "action": filing.action.value,
        "actionable": filing.actionable,
        "agent_id": filing.agent_id,
        "key_id": filing.key_id,
        "request_id": filing.request_id,
        "reservation": None if filing.reservation is None else _reserved(filing.reservation),
    }
    entry = {"id": filing.id, "filing": fields, "answer": papers.answer, "request": papers.request}
    return _encoded(entry | {"payloads": _folded(papers.payloads)})


def _folded(payloads: Sequence[Payload]) -> list[dict[str, Any]]:
    """Payloads as JSON values; what the policy keeps from the database is not on disk either."""
    return [
        {
            "subject": payload.subject,
            "part": payload.part.value,
            "form": payload.form.value,
            "sha256": payload.sha256,
            "created_at": payload.created_at.isoformat(),
            "content": None if payload.content is None else base64.b64encode(payload.content).decode(),
            "key_id": payload.key_id,
        }
        for payload in payloads
    ]


def _unfolded(fields: dict[str, Any]) -> Payload:
    content = fields["content"]
    parsed = {
        "part": Part(fields["part"]),
        "form": PayloadForm(fields["form"]),
        "created_at": datetime.fromisoformat(fields["created_at"]),
        "content": None if content is None else base64.b64decode(content),
    }
    return Payload(**fields | parsed)


def _reserved(held: Reservation) -> dict[str, str]:
    return {"caller": held.key.caller, "key": held.key.key, "body_hash": held.key.body_hash, "owner": held.owner}


def _encoded(entry: dict[str, Any]) -> bytes:
    # The standard encoder takes what callers put into their metadata: any integer, lone surrogates.
    return json.dumps(entry).encode() + b"\n"


def _read(line: bytes) -> dict[str, Any]:
    """The entry of a line; raises ValueError for one that was cut."""
    entry = json.loads(line)
    if not isinstance(entry, dict) or "id" not in entry:
        raise ValueError("not a decision")
    return entry
