"""Which templates this code has: every block that a prompt may be composed from, with version and hash."""

from __future__ import annotations

from typing import Final

from app.decisions.prompts import blocks, contract, tasks
from app.decisions.prompts.blocks import Block
from app.decisions.prompts.composing import VERSION
from app.decisions.prompts.regimes import REGIMES
from app.decisions.prompts.timeframes import TIMEFRAMES

BLOCKS: Final[tuple[Block, ...]] = tuple(
    block
    for found in (vars(blocks), vars(contract), vars(tasks), REGIMES, TIMEFRAMES)
    for block in found.values()
    if isinstance(block, Block)
)


def template_fields() -> dict[str, str | dict[str, str]]:
    """How blocks are put together, and each block's version and hash by its id."""
    return {
        "composition": VERSION,
        **{block.id: {"version": block.version, "hash": block.hash} for block in BLOCKS},
    }
