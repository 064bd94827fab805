"""What people may ask of routing, and change about it, while it runs."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.attempt import Ask
from app.domain.audit import THE_GATEWAY, Author
from app.domain.errors import Code, NotFound
from app.domain.routing import Explanation, PolicyName, StrategyInForce
from app.domain.target import Target
from app.gateway.planning import Planner
from app.gateway.strategy import Strategy
from app.providers.pool import Pool


class RoutingControl:
    """Explains plans, closes circuits, changes the strategy of all processes.

    `told` is told of a reset, by provider and model, so that other processes hear of it.
    """

    def __init__(
        self,
        pool: Pool,
        planner: Planner,
        strategy: Strategy,
        *,
        told: Callable[[str, str | None], None] = lambda _provider, _model: None,
    ) -> None:
        self._pool = pool
        self._planner = planner
        self._strategy = strategy
        self._told = told

    def explain(self, ask: Ask) -> Explanation:
        """Where the ask would go, and why. Nobody is called, and nothing is different afterwards."""
        return self._planner.explain(ask)

    def strategy(self) -> StrategyInForce:
        """The order in which `auto` tries its targets."""
        return self._strategy.in_force()

    async def set_strategy(self, policy: PolicyName | None, *, by: Author = THE_GATEWAY) -> StrategyInForce:
        """Another strategy, until the provider file names another one itself; None: the file's at once."""
        return await self._strategy.change(policy, by=by)

    def reset_circuits(self, provider: str, model: str | None = None) -> tuple[Target, ...]:
        """Close the circuits of a provider, or of one model there, end its pauses, and let parked keys out.

        Returns the targets that were used before. Raises NotFound for a provider that is not enabled.
        """
        if self._pool.provider(provider) is None:
            raise NotFound(f"provider {provider[:120]!r} is not configured", code=Code.UNKNOWN_PROVIDER, param="name")
        targets = self._pool.reset(provider, model)
        self._told(provider, model)
        return tuple(targets)
