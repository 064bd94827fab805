"""The record of everything: whether it is in order, how far it is sealed, one decision's part of it to take away."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from app.api.access import check_also
from app.api.deps import CurrentExchange, CurrentServices, Cursor, Limit, cursor_after, id_before
from app.api.fields import Answer
from app.domain.audit import Change, Kind
from app.domain.caller import Scope

router = APIRouter(prefix="/audit", tags=["audit"])


class FirstBad(Answer):
    """What is wrong first: where in which chain, or in which checkpoint, and why."""

    chain: str | None
    seq: int | None
    id: str | None
    reason: str


class Verification(Answer):
    """What a check of the whole record found; `unsealed` rows are past the last checkpoint of their chain."""

    ok: bool
    rows: int
    first_bad: FirstBad | None
    chains: int
    checkpoints: int
    signed: int
    unsealed: int
    public_key: str | None


class CheckpointPage(Answer):
    """Checkpoints, oldest first."""

    items: list[dict[str, Any]]
    next: str | None


class ChangeKind(StrEnum):
    """What may be asked for: changes of configuration, and erasures of what was said."""

    CHANGE = Kind.CHANGE.value
    ERASURE = Kind.ERASURE.value


class ChangeAnswer(Answer):
    """Who changed what: the fields that differ, before and after; `hash` is its entry's in the chain."""

    at: str
    kind: ChangeKind
    subject: str
    what: str | None
    by: str
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    chain: str
    seq: int
    hash: str


class ChangePage(Answer):
    """Changes, newest first."""

    items: list[ChangeAnswer]
    next: str | None


@router.get("/verify", summary="Whether the whole record is in order", response_model=Verification)
async def verify(services: CurrentServices) -> dict[str, Any]:
    """Goes through every entry, payload, decision and checkpoint in a process of its own; a million take half a minute.

    One check at a time: while one is under way here, another is a 409 `caller_conflict`.
    """
    found = await services.audit.verify()
    bad = found.first_bad
    return {
        "ok": found.ok,
        "rows": found.rows,
        "first_bad": None if bad is None else {"chain": bad.chain, "seq": bad.seq, "id": bad.id, "reason": bad.reason},
        "chains": found.chains,
        "checkpoints": found.checkpoints,
        "signed": found.signed,
        "unsealed": found.unsealed,
        "public_key": services.audit.public_key,
    }


@router.get("/checkpoints", summary="Signed statements of how far the record went", response_model=CheckpointPage)
async def list_checkpoints(services: CurrentServices, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    """A page of checkpoints. Keep them elsewhere: only they show that the end of the record was cut off."""
    past = id_before(cursor)
    items = await services.audit.page(past=past, limit=limit)
    return {"items": list(items), "next": cursor_after(items[-1]["number"]) if len(items) == limit else None}


@router.get("/changes", summary="Who changed what, newest first", response_model=ChangePage)
async def list_changes(
    services: CurrentServices,
    limit: Limit = 50,
    cursor: Cursor = None,
    subject: Annotated[str | None, Query(max_length=512)] = None,
    kind: ChangeKind | None = None,
) -> dict[str, Any]:
    """Changes of whatever is configured here or in files, stops, experiments, and what was erased.

    `subject` is `agent:<id>`, `tool:<name>`, `budget:<scope>`, `experiment:<id>`, `kill:<scope>`, `setting:<name>`,
    `configuration:<name>` or, of an erasure, `decision:<id>`. Of a key there is what happened to it, and its hint.
    """
    kinds = [Kind(one) for one in ([kind] if kind is not None else ChangeKind)]
    found, following = await services.changes.page(limit=limit, cursor=cursor, subject=subject, kinds=kinds)
    return {"items": [_rendered(one) for one in found], "next": following}


@router.get("/{decision_id}/bundle", summary="A decision with all that is needed to check it elsewhere")
async def read_bundle(
    decision_id: Annotated[str, Path(max_length=128)],
    exchange: CurrentExchange,
    *,
    words: Annotated[bool, Query(description="Also what was said: wants the scope `decisions` as well.")] = False,
) -> JSONResponse:
    """What is on record of a decision, and its chain up to the next signed checkpoints; of others only hashes.

    With `words` also the texts behind the hashes, each as it was hashed, or `missing`: `hashed`, `erased`,
    `unreadable` (no key here opens it, or it was changed), `not_stored`.
    """
    if words:
        check_also(exchange.caller, Scope.DECISIONS, "the words of a decision")
    return JSONResponse(await exchange.services.audit.bundle(decision_id, words=words))


def _rendered(one: Change) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ChangeAnswer.model_fields} | {"kind": one.kind.value}
