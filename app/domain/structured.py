"""How a target is brought to answer in JSON: rungs of one ladder, the surest first."""

from __future__ import annotations

from enum import StrEnum


class Rung(StrEnum):
    """One way to JSON.

    `native_schema`: the provider holds the schema itself. `forced_tool`: a forced call of a tool that has it.
    `json_mode`: the provider promises JSON, the schema stands in the prompt. `prompt`: words alone.
    """

    SCHEMA = "native_schema"
    TOOL = "forced_tool"
    JSON_MODE = "json_mode"
    PROMPT = "prompt"
