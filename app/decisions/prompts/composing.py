"""The prompt of a decision, composed from blocks: deterministic, versioned, hashed.

    system   core, contract, timeframe, how to read what is there, language, regime     ours, from the most lasting on
    user     the market's parts, memory, news; what is asked                            the caller's, delimited

What changes least comes first, so that providers' prompt caches work. Nothing of a caller's is ever a template: texts
are only put side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.decisions.context import MarketContext, Timeframe
from app.decisions.prompts.blocks import SYSTEM_CORE, Block, sha256
from app.decisions.prompts.contract import OUTPUT_CONTRACT, SCHEMA
from app.decisions.prompts.material import Material, material_of
from app.decisions.prompts.regimes import REGIMES
from app.decisions.prompts.timeframes import TIMEFRAMES
from app.domain.chat import JSON
from app.domain.frozen import frozen
from app.text.context_block import canonical_json

VERSION: Final = "2.0"
"""How blocks are put together; what they say has versions of its own."""


@frozen
class Prompt:
    """Messages for a panel's members; `template` names the blocks, versions and hashes that a decision records."""

    messages: tuple[JSON, ...]
    template: Mapping[str, Any]
    injection_suspected: bool = False
    warnings: tuple[str, ...] = ()
    material: Material | None = None


def market_prompt(symbol: str, market: MarketContext, *, has_regime: bool = True) -> Prompt:
    """The whole prompt of ours; without `has_regime` nothing is said against the bias that models have in a regime."""
    material = material_of(symbol, market)
    timeframe = TIMEFRAMES[market.timeframe or Timeframe.INTRADAY]
    regime = [REGIMES[material.regime.label]] if has_regime else []
    blocks = [SYSTEM_CORE, OUTPUT_CONTRACT, timeframe, *material.guides, *regime]
    messages: list[JSON] = [
        {"role": "system", "content": "\n\n".join([block.text for block in blocks])},
        {"role": "user", "content": "\n\n".join([*material.parts, question(symbol)])},
    ]
    return composed_prompt("decision", messages, [*blocks, SCHEMA], material)


def callers_prompt(symbol: str, messages: Sequence[JSON], market: MarketContext | None) -> Prompt:
    """A caller's own messages, with the output contract and, where there is a market, its blocks appended.

    How to judge is the caller's affair here: no regime, no timeframe, only how the material is read.
    """
    material = None if market is None else material_of(symbol, market)
    guides = () if material is None else material.guides
    parts = () if material is None else material.parts
    addition = "\n\n".join([*(guide.text for guide in guides), *parts, question(symbol), OUTPUT_CONTRACT.text])
    return composed_prompt("caller", _appended(messages, addition), [*guides, OUTPUT_CONTRACT, SCHEMA], material)


def composed_prompt(name: str, messages: Sequence[JSON], blocks: Sequence[Block], material: Material | None) -> Prompt:
    """The prompt with its template: what it was composed from, and the regime that it was composed for."""
    template = {
        "id": name,
        "version": VERSION,
        "hash": sha256(f"[{','.join([block.stamped for block in blocks])}]"),
        "blocks": [block.stamp() for block in blocks],
        "regime": None if material is None else material.regime.plain(),
        "prompt_hash": sha256(canonical_json(list(messages))),
    }
    if material is None:
        return Prompt(tuple(messages), template)
    return Prompt(tuple(messages), template, material.injection_suspected, material.warnings, material)


def question(symbol: str) -> str:
    """What is asked, in one line; a symbol has no spaces, so it cannot say anything."""
    return f"Decide about {symbol} now."


def _appended(messages: Sequence[JSON], addition: str) -> list[JSON]:
    """The messages with the addition at the end of the last user message, or as one when a user did not speak last."""
    last = messages[-1] if messages else {}
    content = last.get("content")
    if last.get("role") == "user" and isinstance(content, str):
        return [*messages[:-1], {**last, "content": f"{content}\n\n{addition}"}]
    if last.get("role") == "user" and isinstance(content, list):
        return [*messages[:-1], {**last, "content": [*content, {"type": "text", "text": addition}]}]
    return [*messages, {"role": "user", "content": addition}]
