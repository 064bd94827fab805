"""`GET /api/llm-providers`: the status that dashboards over free tiers already read."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.api.deps import CurrentServices

router = APIRouter(prefix="/api", tags=["providers"])


@router.get("/llm-providers", summary="Whose turn it is, and how much of each provider's limits is used")
async def read_rotation(services: CurrentServices) -> dict[str, Any]:
    """Enabled providers in the order of priority; a limit that is not set is null."""
    return services.monitor.rotation()
