"""A change to an agent's model configuration: what is absent stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from pydantic import SecretStr


class Unset(Enum):
    """The type of a field that a caller did not send, which is not the same as null."""

    TOKEN = "unset"


UNSET: Final = Unset.TOKEN


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """The fields that a caller sent. UNSET keeps the stored value, or takes the default of a new configuration."""

    provider: str | Unset = UNSET
    model_name: str | Unset = UNSET
    temperature: float | Unset | None = UNSET
    max_tokens: int | Unset | None = UNSET
    top_p: float | Unset | None = UNSET
    api_key: SecretStr | Unset | None = UNSET
    fallback_provider: str | Unset | None = UNSET
    fallback_model: str | Unset | None = UNSET
    priority: int | Unset = UNSET
    cost_per_1k_input_tokens: Decimal | Unset | None = UNSET
    cost_per_1k_output_tokens: Decimal | Unset | None = UNSET
    enabled: bool | Unset = UNSET
    metadata: Mapping[str, Any] | Unset = UNSET
