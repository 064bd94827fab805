"""How long a decision has to turn out right: by its caller's word, else by its timeframe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.domain.casting import positive
from app.domain.outcome import Basis, Horizon, HorizonState

LONGEST: Final = 3660 * 86400.0
"""Seconds of the longest horizon that is taken."""
HORIZON: Final = "horizon_s"
"""The name in a decision's metadata under which its caller states a horizon."""

_LATE_SHARE: Final = 0.5
_SHORTEST_LATE: Final = 300.0
_LONGEST_LATE: Final = 4 * 86400.0


@dataclass(frozen=True, slots=True)
class Horizons:
    """Seconds by timeframe; without one it is intraday. For `patience` seconds a decision waits for its bar.

    A bar may come half a horizon after its end, five minutes at least and four days (a long weekend) at most: a price
    of much later says nothing of the decision.
    """

    scalping: float = 900.0
    intraday: float = 4 * 3600.0
    swing: float = 5 * 86400.0
    position: float = 30 * 86400.0
    patience: float = 7 * 86400.0

    def of(self, basis: Basis, created_at: datetime, request: Mapping[str, Any]) -> Horizon:
        """The horizon of a decision as it is put on record."""
        if basis.is_replayed:
            return Horizon(HorizonState.NONE, "replayed")
        if basis.entry_price is None:
            return Horizon(HorizonState.NONE, "no_entry_price")
        length = self._length(request)
        try:
            due_at = basis.decided_at + timedelta(seconds=length)
            latest_at = due_at + timedelta(seconds=min(max(length * _LATE_SHARE, _SHORTEST_LATE), _LONGEST_LATE))
            # What is asked of the past waits as long as what is asked of now: its bars come after it, too.
            expires_at = max(latest_at, created_at) + timedelta(seconds=self.patience)
        except OverflowError:
            return Horizon(HorizonState.NONE, "beyond_the_calendar", length)
        return Horizon(HorizonState.WAITING, None, length, due_at, latest_at, expires_at)

    def _length(self, request: Mapping[str, Any]) -> float:
        metadata, market = request.get("metadata"), request.get("market")
        stated = positive(metadata.get(HORIZON)) if isinstance(metadata, dict) else None
        if stated is not None and stated <= LONGEST:
            return stated
        match market.get("timeframe") if isinstance(market, dict) else None:
            case "scalping":
                return self.scalping
            case "swing":
                return self.swing
            case "position":
                return self.position
            case _:
                return self.intraday
