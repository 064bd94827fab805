"""What a caller wants changed about a model configuration; what is UNSET was not said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal

from pydantic import SecretStr


class Unset(Enum):
    """The type of UNSET, as null has a meaning of its own."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET

_Unset = Literal[Unset.UNSET]


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """Fields of a configuration, as PUT, POST and PATCH name them.

    `api_key`: UNSET keeps the stored key, None removes it. Costs that are UNSET or None come from the catalog.
    In a PUT or POST what else is UNSET gets its default; in a PATCH it stays.
    """

    provider: str | _Unset = UNSET
    model_name: str | _Unset = UNSET
    temperature: float | _Unset | None = UNSET
    max_tokens: int | _Unset | None = UNSET
    top_p: float | _Unset | None = UNSET
    api_key: SecretStr | _Unset | None = UNSET
    fallback_provider: str | _Unset | None = UNSET
    fallback_model: str | _Unset | None = UNSET
    priority: int | _Unset = UNSET
    cost_per_1k_input_tokens: Decimal | _Unset | None = UNSET
    cost_per_1k_output_tokens: Decimal | _Unset | None = UNSET
    enabled: bool | _Unset = UNSET
    metadata: Mapping[str, Any] | _Unset = UNSET
