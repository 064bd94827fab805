"""How a server differs from OpenAI's, and the headers that it wants, as the provider file states them."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, StringConstraints

from app.configuration.shape import STRICT, Texts
from app.domain.needs import CHAT_ABILITIES
from app.domain.provider import DialectSettings

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_HEADER_VALUE: Final = re.compile(r"[!-~](?:[ -~]{0,510}[!-~])?")
# Keys belong under api_key, where they are hidden; the rest is what HTTP itself needs.
_OUR_HEADERS: Final = frozenset(
    {"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "host", "connection", "transfer-encoding"}
    | {"content-type", "content-length", "content-encoding", "accept", "accept-encoding", "user-agent", "te", "upgrade"}
)


def _headers(value: dict[str, str]) -> dict[str, str]:
    for name, said in value.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(said):
            raise ValueError("expected names of letters, digits and '-', and visible ASCII of at most 512 characters")
        if name.lower() in _OUR_HEADERS or name.lower().startswith("x-outcry"):
            raise ValueError(f"{name!r} is a header of the gateway's own")
    return {name.lower(): said for name, said in value.items()}


def _needs(value: list[str]) -> list[str]:
    for name in value:
        if name not in CHAT_ABILITIES:
            raise ValueError(f"expected one of {', '.join(sorted(CHAT_ABILITIES))}")
    return value


HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Headers = Annotated[dict[str, str], AfterValidator(_headers)]


class DialectShape(BaseModel):
    """Where a server of one's own differs from OpenAI's."""

    model_config = STRICT

    key_header: HeaderName | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    reasoning_field: Literal["reasoning_content", "reasoning", ""] | None = None
    developer_role: bool | None = None
    stream_usage: bool | None = None
    strict_tools: bool | None = None
    flatten_text: bool | None = None
    drop_nulls: bool | None = None
    merge_roles: bool | None = None
    dropped: Texts | None = None
    allowed: Texts | None = None
    lacks: Annotated[Texts, AfterValidator(_needs)] | None = None

    def settings(self) -> DialectSettings:
        """The same for the adapters."""
        return DialectSettings(
            **self.model_dump(exclude={"dropped", "allowed", "lacks"}),
            dropped=frozenset(self.dropped or ()),
            allowed=None if self.allowed is None else frozenset(self.allowed),
            lacks=frozenset(self.lacks or ()),
        )
