"""Open weights by their many names: what is true of them wherever they run."""

from __future__ import annotations

import re

# How a file is packed or a chat is tuned changes neither what the weights have read nor who trained them.
_PACKING = re.compile(
    r"-(?:instruct|it|chat|turbo|hf|gguf|awq|gptq|mlx|fp8|fp16|bf16|int[48]|dynamic|w\da\d+|[48]bit|i?q\d[_a-z0-9]*)$"
)
_MAKERS_PREFIX = re.compile(r"^(?:meta-|google-|mistralai-)(?=llama|gemma|mi[sx]tral)")
_WORD_THEN_VERSION = re.compile(r"^([a-z]+)-(?=\d)")


def key_of(model: str) -> str:
    """One name for `llama3.1:8b`, `meta-llama/Llama-3.1-8B-Instruct` and `llama-3.1-8b-instruct-fp8`: `llama3.1-8b`."""
    name = model[-256:].rpartition("/")[2].lower()
    tag = name.removesuffix(":latest").replace(":", "-")
    key = _MAKERS_PREFIX.sub("", tag)
    while (shorter := _PACKING.sub("", key)) != key:
        key = shorter
    return _WORD_THEN_VERSION.sub(r"\1", key)
