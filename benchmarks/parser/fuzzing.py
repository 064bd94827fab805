"""A fuzzer that keeps what reaches new code: mutations of a corpus, guided by the branches that a parse takes."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import app
from app.decisions.parsing import Parsed
from benchmarks.parser.mutations import mutated
from benchmarks.parser.properties import broken_property

_HOUSE: Final = str(Path(app.__file__).parent)
_ROOMS: Final = (f"{_HOUSE}/decisions/", f"{_HOUSE}/text/")
_MOST_FAILURES: Final = 50

Branch = tuple[CodeType, int, int]
"""From one line of a function to the next that ran."""

Check = Callable[[str, str | None], tuple[str | None, Parsed | None]]
"""Which property a text breaks, for a position on this side, and what was read from it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A text that breaks a property."""

    text: str
    side: str | None
    problem: str


@dataclass(slots=True)
class Campaign:
    """A corpus and what it reached; `failures` holds the first text of each kind of problem."""

    rng: random.Random
    check: Check = broken_property
    corpus: list[str] = field(default_factory=list)
    branches: set[Branch] = field(default_factory=set)
    outcomes: set[tuple[str, ...]] = field(default_factory=set)
    failures: dict[str, Failure] = field(default_factory=dict)
    executions: int = 0
    actionable: int = 0

    def seed(self, texts: Iterable[str]) -> None:
        """Start from these; each is tried and kept."""
        for text in texts:
            self._try(text)
            self.corpus.append(text)

    def step(self) -> bool:
        """Try one mutation; whether it reached something new."""
        # The younger half twice as often: what was found last leads on.
        pool = self.corpus[len(self.corpus) // 2 :] if self.rng.random() < 0.5 else self.corpus
        text = mutated(self.rng.choice(pool), self.rng.choice(self.corpus), self.rng)
        is_new = self._try(text)
        if is_new:
            self.corpus.append(text)
        return is_new

    def _try(self, text: str) -> bool:
        side = self.rng.choice((None, "long", "short"))
        reached: set[Branch] = set()
        with _traced(reached):
            problem, parsed = self.check(text, side)
        self.executions += 1
        self.actionable += parsed is not None and parsed.opinion is not None
        if problem is not None and len(self.failures) < _MOST_FAILURES:
            self.failures.setdefault(problem, Failure(text, side, problem))
        outcomes = _outcomes(parsed)
        is_new = not (reached <= self.branches and outcomes <= self.outcomes)
        self.branches |= reached
        self.outcomes |= outcomes
        return is_new


def _outcomes(parsed: Parsed | None) -> set[tuple[str, ...]]:
    """How a parse ended, without the values: new endings are worth keeping too."""
    if parsed is None:
        return {("raised",)}
    method = parsed.trace.method or ""
    reason = (parsed.reason or "").partition(":")[0][:24] if parsed.status.value == "invalid" else ""
    warnings = {(method, warning.partition(":")[0]) for warning in parsed.trace.warnings}
    return {(parsed.status.value, method, reason), *warnings}


@contextmanager
def _traced(reached: set[Branch]) -> Iterator[None]:
    """Collects the branches that our own code takes while this is open."""
    before: dict[FrameType, int] = {}

    def line(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401 - what sys.settrace asks for
        if event == "line":
            reached.add((frame.f_code, before.get(frame, 0), frame.f_lineno))
            before[frame] = frame.f_lineno
        elif event == "return":
            before.pop(frame, None)
        return line

    def call(frame: FrameType, _event: str, _: Any) -> Any:  # noqa: ANN401
        return line if frame.f_code.co_filename.startswith(_ROOMS) else None

    outer = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(outer)
