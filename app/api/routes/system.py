"""Health, metrics, and reading the provider file again."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from app.api.deps import CurrentExchange, CurrentServices

router = APIRouter(tags=["system"])

_NOT_READY: Final[dict[str, Any]] = {
    "description": "Not ready, with the reasons",
    "content": {"application/json": {"example": {"status": "not_ready", "reasons": ["the database does not answer"]}}},
}


@router.get("/health/live", summary="The loop turns")
async def live() -> dict[str, str]:
    """Answers as long as the process can."""
    return {"status": "alive"}


@router.get("/health/ready", summary="Ready to serve", responses={503: _NOT_READY})
async def ready(services: CurrentServices) -> JSONResponse:
    """Whether requests should be sent here, and why not."""
    reasons = list(services.unready())
    status = "not_ready" if reasons else "ready"
    return JSONResponse({"status": status, "reasons": reasons}, status_code=503 if reasons else 200)


@router.get("/metrics", summary="Prometheus text", response_class=PlainTextResponse)
async def metrics(services: CurrentServices) -> Response:
    """Every metric; open to a loopback peer."""
    body, media_type = services.metrics.render()
    return Response(body, headers={"content-type": media_type})


@router.post("/admin/reload", summary="Read the provider file again")
async def reload(exchange: CurrentExchange) -> dict[str, Any]:
    """What is in force now; a wrong file changes nothing and is an error that says so."""
    return await exchange.services.reload(exchange.author)
