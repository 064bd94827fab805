"""How a decision came about, and the erasure of what was said in it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from app.api.deps import CurrentExchange, CurrentServices
from app.api.fields import Answer
from app.api.times import rendered_time
from app.domain.errors import NotFound

router = APIRouter(prefix="/decisions/{decision_id}", tags=["decisions"])

DecisionId = Annotated[str, Path(max_length=128)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000), Query()]


class DossierAnswer(Answer):
    """A decision with all that is kept about how it came about; `dossier` null where its content is gone."""

    decision: dict[str, Any]
    dossier: dict[str, Any] | None
    late: dict[str, Any] | None
    payloads: list[dict[str, Any]]


class ErasureAnswer(Answer):
    """What was erased now: each part with the SHA-256 that stays; none where all was erased before."""

    decision_id: str
    erased: dict[str, str]
    erased_at: str
    erased_by: str
    reason: str


@router.get("/dossier", summary="How a decision came about", response_model=DossierAnswer)
async def read_dossier(decision_id: DecisionId, services: CurrentServices) -> JSONResponse:
    """Prompt, raw answers, attempts, times, versions; `payloads` says what is stored how, and what was erased.

    Where the content cannot be read (its encryption key is missing, or it was changed) the answer is a 503.
    """
    found = await services.decisions.dossier(decision_id)
    if found is None:
        raise NotFound(f"no decision {decision_id[:64]!r}")
    # Straight to JSON: what was recorded comes back as it is.
    return JSONResponse(found)


@router.delete("/payload", summary="Erase what was said in a decision", response_model=ErasureAnswer)
async def erase_payload(decision_id: DecisionId, reason: Reason, exchange: CurrentExchange) -> dict[str, Any]:
    """Prompt, answers and request are gone for good; the hashes stay, and so do verdict, votes, prices and cost."""
    erasure = await exchange.services.decisions.erase(decision_id, by=exchange.author, reason=reason)
    if erasure is None:
        raise NotFound(f"nothing is stored of what was said in a decision {decision_id[:64]!r}")
    return {
        "decision_id": erasure.subject,
        "erased": {part.value: sha256 for part, sha256 in erasure.parts.items()},
        "erased_at": rendered_time(erasure.at),
        "erased_by": erasure.by,
        "reason": erasure.reason,
    }
