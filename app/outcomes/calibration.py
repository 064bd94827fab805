"""Calibration: from the confidence that was claimed to how often such claims came true."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.domain.grades import Calibrated, Prior
from app.outcomes.isotonic import isotonic
from app.outcomes.platt import Bin, platt

CALIBRATED_FROM: Final = 30
ISOTONIC_FROM: Final = 200
UNCALIBRATED: Final = "uncalibrated"
_STEPS: Final = 100


class CalibrationMethod(StrEnum):
    """How a curve was found; by how many graded votes there are."""

    SHRUNK = "shrunk"
    PLATT = "platt"
    ISOTONIC = "isotonic"


@dataclass(frozen=True, slots=True)
class Curve:
    """What a claim is worth, by straight lines between `points` (claimed, calibrated), which never fall.

    `n` graded votes made it, of which `base_rate` were right, counted with the prior; below 30 it is no calibration
    but a claim drawn towards that rate.
    """

    method: CalibrationMethod
    n: int
    base_rate: float
    points: tuple[tuple[float, float], ...]

    @property
    def is_calibrated(self) -> bool:
        """Whether there are enough graded votes to speak of a probability."""
        return self.n >= CALIBRATED_FROM

    @property
    def note(self) -> str | None:
        """What to know about its figures."""
        return None if self.is_calibrated else UNCALIBRATED

    def __call__(self, claimed: float) -> float:
        """How often such a claim comes true, 0..1; outside of what was seen as at its nearest end."""
        place = bisect_right(self.points, claimed, key=lambda point: point[0])
        if place == 0:
            return self.points[0][1]
        if place == len(self.points):
            return self.points[-1][1]
        (left, low), (right, high) = self.points[place - 1], self.points[place]
        return min(max(low + (high - low) * (claimed - left) / (right - left), low), high)

    def calibrated(self, claimed: float | None) -> Calibrated:
        """A claim as votes carry it: without a value while uncalibrated, and where nothing was claimed."""
        value = round(self(claimed), 4) if claimed is not None and self.is_calibrated else None
        return Calibrated(value, self.n, self.method.value, self.note)


def fitted(bins: Iterable[Bin], prior: Prior) -> Curve:
    """The curve of these graded votes: shrunk to the base rate below 30, Platt from 30, isotonic from 200."""
    seen = sorted((each for each in bins if each.n), key=lambda each: each.claimed)
    n, hits = sum(each.n for each in seen), sum(each.hits for each in seen)
    base = prior.mean(hits, n)
    if n < CALIBRATED_FROM:
        # The claim has at most half a say: it counts n against the thirty votes that are missing at first.
        say = n / (n + CALIBRATED_FROM)
        ends = tuple((claimed, base + say * (claimed - base)) for claimed in (0.0, 1.0))
        return Curve(CalibrationMethod.SHRUNK, n, base, ends)
    if n < ISOTONIC_FROM:
        sigmoid = platt(seen)
        grid = [step / _STEPS for step in range(_STEPS + 1)]
        return Curve(CalibrationMethod.PLATT, n, base, tuple((claimed, sigmoid(claimed)) for claimed in grid))
    return Curve(CalibrationMethod.ISOTONIC, n, base, _stairs(seen, n))


def _stairs(seen: list[Bin], n: int) -> tuple[tuple[float, float], ...]:
    # No record is long enough for a certainty: the ends stay as far from 0 and 1 as one more vote could bring them.
    least = 1 / (n + 2)
    values = isotonic([each.hits / each.n for each in seen], [float(each.n) for each in seen])
    return tuple((each.claimed, min(max(value, least), 1 - least)) for each, value in zip(seen, values, strict=True))
