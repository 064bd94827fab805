"""When a request must be over."""

from __future__ import annotations

from app.api.exchange import Exchange


def deadline_of(exchange: Exchange, *wanted: float | None) -> float:
    """The absolute deadline, in the gateway's monotonic seconds: the least of what the caller said and the cap."""
    services = exchange.services
    said = [seconds for seconds in wanted if seconds is not None]
    return exchange.arrived + min(*(said or [services.default_deadline]), services.max_deadline)
