"""One block per regime, each against the bias that models have there.

Models were measured to be too timid in rising markets and too bold in falling ones. So the bull block names the
cost of being out, the bear block puts capital first, sideways makes no trade the default, and high volatility asks
for a smaller position with a wider stop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.decisions.context import RegimeLabel
from app.decisions.prompts.blocks import Block

REGIMES: Final[Mapping[RegimeLabel, Block]] = {
    RegimeLabel.BULL: Block(
        "regime_bull",
        "1",
        "The market is rising. Models are known to be too timid here: being out of a rise is a cost like a loss, so a "
        "HOLD needs as good an argument as a BUY. Having risen is no reason not to buy and an overbought oscillator is "
        "no reason to sell. Prefer entries on a pullback to those after a long bar, let the stop follow the structure, "
        "and sell short only where the trend itself is broken.",
    ),
    RegimeLabel.BEAR: Block(
        "regime_bear",
        "1",
        "The market is falling. Models are known to be too bold here: capital comes first, and cash is a position. "
        "Having fallen is no reason to buy and an oversold oscillator is no bottom. Buy only where the fall itself is "
        "broken, confirmed by structure and volume, with half of the usual size. Sell rallies rather than lows: "
        "rebounds in a falling market are sharp. Close what is long and has lost its reason.",
    ),
    RegimeLabel.SIDEWAYS: Block(
        "regime_sideways",
        "1",
        "The market goes nowhere. No trade is the default: what moves inside a range is mostly noise, and costs are "
        "certain. Act only at an edge of the range, back into it, with the stop just beyond that edge and the target "
        "before the other one; in the middle of the range answer HOLD. A break of the range counts when volume "
        "confirms it.",
    ),
    RegimeLabel.HIGH_VOLATILITY: Block(
        "regime_high_volatility",
        "1",
        "The market moves unusually far. Smaller and wider: put the stop at one and a half times its usual distance or "
        "more and cut the size by as much, so that the money at risk stays the same or less. Expect gaps and bad "
        "fills, enter with limits, use no leverage that a normal day would not bear, and do not chase a bar that has "
        "already run. If no stop fits between noise and acceptable loss, answer HOLD.",
    ),
}
