"""Experiments: an agent's traffic split between arms, and the arms compared."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from app.api.deps import MAX_ID, CurrentExchange, CurrentServices, Cursor, Limit, body_of, described
from app.api.experiment_wire import (
    ComparedAnswer,
    ExperimentAnswer,
    ExperimentCreate,
    ExperimentPage,
    compared_rendered,
    experiment_rendered,
)

router = APIRouter(prefix="/experiments", tags=["experiments"])
ExperimentId = Annotated[str, Path(max_length=64)]

_EXAMPLE = {
    "name": "gpt-4o against sonnet",
    "agent_id": 7,
    "arms": [{"name": "gpt", "share": 0.8, "config_id": 11}, {"name": "sonnet", "share": 0.2, "config_id": 12}],
    "sticky_by": "symbol",
    "applies_to": ["decisions"],
    "shadow": ["gemini/gemini-2.5-pro"],
}


@router.post(
    "",
    status_code=201,
    openapi_extra=described(ExperimentCreate, _EXAMPLE),
    summary="Split an agent's traffic",
    response_model=ExperimentAnswer,
)
async def create_experiment(
    body: Annotated[ExperimentCreate, Depends(body_of(ExperimentCreate))], exchange: CurrentExchange
) -> dict[str, Any]:
    """In force at once; on other workers within a second. A 409 while another one splits the same traffic."""
    made = await exchange.services.experiments.create(body.experiment(exchange.caller.key_id))
    return experiment_rendered(made)


@router.get("", summary="Experiments, newest first", response_model=ExperimentPage)
async def list_experiments(
    services: CurrentServices,
    limit: Limit = 50,
    cursor: Cursor = None,
    agent_id: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
) -> dict[str, Any]:
    """A page of experiments, running and stopped."""
    found, following = await services.experiments.page(limit=limit, cursor=cursor, agent_id=agent_id)
    return {"items": [experiment_rendered(one) for one in found], "next": following}


@router.get("/{experiment_id}", summary="An experiment, its arms side by side", response_model=ComparedAnswer)
async def read_experiment(experiment_id: ExperimentId, services: CurrentServices) -> dict[str, Any]:
    """Each arm's figures with 95 % intervals, and its differences from the first arm.

    A verdict is `higher`, `lower`, `no difference shown` or, below 20 on either side, `insufficient data`.
    """
    return compared_rendered(await services.experiments.compare(experiment_id))


@router.post("/{experiment_id}/stop", summary="End an experiment for good", response_model=ExperimentAnswer)
async def stop_experiment(experiment_id: ExperimentId, exchange: CurrentExchange) -> dict[str, Any]:
    """The agent's traffic goes where it went before; once more changes nothing."""
    return experiment_rendered(await exchange.services.experiments.stop(experiment_id, exchange.caller.key_id))


@router.delete("/{experiment_id}", status_code=204, summary="End an experiment and forget it")
async def delete_experiment(experiment_id: ExperimentId, exchange: CurrentExchange) -> None:
    """Attempts, decisions and votes keep the name of their arm."""
    await exchange.services.experiments.delete(experiment_id, exchange.caller.key_id)
