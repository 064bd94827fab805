"""The models that callers may name, in OpenAI's form."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.api.deps import CurrentServices
from app.domain.errors import Code, NotFound
from app.routing.names import closest

router = APIRouter(tags=["openai"])


@router.get("/v1/models", summary="Every model the caller may use")
async def list_models(services: CurrentServices) -> dict[str, Any]:
    """`provider/model`, bare ids, aliases, `auto` and its policies."""
    return {"object": "list", "data": [_model(name) for name in services.model_names()]}


@router.get("/v1/models/{model_id:path}", summary="One model")
async def read_model(model_id: str, services: CurrentServices) -> dict[str, Any]:
    """The model of that name; 404 `model_not_found` names the closest ones."""
    names = services.model_names()
    if model_id not in names:
        message = f"model {model_id[:128]!r} is not known{closest(model_id, names)}"
        raise NotFound(message, code=Code.MODEL_NOT_FOUND, param="model")
    return _model(model_id)


def _model(name: str) -> dict[str, Any]:
    owner, slash, _ = name.partition("/")
    # OpenAI's clients demand a time; when a model was made is nothing that a gateway knows.
    return {"id": name, "object": "model", "created": 0, "owned_by": owner if slash else "outcry"}
