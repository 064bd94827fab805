"""How good a target's answers turned out to be, as far as anybody has looked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grade:
    """`hits` of `graded` decisions were right once the market had spoken; `valid` of `answers` could be used at all."""

    hits: int = 0
    graded: int = 0
    valid: int = 0
    answers: int = 0
