"""Which of OpenAI's two wires carries a request: newer models take function tools over the Responses API only.

| family | models | no function tools | function tools |
| --- | --- | --- | --- |
| CHAT | everything else, chat variants, deployments whose names tell nothing | chat | chat |
| QUIET | GPT-5.4 and later | chat | chat with the stated effort `none`, else Responses |
| PLAIN | gpt-6-astra, gpt-6.1-sol: they always reason | chat | Responses |
| NEW | pro, codex and deep-research variants | Responses | Responses |

Custom tools decide nothing: both wires have words for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from app.domain.chat import Wire


class Family(Enum):
    """How models differ in what they take over Chat Completions."""

    CHAT = "all of it"
    QUIET = "function tools only while they do not reason"
    PLAIN = "no function tools"
    NEW = "nothing"


# The first that matches counts; names may have their vendor before them.
_NAMED: Final = (
    (re.compile(r"(?:^|/)(?:o\d+|gpt-\d+(?:\.\d+)?)-(?:.*-)?(?:pro|codex|deep-research)(?:-|$)"), Family.NEW),
    (re.compile(r"(?:^|/)codex-"), Family.NEW),
    (re.compile(r"(?:^|/)gpt-\d+(?:\.\d+)?-(?:.*-)?chat(?:-|$)"), Family.CHAT),
    (re.compile(r"(?:^|/)gpt-(?:6-astra|6\.1-sol)(?:-|$)"), Family.PLAIN),
)
_GENERATION: Final = re.compile(r"(?:^|/)gpt-(\d{1,3})(?:\.(\d{1,3}))?(?:-|$)")
_QUIET_SINCE: Final = (5, 4)


def family_of(model: str) -> Family:
    """The family by the model's name; quick, for it is asked with every request."""
    for pattern, family in _NAMED:
        if pattern.search(model):
            return family
    match = _GENERATION.search(model)
    if match is None or (int(match[1]), int(match[2] or 0)) < _QUIET_SINCE:
        return Family.CHAT
    return Family.QUIET


def wire_of(model: str, parameters: Mapping[str, Any]) -> Wire:
    """The wire over which this model takes a request with these parameters."""
    match family_of(model):
        case Family.CHAT:
            return Wire.CHAT
        case Family.NEW:
            return Wire.RESPONSES
        case Family.QUIET if parameters.get("reasoning_effort") == "none":
            return Wire.CHAT
        case Family.QUIET | Family.PLAIN:
            return Wire.RESPONSES if _has_functions(parameters.get("tools")) else Wire.CHAT


def _has_functions(tools: Any) -> bool:  # noqa: ANN401 - a wire body
    return isinstance(tools, list) and any(isinstance(each, dict) and each.get("type") == "function" for each in tools)
