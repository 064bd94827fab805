"""The models that callers may name, in OpenAI's form, with what is known of them beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import anyio.to_thread
import orjson
from fastapi import APIRouter, Response

from app.api.deps import CurrentServices
from app.api.model_wire import model_object
from app.domain.errors import Code, NotFound
from app.domain.listing import ListedName
from app.routing.names import closest

router = APIRouter(tags=["openai"])

_MANY: Final = 1000


@router.get("/v1/models", summary="Every model the caller may use")
async def list_models(services: CurrentServices) -> Response:
    """`provider/model`, bare ids, aliases, tasks, `auto` and its policies."""
    listed = await services.models()
    # A list of thousands takes long enough to be felt by everybody else on the loop.
    if len(listed) > _MANY:
        return await anyio.to_thread.run_sync(_list, listed)
    return _list(listed)


@router.get("/v1/models/{model_id:path}", summary="One model")
async def read_model(model_id: str, services: CurrentServices) -> Response:
    """The model of that name; 404 `model_not_found` names the closest ones."""
    model = await services.find_model(model_id)
    if model is None:
        message = f"model {model_id[:128]!r} is not known{closest(model_id, list(await services.models()))}"
        raise NotFound(message, code=Code.MODEL_NOT_FOUND, param="model")
    return _json(model_object(model))


def _list(listed: Mapping[str, ListedName]) -> Response:
    return _json({"object": "list", "data": [model_object(model) for model in listed.values()]})


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
