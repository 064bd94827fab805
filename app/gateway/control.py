"""What people may ask of routing, and change about it, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.domain.attempt import Ask
from app.domain.errors import Code, NotFound
from app.domain.routing import Explanation, PolicyName, StrategyInForce
from app.domain.target import Target
from app.gateway.planning import Planner
from app.providers.pool import Pool
from app.routing.names import policy_of


class RoutingControl:
    """Explains plans, changes the strategy, closes circuits. It holds for this process, one of `workers`.

    `told` is told of a reset, by provider and model, so that other processes hear of it.
    """

    def __init__(
        self,
        pool: Pool,
        planner: Planner,
        *,
        workers: int = 1,
        told: Callable[[str, str | None], None] = lambda _provider, _model: None,
    ) -> None:
        self._pool = pool
        self._planner = planner
        self._workers = workers
        self._told = told
        self._changed_at = -1

    def explain(self, ask: Ask) -> Explanation:
        """Where the ask would go, and why. Nobody is called, and nothing is different afterwards."""
        return self._planner.explain(ask)

    def strategy(self) -> StrategyInForce:
        """The order in which `auto` tries its targets."""
        policy = policy_of(self._pool.current.failover_strategy)
        return StrategyInForce(policy, is_changed=self._changed_at == self._pool.revision, workers=self._workers)

    def set_strategy(self, policy: PolicyName) -> StrategyInForce:
        """Another strategy, at once; until the provider file is read again, or the process starts anew."""
        self._pool.current = replace(self._pool.current, failover_strategy=policy.value)
        self._changed_at = self._pool.revision
        return self.strategy()

    def reset_circuits(self, provider: str, model: str | None = None) -> tuple[Target, ...]:
        """Close the circuits of a provider, or of one model there, end its pauses, and let parked keys out.

        Returns the targets that were used before. Raises NotFound for a provider that is not enabled.
        """
        if self._pool.provider(provider) is None:
            raise NotFound(f"provider {provider[:120]!r} is not configured", code=Code.UNKNOWN_PROVIDER, param="name")
        targets = self._pool.reset(provider, model)
        self._told(provider, model)
        return tuple(targets)
