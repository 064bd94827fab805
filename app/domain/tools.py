"""Tools that the gateway calls itself, and what is on record of each call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import SecretStr

DEFAULT_TIMEOUT = 10.0
"""Seconds that a call may take where the tool says nothing."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A registered tool: a JSON object that follows `parameters` is posted to `url`, and what comes back is told.

    `timeout` is seconds. `headers` go with every call; their values are secret and never rendered. `undecryptable`
    is true when stored headers could not be read: such a tool is not called.
    """

    id: int
    name: str
    description: str
    parameters: Mapping[str, Any]
    url: str
    timeout: float = DEFAULT_TIMEOUT
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    header_names: tuple[str, ...] = ()
    undecryptable: bool = False
    enabled: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ToolCallStatus(StrEnum):
    """How a call ended."""

    OK = "ok"
    INVALID_ARGUMENTS = "invalid_arguments"
    FAILED = "failed"
    TIMEOUT = "timeout"


class ToolFailure(StrEnum):
    """Why a call brought no result; the first three were never sent."""

    ARGUMENTS = "tool_bad_arguments"
    UNKNOWN = "tool_unknown"
    LOCKED = "tool_headers_unreadable"
    UNREACHABLE = "tool_unreachable"
    TIMEOUT = "tool_timeout"
    REFUSED = "tool_refused"
    ERROR = "tool_error"
    REDIRECTED = "tool_redirected"
    BAD_ANSWER = "tool_bad_answer"
    CANCELLED = "caller_cancelled"


def _fresh_id() -> str:
    return os.urandom(16).hex()


@dataclass(frozen=True, slots=True)
class ToolCallRecord:
    """One finished call, as observers hear of it. `duration` is seconds; `bytes_out` were sent, `bytes_in` read.

    `round` counts from 1. `id` names this very call wherever it is stored; `call_id` is the model's word for it.
    `message` says what went wrong, without any secret.
    """

    request_id: str
    round: int
    tool: str
    call_id: str
    status: ToolCallStatus
    started_at: datetime
    duration: float
    http_status: int | None = None
    code: ToolFailure | None = None
    message: str | None = None
    bytes_out: int = 0
    bytes_in: int = 0
    agent_id: int | None = None
    key_id: str = "local"
    id: str = field(default_factory=_fresh_id, compare=False)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call on its way: `body` is the JSON of checked arguments, `timeout` the seconds it may take in all."""

    tool: Tool
    body: bytes
    call_id: str
    request_id: str
    timeout: float


@dataclass(frozen=True, slots=True)
class ToolReply:
    """What a tool answered; `was_cut` where it said more than is read."""

    status: int
    text: str
    size: int
    was_cut: bool = False


class ToolError(Exception):
    """A call without a result. `message` is fit for the model and the record: short, and without any secret."""

    def __init__(self, code: ToolFailure, message: str, *, status: int | None = None, size: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.size = size
