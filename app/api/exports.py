"""Exports: answers that are written while they are read, a page at a time, and are whole or visibly cut."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any, Final

import anyio
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.errors import CallerLeft
from app.api.exchange import Exchange
from app.api.watch import Watch

Pages = AsyncGenerator[list[dict[str, Any]]]
# What a spreadsheet takes for a formula; the texts are those of providers and callers.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Export(Response):
    """An export that is written on the exchange; `kind` is its media type, `name` that of the file.

    An answer that broke off is not whole: its connection was cut.
    """

    def __init__(self, exchange: Exchange, pieces: AsyncGenerator[bytes], *, kind: str, name: str) -> None:
        super().__init__()
        self._exchange = exchange
        self._pieces = pieces
        self._kind = kind
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await Watch(self._exchange).run(self._write())

    async def _write(self) -> None:
        try:
            async for piece in self._pieces:
                if not self._exchange.is_started:
                    # Only now is it sure that the database answers.
                    await self._exchange.send(self._head())
                # A reader who stands still holds nothing but this task, and that not for ever.
                with anyio.move_on_after(self._exchange.services.max_deadline) as patience:
                    await self._exchange.push(piece)
                if patience.cancelled_caught:
                    raise CallerLeft
        finally:
            await self._pieces.aclose()
        await self._exchange.push(b"", last=True)

    def _head(self) -> dict[str, Any]:
        name = f'attachment; filename="{self._name}"'.encode()
        headers = [
            (b"content-type", self._kind.encode()), (b"content-disposition", name), (b"cache-control", b"no-store"),
        ]  # fmt: skip
        return {"type": "http.response.start", "status": 200, "headers": headers}


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV. A text that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> object:
    # Some programs look behind leading blanks.
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA) else value
