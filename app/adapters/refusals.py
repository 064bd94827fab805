"""Parameters that reasoning models refuse, by the model's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_SAMPLING: Final = frozenset({"temperature", "top_p", "logprobs", "top_logprobs"})
_NEVER: Final = frozenset({"presence_penalty", "frequency_penalty", "logit_bias", "prediction"})
_OPENAI: Final = re.compile(r"(?:^|/)(?:o(?P<o>[1-9])|gpt-(?P<major>[5-9])(?:\.(?P<minor>\d+))?)(?:-|$)")
_CHAT_VARIANT: Final = "-chat"
_NEVER_REASONS: Final = re.compile(r"(?:^|/)(?:ft:)?(?:gpt-[34]|chatgpt-4o)")
_ONE_VERBOSITY: Final = "medium"
# Without a stated effort these do not reason (GPT-5.1 to 5.4); all others do.
_QUIET_FROM: Final = (5, 1)
_QUIET_UNTIL: Final = (5, 4)
_GROK: Final = re.compile(r"(?:^|/)grok-(?:[4-9]|code|build)")
_GROK_NO_EFFORT: Final = re.compile(r"(?:^|/)grok-(?:4(?:-|$)|4\.20|code|build)")
_GROK_QUIET: Final = "non-reasoning"


def openai_refusals(model: str, parameters: Mapping[str, Any]) -> frozenset[str]:
    """What OpenAI's (and Azure's) models answer with 400; a default value is no problem.

    The o-series, GPT-5 and GPT-6 refuse what steers sampling, those before them what steers reasoning.
    """
    if _NEVER_REASONS.search(model):
        is_usual = parameters.get("verbosity") == _ONE_VERBOSITY
        return frozenset({"reasoning_effort"} if is_usual else {"reasoning_effort", "verbosity"})
    match = _OPENAI.search(model)
    if match is None or _CHAT_VARIANT in model:
        return frozenset()
    refused = _NEVER if match["o"] == "1" else _NEVER | {"stop"}
    if _reasons(match, parameters.get("reasoning_effort")):
        refused |= _SAMPLING
        # GPT-6 refuses any temperature, the others take their default.
        if parameters.get("temperature") == 1 and match["major"] not in ("6", "7", "8", "9"):
            refused -= {"temperature"}
    return refused


def xai_refusals(model: str, parameters: Mapping[str, Any]) -> frozenset[str]:
    """What Grok 4 and later answer with 400."""
    del parameters
    if not _GROK.search(model):
        return frozenset()
    refused = frozenset({"reasoning_effort"}) if _GROK_NO_EFFORT.search(model) else frozenset()
    if _GROK_QUIET in model:
        return refused
    return refused | {"presence_penalty", "frequency_penalty", "stop"}


def deepseek_refusals(model: str, parameters: Mapping[str, Any]) -> frozenset[str]:
    """What thinking, which is on by default, does without."""
    del model
    if parameters.get("reasoning_effort") == "none":
        return frozenset()
    return _SAMPLING | {"presence_penalty", "frequency_penalty"}


def _reasons(match: re.Match[str], effort: Any) -> bool:  # noqa: ANN401 - a wire value
    if effort is not None:
        return bool(effort != "none")
    if match["o"]:
        return True
    version = (int(match["major"]), int(match["minor"] or 0))
    return not _QUIET_FROM <= version <= _QUIET_UNTIL
