"""What endpoints of the framework ask for."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Query, Request

from app.api.body import NATIVE_LIMIT, read_object
from app.api.errors import field_errors
from app.api.exchange import EXCHANGE, Exchange
from app.api.fields import Body, checked
from app.domain.errors import Violation
from app.services import Services

B = TypeVar("B", bound=Body)
MAX_ID = 2**31 - 1


def exchange_of(request: Request) -> Exchange:
    """The exchange that the edge made."""
    exchange: Exchange = request.scope[EXCHANGE]
    return exchange


async def _exchange(request: Request) -> Exchange:
    return exchange_of(request)


async def _services(request: Request) -> Services:
    return exchange_of(request).services


def body_of(model: type[B]) -> Callable[[Request], Awaitable[B]]:
    """A dependency: the body, read within bounds, strictly parsed, checked against the model."""

    async def read(request: Request) -> B:
        return checked(model, await read_object(exchange_of(request), NATIVE_LIMIT))

    return read


def described(model: type[Body], example: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """The OpenAPI piece of a body that we read ourselves."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}, "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


CurrentExchange = Annotated[Exchange, Depends(_exchange)]
CurrentServices = Annotated[Services, Depends(_services)]
Id = Annotated[int, Path(ge=1, le=MAX_ID)]
Limit = Annotated[int, Query(ge=1, le=1_000)]
Cursor = Annotated[str | None, Query(max_length=512)]


def cursor_after(last_id: int) -> str:
    """An opaque cursor for a list in the order of ids."""
    return base64.urlsafe_b64encode(f"id:{last_id}".encode()).decode().rstrip("=")


def id_before(cursor: str | None) -> int:
    """The id a cursor stands after; 0 for the start. Raises RequestRejected."""
    if cursor is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        text = ""
    number = text.removeprefix("id:")
    if not text.startswith("id:") or not number.isdigit() or int(number[:12]) > MAX_ID:
        raise field_errors([Violation("cursor", "is not one that this list gave out")])
    return int(number)
