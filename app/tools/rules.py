"""What a tool must look like to be registered; every wrong field is named, not only the first."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pydantic import SecretStr

from app.domain.errors import Code, RequestRejected, Violation
from app.domain.tools import Tool
from app.text.schema import BadSchema, compiled
from app.text.schema_cost import TOO_MUCH, Unbounded

LONGEST_TIMEOUT: Final = 120.0
MAX_SCHEMA: Final = 64 * 1024
MAX_HEADERS: Final = 16
_MAX_VALUE: Final = 4_096
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_OURS: Final = frozenset(
    (
        "accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect",
        "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade", "user-agent",
    )
)  # fmt: skip


def check(tool: Tool, objection: Callable[[str], str | None]) -> None:
    """Raise RequestRejected with all that is wrong; `objection` says why a URL may not be called."""
    violations = list(_violations(tool, objection))
    if violations:
        first = violations[0]
        message = f"{first.field}: {first.message}"
        raise RequestRejected(Code.INVALID_FIELD, message, param=first.field, violations=violations)


def _violations(tool: Tool, objection: Callable[[str], str | None]) -> Iterator[Violation]:
    if not _NAME.fullmatch(tool.name):
        yield Violation("name", "must be 1 to 64 letters, digits, `_` or `-`")
    if not 0 < tool.timeout <= LONGEST_TIMEOUT:
        yield Violation("timeout_ms", f"must be from 1 to {LONGEST_TIMEOUT * 1000:.0f}")
    wrong = objection(tool.url)
    if wrong is not None:
        yield Violation("url", wrong)
    yield from _schema(tool.parameters)
    yield from _headers(tool.headers)


def _schema(parameters: Mapping[str, Any]) -> Iterator[Violation]:
    if parameters.get("type") != "object":
        yield Violation("parameters.type", "must be object: arguments are one")
        return
    size = len(json.dumps(parameters))
    if size > MAX_SCHEMA:
        yield Violation("parameters", f"has {size} bytes of JSON, at most {MAX_SCHEMA} are taken")
        return
    try:
        if compiled(parameters).weight.of({}) > TOO_MUCH:
            yield Violation("parameters", "would take too long to check with")
    except (BadSchema, Unbounded) as error:
        yield Violation("parameters", f"is no schema to check with: {error}")


def _headers(headers: Mapping[str, SecretStr]) -> Iterator[Violation]:
    if len(headers) > MAX_HEADERS:
        yield Violation("headers", f"holds {len(headers)} headers, at most {MAX_HEADERS} are taken")
    names = [name.lower() for name in headers]
    for name, value in headers.items():
        where = f"headers.{name[:64]}"
        if not _HEADER.fullmatch(name):
            yield Violation(where, "is no name of a header")
        elif name.lower() in _OURS or name.lower().startswith("x-outcry-") or names.count(name.lower()) > 1:
            yield Violation(where, "is a header of the gateway's own, or there twice")
        secret = value.get_secret_value()
        if len(secret) > _MAX_VALUE or not _VALUE.fullmatch(secret):
            yield Violation(where, f"must be 1 to {_MAX_VALUE} printable ASCII characters, no space at either end")
