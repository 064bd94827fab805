"""Tools of OpenAI's shape as Google's function declarations, and who may be called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from app.adapters.codec import bad_request, unsupported
from app.adapters.gemini_models import ModelTraits
from app.adapters.gemini_schema import openapi_schema
from app.domain.chat import JSON

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def offered(given: Mapping[str, Any], traits: ModelTraits, warnings: list[str]) -> JSON:
    """`tools` and `toolConfig` of a request, nothing where no tools are offered; raises ProviderError."""
    if given.get("functions"):
        raise unsupported("functions are not translated: offer tools", "functions")
    tools = given.get("tools") or ()
    if not isinstance(tools, list | tuple):
        raise bad_request("tools is no list", "tools")
    if not tools:
        return {}
    if not traits.has_tools:
        raise unsupported("this model takes no tools", "tools")
    declarations = [_declaration(tool, traits) for tool in tools]
    mode, allowed = _choice(given.get("tool_choice"))
    if allowed and mode != "ANY":
        # Only where a call is a must can it be said which one; what is not declared is not called either.
        declarations = [each for each in declarations if each["name"] in allowed]
        allowed = ()
    calling: JSON = {"mode": mode}
    if allowed:
        calling["allowedFunctionNames"] = list(allowed)
    if mode == "AUTO" and any(_is_strict(tool) for tool in tools):
        _hold_to_schemas(calling, traits, warnings)
    if given.get("parallel_tool_calls") is False:
        warnings.append("parallel_tool_calls was dropped: this API cannot be kept from parallel calls")
    if not declarations:
        return {}
    return {"tools": [{"functionDeclarations": declarations}], "toolConfig": {"functionCallingConfig": calling}}


def _declaration(tool: Any, traits: ModelTraits) -> JSON:  # noqa: ANN401 - a wire body
    kind = tool.get("type", "function") if isinstance(tool, dict) else None
    if kind != "function":
        raise unsupported(f"a tool of type {str(kind)[:40]!r} cannot be offered here", "tools")
    function = tool.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise bad_request("a tool without a function name", "tools")
    if not _NAME.fullmatch(name):
        raise unsupported(f"the tool name {name[:40]!r} does not begin with a letter or has other signs", "tools")
    schema = function.get("parameters") or {}
    if not isinstance(schema, dict):
        raise bad_request(f"the parameters of {name} are no JSON schema", "tools")
    declaration: JSON = {"name": name}
    if isinstance(function.get("description"), str) and function["description"]:
        declaration["description"] = function["description"]
    if schema and traits.json_schema:
        declaration["parametersJsonSchema"] = schema
    elif schema.get("properties") or schema.get("$ref"):
        # Without any properties the older field is refused; a function without parameters needs none.
        declaration["parameters"] = openapi_schema(schema, "tools")
    return declaration


def _choice(choice: Any) -> tuple[str, tuple[str, ...]]:  # noqa: ANN401 - a wire body
    """The mode, and the names that may be called; none named means all."""
    if isinstance(choice, dict):
        named = choice.get("function")
        if isinstance(named, dict) and isinstance(named.get("name"), str):
            return "ANY", (named["name"],)
        if choice.get("type") == "custom":
            raise unsupported("custom tools cannot be called here", "tool_choice")
        allowed = choice.get("allowed_tools")
        if not isinstance(allowed, dict):
            raise bad_request("a tool_choice that names no function", "tool_choice")
        return _mode(allowed.get("mode", "auto")), _names(allowed.get("tools"))
    return _mode("auto" if choice is None else choice), ()


def _mode(word: Any) -> str:  # noqa: ANN401 - a wire body
    if not isinstance(word, str) or word not in _MODES:
        raise bad_request(f"unknown tool_choice {str(word)[:40]!r}", "tool_choice")
    return _MODES[word]


def _names(tools: Any) -> tuple[str, ...]:  # noqa: ANN401 - a wire body
    functions = [each.get("function") for each in tools if isinstance(each, dict)] if isinstance(tools, list) else []
    names = [each.get("name") for each in functions if isinstance(each, dict)]
    usable = tuple(name for name in names if isinstance(name, str))
    if not usable:
        raise bad_request("allowed_tools names no function", "tool_choice")
    return usable


def _is_strict(tool: JSON) -> bool:
    return bool(tool["function"].get("strict"))


def _hold_to_schemas(calling: JSON, traits: ModelTraits, warnings: list[str]) -> None:
    if traits.checked_tools:
        calling["mode"] = "VALIDATED"
    else:
        warnings.append("strict was dropped: this model holds calls to their schemas only where a call is required")
