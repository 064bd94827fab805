"""How a model of Anthropic's is told to think and to sample, by what its generation takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.adapters.anthropic_models import ModelTraits, Thinking
from app.adapters.codec import unsupported
from app.domain.chat import JSON

SAMPLING: Final = ("temperature", "top_p", "top_k")
_BUDGETS: Final[Mapping[str, int]] = {"low": 1024, "medium": 4096, "high": 8192, "xhigh": 16_384, "max": 16_384}
_LEAST_BUDGET: Final = 1024


def think(body: JSON, effort: Any, traits: ModelTraits, *, has_room: bool, warnings: list[str]) -> None:  # noqa: ANN401
    """Write `reasoning_effort` into the body. `has_room`: `max_tokens` is our own default and may grow."""
    if effort is None or "thinking" in body:
        return
    effort = "low" if effort == "minimal" else str(effort)
    if effort == "none":
        if traits.thinking is Thinking.ADAPTIVE_BY_DEFAULT:
            body["thinking"] = {"type": "disabled"}
        elif traits.thinking is Thinking.ALWAYS:
            warnings.append(f"reasoning_effort was dropped: {body['model']} always thinks")
    elif effort not in _BUDGETS or traits.thinking is Thinking.NONE:
        warnings.append(f"reasoning_effort was dropped: {body['model']} knows no level {effort[:20]!r}")
    elif traits.thinking is Thinking.BUDGET:
        _give_budget(body, _BUDGETS[effort], has_room=has_room, warnings=warnings)
    else:
        if effort not in traits.efforts:
            warnings.append(f"reasoning_effort {effort} became high, the most that {body['model']} knows")
            effort = "high"
        stated = body.get("output_config")
        body["output_config"] = {**(stated if isinstance(stated, dict) else {}), "effort": effort}
        if traits.thinking is not Thinking.ALWAYS:
            body["thinking"] = {"type": "adaptive"}


def effort_beside_force(body: JSON, effort: Any, traits: ModelTraits, warnings: list[str]) -> Any:  # noqa: ANN401
    """The effort that is left where a tool must be called: most models cannot do both.

    The call is what the request needs and thinking what it would like, so that thinking goes. Raises ProviderError
    where it was asked for in Anthropic's own words, or where the model cannot be made to call at all.
    """
    if not traits.forced_tools:
        raise unsupported(f"{body['model']} cannot be made to call a tool", "tool_choice")
    if traits.forced_while_thinking:
        return effort
    if thinks(body):
        raise unsupported(f"{body['model']} cannot be made to call a tool while it thinks", "tool_choice")
    if effort not in (None, "none"):
        warnings.append(f"reasoning_effort was dropped: {body['model']} does not think when it must call a tool")
    return "none"


def thinks(body: JSON) -> bool:
    """Whether the body switches thinking on."""
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def sampling(given: Mapping[str, Any], model: str, traits: ModelTraits, warnings: list[str]) -> JSON:
    """Those of temperature, top_p and top_k that the model takes."""
    kept: JSON = {name: given[name] for name in SAMPLING if given.get(name) is not None}
    if not traits.samples:
        warnings += [f"{name} was dropped: {model} does not take it" for name in kept]
        return {}
    if traits.one_sampler and "temperature" in kept and "top_p" in kept:
        del kept["top_p"]
        warnings.append(f"top_p was dropped: {model} takes temperature or top_p, not both")
    temperature = kept.get("temperature")
    if isinstance(temperature, int | float) and temperature > 1:
        kept["temperature"] = 1
        warnings.append(f"temperature {temperature:g} became 1, the highest here")
    return kept


def _give_budget(body: JSON, wanted: int, *, has_room: bool, warnings: list[str]) -> None:
    if has_room:
        body["max_tokens"] += wanted  # our own default is for the answer; the thinking comes on top
    budget = min(wanted, body["max_tokens"] // 2)
    if budget < _LEAST_BUDGET:
        warnings.append(f"reasoning_effort was dropped: max_tokens={body['max_tokens']} leaves no room for thinking")
        return
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}
