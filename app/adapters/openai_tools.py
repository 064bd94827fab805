"""Tools of OpenAI's dialect, said as one provider takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.adapters.codec import unsupported
from app.domain.chat import JSON

_NAMES_BELOW: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA: Final = ("enum", "const", "default", "examples")
_DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class ToolRules:
    """How one provider's tools differ from OpenAI's.

    `has_functions`: it takes the retired `functions` and `function_call`. `has_allowed_tools`: it takes that form of
    `tool_choice`. `required`: its word for "some tool". `says_auto`: without a choice it would not look at the tools.
    `refused_keywords`: keywords of JSON schema that it refuses.
    """

    has_strict: bool = True
    has_functions: bool = True
    has_allowed_tools: bool = True
    required: str = "required"
    says_auto: bool = False
    refused_keywords: frozenset[str] = frozenset()


OPENAIS_TOOLS: Final = ToolRules()


def put_tools_right(body: JSON, rules: ToolRules) -> None:
    """Change `tools` and `tool_choice` of a body; raises ProviderError(UNSUPPORTED)."""
    if not rules.has_functions and (body.get("functions") or body.get("function_call")):
        raise unsupported("functions are known as tools only", "functions")
    tools, choice = body.get("tools"), body.get("tool_choice")
    tools = tools if isinstance(tools, list) else []
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools" and not rules.has_allowed_tools:
        tools, choice = _only_allowed(tools, choice.get("allowed_tools"))
        body["tool_choice"] = choice
    if choice == "required":
        body["tool_choice"] = rules.required
    if not tools:
        return
    if choice is None and rules.says_auto:
        body["tool_choice"] = "auto"
    if not rules.has_strict or rules.refused_keywords:
        tools = [_plain(tool, rules) for tool in tools]
    body["tools"] = tools


def without_keywords(schema: Any, keywords: frozenset[str], depth: int = 0) -> Any:  # noqa: ANN401 - a wire body
    """A JSON schema without these keywords, at any depth; properties of the same names stay."""
    if depth > _DEEPEST:
        raise unsupported(f"a tool's schema is nested more than {_DEEPEST} levels deep", "tools")
    if isinstance(schema, list):
        return [without_keywords(each, keywords, depth + 1) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept: JSON = {}
    for name, value in schema.items():
        if name in keywords:
            continue
        if name in _NAMES_BELOW and isinstance(value, dict):
            kept[name] = {key: without_keywords(each, keywords, depth + 1) for key, each in value.items()}
        else:
            kept[name] = value if name in _DATA else without_keywords(value, keywords, depth + 1)
    return kept


def _only_allowed(tools: Sequence[Any], allowed: Any) -> tuple[list[Any], str]:  # noqa: ANN401 - a wire body
    """The tools that may be used, and whether one must be: the same as the one form that only OpenAI knows."""
    allowed = allowed if isinstance(allowed, Mapping) else {}
    named = allowed.get("tools")
    names = [_name(each) for each in named] if isinstance(named, list) else []
    kept = [tool for tool in tools if _name(tool) in names]
    if not kept:
        raise unsupported("allowed_tools names none of the tools", "tool_choice")
    return kept, "required" if allowed.get("mode") == "required" else "auto"


def _name(tool: Any) -> Any:  # noqa: ANN401 - a wire body
    function = tool.get("function") if isinstance(tool, dict) else None
    return function.get("name") if isinstance(function, dict) else None


def _plain(tool: Any, rules: ToolRules) -> Any:  # noqa: ANN401 - a wire body
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        return tool
    kept = {name: value for name, value in function.items() if name != "strict" or rules.has_strict}
    if rules.refused_keywords and "parameters" in kept:
        kept["parameters"] = without_keywords(kept["parameters"], rules.refused_keywords)
    return {**tool, "function": kept}
