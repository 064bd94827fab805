"""Tells once per window that a budget's threshold was passed, and once that there is room again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import anyio

from app.domain.alerts import Alert, AlertKind, AlertRule, AlertState
from app.domain.budget import BudgetState, SpendKey
from app.ledger.spending import Spending

log = logging.getLogger(__name__)

_TICK: Final = 1.0
# Between here and the threshold nothing changes: a call that costs less than expected is no end of an alert.
_CLEAR: Final = 0.9
_PLACES: Final = 3


class BudgetAlerts:
    """Looks at what was spent every second; tells each change once. It steers nothing.

    It fires when so much was spent as `alert_at` says, and resolves when the window ends, when the budget is gone, or
    when it was raised so that less than nine tenths of the threshold are spent.
    """

    def __init__(
        self,
        spending: Spending,
        told: Sequence[Callable[[Alert], None]],
        *,
        wall: Callable[[], datetime],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._spending = spending
        self._told = told
        self._wall = wall
        self._failed = failed
        self._firing: dict[SpendKey, Alert] = {}

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            self.look()
            await anyio.sleep(_TICK)

    def look(self) -> None:
        """One look at every budget."""
        states = {(state.budget.id, state.begins): state for state in self._spending.states()}
        for key in [key for key in self._firing if key not in states]:
            self._resolve(key, None, "is over, or has no such budget any more")
        for key, state in states.items():
            self._judge(key, state)

    def _judge(self, key: SpendKey, state: BudgetState) -> None:
        threshold = state.budget.alert_at
        share = state.budget.cap.share_used(state.used)
        if key not in self._firing:
            if threshold is not None and share >= threshold:
                self._fire(key, state, threshold, share)
        elif threshold is None or share < threshold * _CLEAR:
            self._resolve(key, share, f"has {share:.4g} of its budget spent")

    def _fire(self, key: SpendKey, state: BudgetState, threshold: float, share: float) -> None:
        budget, now = state.budget, self._wall()
        rule = AlertRule(AlertKind.BUDGET_THRESHOLD, threshold=threshold, clear_seconds=0.0)
        words = f"{budget.scope} has {share:.4g} of its budget of this {budget.window} spent (threshold {threshold:g})"
        alert = Alert(
            rule,
            budget.scope,
            AlertState.FIRED,
            now,
            now,
            round(share, _PLACES),
            words,
            occasion=f"{budget.window}:{state.begins:%Y-%m-%dT%H:%MZ}",
        )
        self._firing[key] = alert
        self._tell(alert)

    def _resolve(self, key: SpendKey, share: float | None, why: str) -> None:
        fired = self._firing.pop(key)
        value = None if share is None else round(share, _PLACES)
        message = f"{fired.provider}: {fired.occasion} {why}"
        self._tell(
            Alert(
                fired.rule,
                fired.provider,
                AlertState.RESOLVED,
                self._wall(),
                fired.fired_at,
                value,
                message,
                occasion=fired.occasion,
            )
        )

    def _tell(self, alert: Alert) -> None:
        for told in self._told:
            try:
                told(alert)
            except Exception:
                self._failed()
                log.exception("an alert was not told", extra={"alert": alert.key})
