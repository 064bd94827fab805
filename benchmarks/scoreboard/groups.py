"""The groups of the scoreboard by name, in the order in which they are printed. A new one is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.scoreboard.answers import answers
from benchmarks.scoreboard.board import Group
from benchmarks.scoreboard.budgets import budgets
from benchmarks.scoreboard.cancellation import cancellation
from benchmarks.scoreboard.capped import capped
from benchmarks.scoreboard.circuits import circuits, half_open, recovery
from benchmarks.scoreboard.deadlines import attempts, deadlines, leaving
from benchmarks.scoreboard.decisions import decisions, settling
from benchmarks.scoreboard.endurance import endurance
from benchmarks.scoreboard.fallbacks import amplification, costs, losses, pauses, wrong_successes
from benchmarks.scoreboard.health import health
from benchmarks.scoreboard.kills import kills
from benchmarks.scoreboard.limits import limits
from benchmarks.scoreboard.outage import outage
from benchmarks.scoreboard.overload import overload
from benchmarks.scoreboard.panel import panel
from benchmarks.scoreboard.record import record
from benchmarks.scoreboard.spills import spills
from benchmarks.scoreboard.stopping import stopping
from benchmarks.scoreboard.streams import streams
from benchmarks.scoreboard.usage import usage
from benchmarks.scoreboard.writing import writing

GROUPS: Final[Mapping[str, Group]] = {
    "deadlines": deadlines,
    "attempts": attempts,
    "leaving": leaving,
    "cancellation": cancellation,
    "panel": panel,
    "settling": settling,
    "decisions": decisions,
    "answers": answers,
    "record": record,
    "amplification": amplification,
    "losses": losses,
    "wrong": wrong_successes,
    "costs": costs,
    "pauses": pauses,
    "circuits": circuits,
    "half_open": half_open,
    "recovery": recovery,
    "limits": limits,
    "budgets": budgets,
    "overload": overload,
    "streams": streams,
    "health": health,
    "kills": kills,
    "capped": capped,
    "outage": outage,
    "spills": spills,
    "stopping": stopping,
    "writing": writing,
    "usage": usage,
    "endurance": endurance,
}
