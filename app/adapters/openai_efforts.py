"""The levels of `reasoning_effort` that OpenAI's models know; another level is answered 400 and cannot be repeated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_ORDER: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_THREE: Final = ("low", "medium", "high")
_O_SERIES: Final = re.compile(r"(?:^|/)o\d+(?:-mini)?(?:-\d{4}-|$)")
_GPT: Final = re.compile(r"(?:^|/)gpt-(\d{1,3})(?:\.(\d{1,3}))?(?:-|$)")
_NEVER_REASON: Final = re.compile(r"(?:^|/)(?:chatgpt-4o|gpt-(?:3\.5|4o?|4\.\d))(?:-|$)")
_ALWAYS_REASON: Final = re.compile(r"(?:^|/)gpt-(?:6-astra|6\.1-sol)(?:-|$)")
# Their levels differ from their family's, and nobody has written them down.
_APART: Final = re.compile(r"-(?:pro|codex|chat|deep-research)(?:-|$)")


def levels_of(model: str) -> tuple[str, ...] | None:
    """The levels that a model knows, lowest first; None where that is not known."""
    if _APART.search(model):
        return None
    if _O_SERIES.search(model):
        return _THREE
    match = _GPT.search(model)
    version = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
    if not (5, 0) <= version < (7, 0):
        return None
    if version == (5, 0):
        return ("minimal", *_THREE)
    if version < (6, 0):
        return ("none", *_THREE) if version == (5, 1) else ("none", *_THREE, "xhigh")
    return _ORDER[2:] if _ALWAYS_REASON.search(model) else ("none", *_ORDER[2:])


def with_known_effort(model: str, parameters: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The parameters with the nearest effort that the model knows (the higher of two), and a warning of any change."""
    effort = parameters.get("reasoning_effort")
    if effort is None:
        return parameters, ()
    if _NEVER_REASON.search(model):
        rest = {name: value for name, value in parameters.items() if name != "reasoning_effort"}
        return rest, () if effort == "none" else (f"reasoning_effort was dropped: {model} does not reason",)
    known = levels_of(model)
    if known is None or effort in known or effort not in _ORDER:
        return parameters, ()
    at = _ORDER.index(effort)
    nearest = min(known, key=lambda level: (abs(_ORDER.index(level) - at), -_ORDER.index(level)))
    warning = f"reasoning_effort {effort} was sent as {nearest}: {model} knows no {effort}"
    return {**parameters, "reasoning_effort": nearest}, (warning,)
