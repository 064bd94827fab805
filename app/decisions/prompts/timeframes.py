"""One block per timeframe: horizon, holding time, distance of the stop, least reward to risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.decisions.context import Timeframe
from app.decisions.prompts.blocks import Block


@dataclass(frozen=True, slots=True)
class Horizon:
    """How a timeframe is traded; `nearest` and `farthest` are distances of the stop in multiples of the ATR."""

    looks_ahead: str
    held: str
    nearest: float
    farthest: float
    least_reward: float
    advice: str


HORIZONS: Final[Mapping[Timeframe, Horizon]] = {
    Timeframe.SCALPING: Horizon(
        "the next minutes",
        "one to fifteen minutes, never over an event in the calendar",
        0.5,
        1.0,
        1.2,
        "Spread and fees are a large part of the reward: count them, and leave what they would eat.",
    ),
    Timeframe.INTRADAY: Horizon(
        "the rest of the session",
        "from a quarter of an hour to the end of the session",
        1.0,
        2.0,
        1.5,
        "What is scheduled for today can undo any chart: name it when you know of it from the material.",
    ),
    Timeframe.SWING: Horizon(
        "the next days",
        "two days to two weeks",
        1.5,
        3.0,
        2.0,
        "Gaps over nights and weekends are part of the risk: the stop may be filled far beyond its price.",
    ),
    Timeframe.POSITION: Horizon(
        "the next weeks and months",
        "three weeks to six months",
        2.5,
        4.0,
        2.5,
        "Single days do not matter: judge the trend of the longer bars and what would end it.",
    ),
}


def _block(timeframe: Timeframe, horizon: Horizon) -> Block:
    text = (
        f"The timeframe is {timeframe.value}: judge {horizon.looks_ahead}. A position is held {horizon.held}. Put the "
        f"stop {horizon.nearest:g} to {horizon.farthest:g} ATR from the entry, where the argument would be wrong, "
        f"without an ATR as far as the recent bars ask for. The reward to the nearest target is at least "
        f"{horizon.least_reward:g} times the risk, or the answer is HOLD. {horizon.advice}"
    )
    return Block(f"timeframe_{timeframe.value}", "1", text)


TIMEFRAMES: Final[Mapping[Timeframe, Block]] = {
    timeframe: _block(timeframe, horizon) for timeframe, horizon in HORIZONS.items()
}
