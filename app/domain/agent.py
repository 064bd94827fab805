"""Agents of the trading system and their model configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent: a strategy, a desk, a bot."""

    id: int
    name: str
    description: str | None
    metadata: Mapping[str, Any]
    enabled: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """Which model an agent uses, with which parameters and key.

    `api_key` is decrypted and never rendered; `key_origin` is the origin (scheme, host, port) it was stored for.
    `undecryptable` is true when a stored key could not be read: a red state, not an absent key.
    """

    id: int
    agent_id: int
    provider: str
    model_name: str
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    api_key: SecretStr | None = None
    api_key_hint: str | None = None
    key_origin: str | None = None
    undecryptable: bool = False
    fallback_provider: str | None = None
    fallback_model: str | None = None
    priority: int = 0
    cost_per_1k_input_tokens: Decimal | None = None
    cost_per_1k_output_tokens: Decimal | None = None
    enabled: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Request parameters this configuration sets."""
        stated = {"temperature": self.temperature, "max_tokens": self.max_tokens, "top_p": self.top_p}
        return {name: value for name, value in stated.items() if value is not None}
