"""The book of scores: what graded votes say of everybody, in memory for those who route, weigh and decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Final, TypeVar

from app.domain.grades import Calibrated, Grade, Prior
from app.domain.ports import Grades
from app.domain.target import Target
from app.outcomes.calibration import Curve, fitted
from app.outcomes.days import Day, Seen, added, decayed

MOST_SUBJECTS: Final = 2_000
"""Targets, and methods, that are kept in memory; beyond them the least graded are forgotten."""

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """How records become expectations.

    `refresh` is seconds between looks at the record, `lookback_days` how far back they go; a graded vote counts half
    after `half_life_days`.
    """

    prior: Prior = Prior()
    half_life_days: float = 30.0
    lookback_days: int = 180
    refresh: float = 5.0


@dataclass(frozen=True, slots=True)
class Page:
    """What is known by now."""

    grades: Mapping[Target, Grade] = field(default_factory=dict)
    targets: Mapping[Target, Curve] = field(default_factory=dict)
    methods: Mapping[str, Curve] = field(default_factory=dict)


def page_of(days: Mapping[date, Day], today: date, rules: ScoreRules) -> Page:
    """What these days say; a function of the record alone, so that every process reads the same."""
    targets = _kept(added(day.targets for day in days.values()))
    methods = _kept(added(day.methods for day in days.values()))
    grades = {
        target: _grade(
            seen, {at: day.targets[target] for at, day in days.items() if target in day.targets}, today, rules
        )
        for target, seen in targets.items()
    }
    return Page(
        MappingProxyType(grades),
        MappingProxyType({target: fitted(seen.bins(), rules.prior) for target, seen in targets.items()}),
        MappingProxyType({method: fitted(seen.bins(), rules.prior) for method, seen in methods.items()}),
    )


class ScoreBook:
    """Holds the page in force. `of` and the curves only look it up; `turn` puts the next page in its place.

    `heard` knows of answers that no page has yet: the share of usable ones is its to say where it heard any.
    """

    def __init__(self, rules: ScoreRules, heard: Grades) -> None:
        self._unknown = Grade(hit_rate=rules.prior.hit_rate)
        self._nothing = fitted((), rules.prior)
        self._heard = heard
        self._page = Page()

    @property
    def page(self) -> Page:
        """The page in force."""
        return self._page

    def turn(self, page: Page) -> None:
        """From here on this page holds."""
        self._page = page

    def of(self, target: Target) -> Grade | None:
        """The target's grade; of one nobody knows, the prior's."""
        grade = self._page.grades.get(target, self._unknown)
        heard = self._heard.of(target)
        return grade if heard is None else replace(grade, valid=heard.valid, answers=heard.answers)

    def of_vote(self, target: Target, claimed: float | None) -> Calibrated:
        """A stated confidence by how such claims of this target came true."""
        return self._page.targets.get(target, self._nothing).calibrated(claimed)

    def of_panel(self, method: str, agreement: float) -> Calibrated:
        """A panel's agreement by how often panels of this method were right that agreed as much."""
        return self._page.methods.get(method, self._nothing).calibrated(agreement)


def _grade(seen: Seen, days: Mapping[date, Seen], today: date, rules: ScoreRules) -> Grade:
    # What counts as a record is votes as they are; only what they are worth decays.
    is_proven = seen.graded >= rules.prior.enough and seen.graded > 0
    rate = rules.prior.mean(*decayed(days, today, rules.half_life_days)) if is_proven else rules.prior.hit_rate
    return Grade(seen.hits, seen.graded, rate, is_proven, seen.valid, seen.answers)


def _kept(seen: dict[K, Seen]) -> dict[K, Seen]:
    if len(seen) <= MOST_SUBJECTS:
        return seen
    best = sorted(seen.items(), key=lambda item: (item[1].graded, item[1].answers), reverse=True)
    return dict(best[:MOST_SUBJECTS])
