"""What a task's tier asks of providers, in the words of a request's `provider`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from app.configuration.data_policy import Region
from app.configuration.shape import STRICT, Money, Texts, as_list
from app.domain.data_policy import MOST_REGIONS, DataDemand
from app.domain.routing import MaxPrice, Preferences


class MaxPriceShape(BaseModel):
    """Dollars per million tokens."""

    model_config = STRICT

    prompt: Money | None = None
    completion: Money | None = None


class TierShape(BaseModel):
    """Who may answer a task, and who goes first."""

    model_config = STRICT

    order: Texts | None = None
    only: Texts | None = None
    ignore: Texts | None = None
    max_price: MaxPriceShape | None = None
    data_collection: Literal["allow", "deny"] = "allow"
    zdr: bool = False
    region: Annotated[list[Region], BeforeValidator(as_list), Field(min_length=1, max_length=MOST_REGIONS)] | None = (
        None
    )

    def preferences(self) -> Preferences:
        """The same as a request's."""
        most = self.max_price
        return Preferences(
            order=tuple(self.order or ()),
            only=None if self.only is None else tuple(self.only),
            ignore=tuple(self.ignore or ()),
            max_price=None if most is None else MaxPrice(most.prompt, most.completion),
            data=DataDemand(
                no_training=self.data_collection == "deny",
                retention_days=0 if self.zdr else None,
                regions=tuple(self.region or ()),
                training_field="provider.data_collection",
                retention_field="provider.zdr",
                region_field="provider.region",
            ),
        )
