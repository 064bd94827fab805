"""What becomes of prompts at a provider, as an operator states it, and what is demanded of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MOST_REGIONS: Final = 16
REGION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class DataPolicy:
    """What a provider does with prompts; None is not stated. `retention_days` 0: nothing is kept."""

    training: bool | None = None
    retention_days: int | None = None
    region: str | None = None

    def below(self, other: DataPolicy) -> DataPolicy:
        """This where it is stated, the other everywhere else."""
        return DataPolicy(
            other.training if self.training is None else self.training,
            other.retention_days if self.retention_days is None else self.retention_days,
            self.region or other.region,
        )


UNSTATED: Final = DataPolicy()


@dataclass(frozen=True, slots=True)
class Unmet:
    """A demand that a target does not meet; `field` is where it was made."""

    field: str
    why_not: str


@dataclass(frozen=True, slots=True)
class DataDemand:
    """What must be stated of a target before it is asked; what is not stated meets no demand.

    `no_training`: prompts train nobody. `retention_days`: they are kept so long at most, None however long.
    `regions`: they stay in one of these, letter case is no matter; empty anywhere. The three fields say where the
    demand was made, in its maker's own words.
    """

    no_training: bool = False
    retention_days: int | None = None
    regions: tuple[str, ...] = ()
    training_field: str = "data_policy.training"
    retention_field: str = "data_policy.retention_days"
    region_field: str = "data_policy.region"

    def __bool__(self) -> bool:
        return self.no_training or self.retention_days is not None or bool(self.regions)

    def unmet_by(self, policy: DataPolicy) -> Unmet | None:
        """The first part of the demand that this policy does not meet; None when it meets all."""
        return next(self._unmet(policy), None)

    def _unmet(self, policy: DataPolicy) -> Iterator[Unmet]:
        if self.no_training and policy.training is not False:
            known = "prompts train models there" if policy.training else "whether prompts train models is not stated"
            yield Unmet(self.training_field, f"{known}, and {self.training_field} forbids it")
        most, kept = self.retention_days, policy.retention_days
        if most is not None and (kept is None or kept > most):
            known = "how long prompts are kept is not stated" if kept is None else f"prompts are kept for {kept} days"
            yield Unmet(self.retention_field, f"{known}, and {self.retention_field} allows {most}")
        wanted = {region.lower() for region in self.regions}
        if wanted and (policy.region or "").lower() not in wanted:
            known = "where prompts go is not stated" if policy.region is None else f"prompts go to {policy.region}"
            yield Unmet(self.region_field, f"{known}, and {self.region_field} is {', '.join(self.regions)}")
