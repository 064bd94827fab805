"""Prices: bars in, and the decisions that waited for them are graded."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app.api.body import NATIVE_LIMIT, read_object
from app.api.deps import CurrentExchange, described
from app.api.outcome_wire import PricesAnswer, PricesBody, read_prices

router = APIRouter(prefix="/prices", tags=["decisions"])

_EXAMPLE = {
    "symbol": "BTC/USDT",
    "venue": "binance",
    "bars": [{"at": "2026-11-20T18:15:00Z", "open": 64610.0, "high": 64702.5, "low": 64590.0, "close": 64688.0}],
}


@router.post(
    "", openapi_extra=described(PricesBody, _EXAMPLE), summary="Post bars of prices", response_model=PricesAnswer
)
async def post_prices(exchange: CurrentExchange) -> dict[str, Any]:
    """Bars are stored by symbol, venue and moment; one that comes again with other figures is a correction.

    A decision is graded by the first bar from its horizon on, unless that is much too late. `graded` tells how many
    were so far; unless `complete` the rest follow in the background.
    """
    bars = read_prices(await read_object(exchange, NATIVE_LIMIT))
    taken = await exchange.services.outcomes.post_prices(bars, by=exchange.author)
    return {
        "added": taken.bars.added,
        "corrected": taken.bars.corrected,
        "unchanged": taken.bars.unchanged,
        "graded": taken.graded,
        "complete": taken.is_complete,
    }
