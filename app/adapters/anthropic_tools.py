"""Tools and the choice among them, in Anthropic's words."""

from __future__ import annotations

import re
from typing import Any, Final

from app.adapters.codec import bad_request, unsupported
from app.domain.chat import JSON

_SERVER_TOOL: Final = re.compile(r"[a-z_]+_2\d{7}")
"""Tools that Anthropic runs itself: a name and the day of a version."""

_CHOICES: Final = {"auto": "auto", "required": "any", "none": "none"}


def offered(given: Any) -> list[JSON]:  # noqa: ANN401 - a wire body
    """The tools of a request; raises ProviderError for one that this dialect has no words for."""
    if given is None:
        return []
    if not isinstance(given, list | tuple):
        raise bad_request("tools is no list", "tools")
    return [_tool(tool, f"tools.{position}") for position, tool in enumerate(given)]


def allowed(tools: list[JSON], choice: Any) -> list[JSON]:  # noqa: ANN401 - a wire body
    """Those of the tools that OpenAI's `allowed_tools` leaves: not to offer the others says the same."""
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return tools
    listed = _allowance(choice).get("tools")
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    functions = [entry.get("function", entry) for entry in entries]
    names = [function.get("name") for function in functions if isinstance(function, dict)]
    return [tool for tool in tools if tool.get("name") in names]


def chosen(choice: Any, parallel: Any) -> JSON | None:  # noqa: ANN401 - a wire body
    """`tool_choice`, with `parallel_tool_calls` inside it; None where neither was said."""
    said = _choice(choice)
    if parallel is None:
        return said
    said = said or {"type": "auto"}
    return said if said["type"] == "none" else {**said, "disable_parallel_tool_use": not parallel}


def is_forced(choice: JSON | None) -> bool:
    """Whether the model must call a tool."""
    return choice is not None and choice["type"] in ("any", "tool")


def tools_of_history(turns: list[JSON]) -> list[JSON]:
    """Stand-ins for the tools that were called before: some models refuse a history with calls and no tools."""
    used = {block["name"]: None for turn in turns for block in turn["content"] if block.get("type") == "tool_use"}
    return [{"name": name, "input_schema": {"type": "object"}} for name in used]


def _tool(tool: Any, where: str) -> JSON:  # noqa: ANN401 - a wire body
    kind = tool.get("type", "function") if isinstance(tool, dict) else None
    if isinstance(kind, str) and _SERVER_TOOL.fullmatch(kind):
        return dict(tool)
    function = tool.get("function") if isinstance(tool, dict) else None
    if kind != "function" or not isinstance(function, dict):
        raise unsupported(f"a tool of type {str(kind)[:40]!r} cannot be offered to this provider", "tools")
    name, schema = function.get("name"), function.get("parameters") or {}
    if not isinstance(name, str) or not name:
        raise bad_request("a function without a name", f"{where}.function.name")
    if not isinstance(schema, dict):
        raise bad_request(f"the parameters of {name} are no JSON schema", f"{where}.function.parameters")
    translated: JSON = {"name": name, "input_schema": {"type": "object", **schema}}
    if function.get("description"):
        translated["description"] = function["description"]
    if function.get("strict"):
        translated["strict"] = True
    if "cache_control" in tool:
        translated["cache_control"] = tool["cache_control"]
    return translated


def _choice(choice: Any) -> JSON | None:  # noqa: ANN401 - a wire body
    if isinstance(choice, dict):
        named = choice.get("function")
        if isinstance(named, dict) and named.get("name"):
            return {"type": "tool", "name": named["name"]}
        choice = _allowance(choice).get("mode") if choice.get("type") == "allowed_tools" else choice.get("type")
    if choice is None:
        return None
    if not isinstance(choice, str) or choice not in _CHOICES:
        raise bad_request(f"unknown tool_choice {str(choice)[:40]!r}", "tool_choice")
    return {"type": _CHOICES[choice]}


def _allowance(choice: JSON) -> JSON:
    stated = choice.get("allowed_tools")
    return stated if isinstance(stated, dict) else {}
