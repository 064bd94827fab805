"""Templates beside the decision's: recognising patterns, assessing a proposal's risk, and asking again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.decisions.context import MarketContext
from app.decisions.prompts.blocks import Block
from app.decisions.prompts.composing import Prompt, composed_prompt
from app.decisions.prompts.figures import Figures
from app.decisions.prompts.material import material_of
from app.domain.chat import JSON
from app.text.context_block import PROPOSAL, block, canonical_json, token_of

PATTERN_RECOGNITION: Final = Block(
    "pattern_recognition",
    "1",
    "You look for chart patterns in the material of one market. Name only what the series, levels and indicators "
    "show, and say which values show it; what would need bars that are not there is no pattern. Most charts have none. "
    "You do not trade and recommend nothing.",
)

PATTERN_CONTRACT: Final = Block(
    "pattern_contract",
    "1",
    'Answer with exactly one JSON object and nothing else: {"patterns": [...]}, empty where there are none. Each has '
    "name (lower case words joined by underscores), direction (bullish, bearish or neutral), confidence (0 to 1: how "
    "often what looks like this turns out to be it), bar (length of the bars), evidence (one sentence with "
    "the values).",
)

RISK_ASSESSMENT: Final = Block(
    "risk_assessment",
    "1",
    "You are the risk officer, not a trader. proposed_decision was made by somebody else; you may let it pass, make it "
    "smaller or turn it down, never make it larger, turn it round or replace it. Look for what is wrong with it: the "
    "stop against the ATR and the levels, the size against equity, open risk and constraints, the reward against the "
    "risk, what would gap through the stop, and what in the argument the material does not bear out. Without an "
    "account or a stop the risk is not known, and unknown risk is not small.",
)

RISK_CONTRACT: Final = Block(
    "risk_contract",
    "1",
    "Answer with exactly one JSON object and nothing else, with these keys in this order: scenarios (up to five "
    "objects with name, probability from 0 to 1, loss_fraction of equity from 0 to 1); reasons (up to five sentences); "
    "risk_score (0 for none to 1 for ruin); verdict (one of the words approve, reduce, reject); max_fraction (the "
    "largest share of equity that may be used, from 0 to 1; not above what was proposed; 0 with reject).",
)

REPAIR: Final = Block(
    "repair",
    "1",
    "Your answer cannot be used, for the reasons below. Answer once more with one JSON object as asked, corrected. "
    "Keep your judgement: change what is wrong with the answer, not the action because it was refused. If no valid "
    "answer can say what you mean, give null as the action.",
)


def pattern_prompt(symbol: str, market: MarketContext) -> Prompt:
    """Asks for patterns in the form in which a context carries them; those already there are not shown."""
    bare = market.model_copy(update={"patterns": (), "position": None, "account": None, "news": (), "memory": ()})
    material = material_of(symbol, bare)
    blocks = [PATTERN_RECOGNITION, PATTERN_CONTRACT, *material.guides]
    messages = _messages(blocks, [*material.parts, f"Which patterns does {symbol} show now?"])
    return composed_prompt("pattern_recognition", messages, blocks, material)


def risk_prompt(
    symbol: str, market: MarketContext | None, proposal: Mapping[str, Any], *, account: Mapping[str, Any] | None = None
) -> Prompt:
    """Asks for the risk of a proposed decision; `proposal` is material like the market: any JSON object.

    `account` is that of a proposal whose market carries none.
    """
    material = None if market is None else material_of(symbol, market)
    told: list[Any] = [proposal] if account is None else [proposal, account]
    token = token_of(canonical_json(told))
    written = canonical_json(proposal) if market is None else Figures.of(market).written("proposal", proposal)
    parts = [*(() if material is None else material.parts), block(PROPOSAL, written, token)]
    if account is not None:
        parts.append(block("account", canonical_json(account), token))
    blocks = [RISK_ASSESSMENT, RISK_CONTRACT, *(() if material is None else material.guides)]
    messages = _messages(blocks, [*parts, f"Assess the proposed decision about {symbol}."])
    return composed_prompt("risk_assessment", messages, blocks, material)


def repair_text(reasons: Sequence[str]) -> str:
    """What is said to a member whose answer was invalid, with what was wrong with it."""
    return "\n".join([REPAIR.text, *(f"- {reason}" for reason in reasons)])


def _messages(blocks: Sequence[Block], parts: Sequence[str]) -> list[JSON]:
    return [
        {"role": "system", "content": "\n\n".join(block.text for block in blocks)},
        {"role": "user", "content": "\n\n".join(parts)},
    ]
