"""The configured providers, and how they are."""

from __future__ import annotations

import dataclasses
from typing import Any

from fastapi import APIRouter

from app.api.deps import CurrentServices
from app.domain.provider import ProviderConfig
from app.providers.data_policy import data_policy_of
from app.services import Services

router = APIRouter(prefix="/providers", tags=["providers"])


@router.get("", summary="Configured providers")
async def list_providers(services: CurrentServices) -> dict[str, Any]:
    """Type, models, priority, limits and state of each, in the order of the file."""
    current = services.providers.current
    states = services.monitor.report().get("providers", {})
    return {
        "providers": [_provider(config, services, states.get(config.name, {})) for config in current.providers],
        "failover_strategy": current.failover_strategy,
        "data_policy": {
            "training": False if current.data_demand.no_training else None,
            "retention_days": current.data_demand.retention_days,
            "region": list(current.data_demand.regions) or None,
        },
        "source": current.source,
        "warnings": list(current.warnings),
    }


@router.get("/health", summary="Health of every provider")
async def read_health(services: CurrentServices) -> dict[str, Any]:
    """Overall status, each provider's figures, and their ranking."""
    return services.monitor.report()


def _provider(config: ProviderConfig, services: Services, state: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": config.name,
        "type": config.type.value,
        "enabled": config.enabled,
        "priority": config.priority,
        "weight": config.weight,
        "models": list(services.providers.models(config.name)) if config.enabled else [m.id for m in config.models],
        "default_model": services.providers.default_model(config.name) if config.enabled else config.default_model,
        "rate_limit": dataclasses.asdict(config.rate_limit),
        "max_concurrent": config.max_concurrent,
        "data_policy": _data_policy(config),
        "state": {
            "status": state.get("status") if config.enabled else "disabled",
            "circuit": state.get("circuit"),
            "in_flight": state.get("in_flight"),
        },
    }


def _data_policy(config: ProviderConfig) -> dict[str, Any]:
    """The provider's own, and under `models` those that differ from it."""
    own = data_policy_of(config, "")
    listed = {model.id: data_policy_of(config, model.id) for model in config.models}
    different = {model: dataclasses.asdict(policy) for model, policy in listed.items() if policy != own}
    return {**dataclasses.asdict(own), "models": different}
