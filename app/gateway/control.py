"""What people may ask of routing, and change about it, while it runs."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.attempt import Ask
from app.domain.errors import Code, NotFound
from app.domain.routing import Explanation, PolicyName, StrategyInForce
from app.domain.target import Target
from app.gateway.planning import Planner
from app.gateway.strategy import Strategy
from app.providers.pool import Pool


class RoutingControl:
    """Explains plans and closes circuits, of this process; changes the strategy, of all."""

    def __init__(self, pool: Pool, planner: Planner, strategy: Strategy, now: Callable[[], float]) -> None:
        self._pool = pool
        self._planner = planner
        self._strategy = strategy
        self._now = now

    def explain(self, ask: Ask) -> Explanation:
        """Where the ask would go, and why. Nobody is called, and nothing is different afterwards."""
        return self._planner.explain(ask)

    def strategy(self) -> StrategyInForce:
        """The order in which `auto` tries its targets."""
        return self._strategy.in_force()

    async def set_strategy(self, policy: PolicyName | None) -> StrategyInForce:
        """Another strategy, until the provider file names another one itself; None: the file's at once."""
        return await self._strategy.change(policy)

    def reset_circuits(self, provider: str, model: str | None = None) -> tuple[Target, ...]:
        """Close the circuits of a provider, or of one model there, end its pauses, and let parked keys out.

        Returns the targets that were used before. Raises NotFound for a provider that is not enabled.
        """
        state = self._pool.provider(provider)
        if state is None:
            raise NotFound(f"provider {provider[:120]!r} is not configured", code=Code.UNKNOWN_PROVIDER, param="name")
        now = self._now()
        used = [one for one in self._pool.states(provider) if model is None or one.target.model == model]
        for target in used:
            target.breaker.reset(now)
            target.cooldown_until = 0.0
        state.release()
        return tuple(sorted({one.target for one in used}))
