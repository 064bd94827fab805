"""What a model may remember of the time it is asked about: its knowledge cutoff against a moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

DEFAULT_EMBARGO: Final = 30
"""Days after a cutoff: what models are said to know until, some turn out to know for some weeks longer."""


class Contamination(StrEnum):
    """Whether an answer may come from memory; the later, the worse."""

    CLEAN = "clean"
    UNKNOWN = "unknown"
    CONTAMINATED = "contaminated"


class AsOfMode(StrEnum):
    """What happens to models that are not known to be clean: it is said, the request is refused, they are left out."""

    WARN = "warn"
    BLOCK = "block"
    FILTER = "filter"


@dataclass(frozen=True, slots=True)
class AsOf:
    """The moment a request is asked as of, with its offset. `embargo` is whole days after a cutoff."""

    moment: datetime
    mode: AsOfMode = AsOfMode.WARN
    embargo: int = DEFAULT_EMBARGO

    @property
    def only_clean(self) -> bool:
        """Whether only models that are known to be clean may answer."""
        return self.mode is not AsOfMode.WARN

    def of(self, cutoff: date | None) -> Contamination:
        """A cutoff is known to its end: the embargo begins with the day after it."""
        if cutoff is None:
            return Contamination.UNKNOWN
        first_clean = cutoff.toordinal() + 1 + self.embargo
        is_clean = self.moment.astimezone(UTC).toordinal() >= first_clean
        return Contamination.CLEAN if is_clean else Contamination.CONTAMINATED

    def objection(self, cutoff: date | None) -> str | None:
        """Why a model with this cutoff is not clean; None for one that is."""
        match self.of(cutoff):
            case Contamination.CLEAN:
                return None
            case Contamination.UNKNOWN:
                return "until when it knows the world is not known"
            case Contamination.CONTAMINATED:
                asked = self.moment.astimezone(UTC).date()
                return f"it knows the world until {cutoff}, and {asked} is not {self.embargo} days past that"


def worst(found: Iterable[Contamination]) -> Contamination | None:
    """The worst of these; None of nothing."""
    return max(found, key=list(Contamination).index, default=None)
