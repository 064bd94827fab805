"""The framework's own refusals, in our words; the edge writes them."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.errors import field_errors
from app.api.fields import violations_of
from app.domain.errors import Code, NotFound, OutcryError, RequestRejected


async def framework_error(request: Request, error: HTTPException) -> Response:
    """404 and 405, and whatever else the framework refuses."""
    raise _translated(request.method, error.status_code) from error


async def validation_error(_: Request, error: RequestValidationError) -> Response:
    """Wrong parameters in the path or the query, without the place's own name in front."""
    raise field_errors(
        violations_of([{"loc": tuple(e["loc"])[1:], "msg": e["msg"]} for e in error.errors()])
    ) from error


def _translated(method: str, status: int) -> OutcryError:
    if status == 404:
        return NotFound("no such route")
    if status == 405:
        return NotFound(f"{method[:16]} is not possible here", code=Code.METHOD_NOT_ALLOWED)
    return RequestRejected(Code.INVALID_REQUEST, f"refused with status {status}")
