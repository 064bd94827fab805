"""What becomes of prompts at a provider, and what the operator demands of all of them, in the provider file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from app.configuration.shape import STRICT, Text, as_list
from app.domain.data_policy import MOST_REGIONS, REGION, DataDemand, DataPolicy


def _region(value: str) -> str:
    if not REGION.fullmatch(value):
        raise ValueError("expected a region's name of 1 to 64 letters, digits, '_', '.' or '-'")
    return value


def _refusal(value: bool) -> bool:  # noqa: FBT001 - pydantic's own call
    if value:
        raise ValueError("expected false: that prompts train models can be forbidden, not demanded")
    return value


Region = Annotated[Text, AfterValidator(_region)]
Days = Annotated[int, Field(ge=0, le=36_500)]


class DataPolicyShape(BaseModel):
    """A provider's own, or one of its models'."""

    model_config = STRICT

    training: bool | None = None
    retention_days: Days | None = None
    region: Region | None = None

    def policy(self) -> DataPolicy:
        """What is stated."""
        return DataPolicy(self.training, self.retention_days, self.region)


class DataDemandShape(BaseModel):
    """The least that every target has to meet, whatever a request says."""

    model_config = STRICT

    training: Annotated[bool, AfterValidator(_refusal)] | None = None
    retention_days: Days | None = None
    region: Annotated[list[Region], BeforeValidator(as_list), Field(min_length=1, max_length=MOST_REGIONS)] | None = (
        None
    )

    def demand(self) -> DataDemand:
        """What is demanded."""
        return DataDemand(self.training is False, self.retention_days, tuple(self.region or ()))
