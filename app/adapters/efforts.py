"""The levels of reasoning that providers know, by the model's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_LEVELS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_Level = Mapping[str, dict[str, Any]]


def _said(*words: str | None) -> _Level:
    """A provider's word for each of our levels; None where it has none."""
    pairs = zip(_LEVELS, words, strict=True)
    return {level: {"reasoning_effort": word} for level, word in pairs if word is not None}


_THREE: Final = _said("low", "low", "low", "medium", "high", "high", "high")
_THREE_OR_NONE: Final = _said("none", "low", "low", "medium", "high", "high", "high")
_NO_OR_HIGH: Final = _said("none", *["high"] * 6)
_ALWAYS: Final[_Level] = {level: {} for level in _LEVELS if level != "none"}
_GROK_WITH_XHIGH: Final = _said("low", "low", "low", "medium", "high", "xhigh", "xhigh")
_GROK_MINI: Final = _said("low", "low", "low", "high", "high", "high", "high")
_ROUTED: Final = _said("none", "minimal", "low", "medium", "high", "xhigh", "xhigh")
_DEEPSEEK: Final[_Level] = {
    "none": {"thinking": {"type": "disabled"}},
    **{
        level: {"thinking": {"type": "enabled"}, **fields}
        for level, fields in _said(None, "low", "low", "high", "high", "high", "max").items()
    },
}
_TOGETHER: Final[_Level] = {
    "none": {"reasoning": {"enabled": False}},
    **_said(None, "low", "low", "medium", "high", "high", "high"),
}
_QWEN: Final[_Level] = {**_THREE_OR_NONE, "default": {"reasoning_effort": "default"}}
_MINI: Final = "mini"
_MISTRAL_QUIET: Final = re.compile(r"codestral|pixtral|mixtral|mistral-nemo|open-mistral|mistral-7b")
_GROK: Final = re.compile(r"grok-(?P<major>\d+)(?:\.(?P<minor>\d+))?")
_NOTHING: Final[_Level] = {}


def deepseek_efforts(model: str) -> _Level:
    """Thinking is switched on and off by a field of its own."""
    del model
    return _DEEPSEEK


def groq_efforts(model: str) -> _Level:
    """Two families know levels; any other model answers 400."""
    if "gpt-oss" in model:
        return _THREE
    return _QWEN if "qwen" in model else _NOTHING


def xai_efforts(model: str) -> _Level:
    """Grok 4.3 alone can do without; models that refuse the parameter are among the refusals."""
    match = _GROK.search(model)
    version = (int(match["major"]), int(match["minor"] or 0)) if match else (0, 0)
    if version == (4, 3):
        return _THREE_OR_NONE
    if version == (4, 6):
        return _GROK_WITH_XHIGH
    if match and version[0] <= 3:
        return _GROK_MINI if _MINI in model else _NOTHING
    return _THREE


def mistral_efforts(model: str) -> _Level:
    """All or nothing; Magistral always reasons and is not asked, and older models never do."""
    if _MISTRAL_QUIET.search(model):
        return _NOTHING
    return _ALWAYS if "magistral" in model else _NO_OR_HIGH


def together_efforts(model: str) -> _Level:
    """Three levels, and a switch."""
    del model
    return _TOGETHER


def openrouter_efforts(model: str) -> _Level:
    """All of OpenAI's words but the highest."""
    del model
    return _ROUTED
