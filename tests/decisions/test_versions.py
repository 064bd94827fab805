"""Every block a prompt may be composed from is among the templates that this code has."""

from __future__ import annotations

import importlib
import pkgutil

from app.decisions import prompts
from app.decisions.prompts.blocks import Block
from app.decisions.prompts.versions import BLOCKS, template_fields


def test_no_block_is_left_out() -> None:
    found: set[str] = set()
    for module in pkgutil.iter_modules(prompts.__path__):
        for value in vars(importlib.import_module(f"{prompts.__name__}.{module.name}")).values():
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
            found |= {one.id for one in inner if isinstance(one, Block)}

    assert found == {block.id for block in BLOCKS}
    assert set(template_fields()) == found | {"composition"}
