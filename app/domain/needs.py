"""What a request cannot do without, in the names that capabilities have: a target without one of them is not asked.

What only colours an answer (a seed, a penalty) is no need: a target that knows no such parameter is asked without it,
and the answer warns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.domain.chat import ChatRequest, Wire

TOOLS: Final = "tools"
FORCED_TOOLS: Final = "forced_tools"
CUSTOM_TOOLS: Final = "custom_tools"
VISION: Final = "vision"
AUDIO_IN: Final = "audio_in"
AUDIO_OUT: Final = "audio_out"
FILES: Final = "files"
CHOICES: Final = "n"
LOGPROBS: Final = "logprobs"
JSON_OBJECT: Final = "json_object"
JSON_SCHEMA: Final = "json_schema"
EMBEDDINGS: Final = "embeddings"
RESPONSES_TOOLS: Final = "responses_server_tools"
MESSAGES_TOOLS: Final = "messages_server_tools"

CHAT_ABILITIES: Final = frozenset(
    {TOOLS, FORCED_TOOLS, CUSTOM_TOOLS, VISION, AUDIO_IN, AUDIO_OUT, FILES, CHOICES, LOGPROBS, JSON_OBJECT, JSON_SCHEMA}
)
"""All that OpenAI's own chat wire can say."""

PARAMS: Final[Mapping[str, str]] = {
    TOOLS: "tools",
    FORCED_TOOLS: "tool_choice",
    CUSTOM_TOOLS: "tools",
    VISION: "messages",
    AUDIO_IN: "messages",
    AUDIO_OUT: "modalities",
    FILES: "messages",
    CHOICES: "n",
    LOGPROBS: "logprobs",
    JSON_OBJECT: "response_format",
    JSON_SCHEMA: "response_format",
    EMBEDDINGS: "model",
    RESPONSES_TOOLS: "tools",
    MESSAGES_TOOLS: "tools",
}
"""Which field of a request each need comes from."""

SERVER_TOOLS: Final = frozenset({RESPONSES_TOOLS, MESSAGES_TOOLS})
"""Tools that providers run themselves, and all else that reaches one over the caller's own wire or not at all."""

_SERVER_TOOLS: Final = {Wire.RESPONSES: RESPONSES_TOOLS, Wire.MESSAGES: MESSAGES_TOOLS}

_PARTS: Final = {"image_url": VISION, "input_audio": AUDIO_IN, "file": FILES}


def needs_of(request: ChatRequest) -> frozenset[str]:
    """The needs of a request. A response format is none: there is a way to it at every target (see `structured`)."""
    needs: set[str] = set()
    _add_parameters(needs, request.parameters)
    for message in request.messages:
        content = message.get("content")
        if isinstance(content, list):
            _add_parts(needs, content)
    native = request.native
    if native is not None and native.only_here and native.wire in _SERVER_TOOLS:
        needs.add(_SERVER_TOOLS[native.wire])
    return frozenset(needs)


def _add_parameters(needs: set[str], parameters: Mapping[str, Any]) -> None:
    tools = parameters.get("tools")
    if tools or parameters.get("functions"):
        needs.add(TOOLS)
        choice = parameters.get("tool_choice")
        if choice == "required" or (isinstance(choice, dict) and choice.get("type") != "allowed_tools"):
            needs.add(FORCED_TOOLS)
        if isinstance(tools, list) and any(isinstance(tool, dict) and tool.get("type") == "custom" for tool in tools):
            needs.add(CUSTOM_TOOLS)
    count = parameters.get("n")
    if isinstance(count, int) and count > 1:
        needs.add(CHOICES)
    if parameters.get("logprobs"):
        needs.add(LOGPROBS)
    modalities = parameters.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        needs.add(AUDIO_OUT)


def _add_parts(needs: set[str], parts: Sequence[Any]) -> None:
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        need = _PARTS.get(kind) if isinstance(kind, str) else None
        if need is not None:
            needs.add(need)
