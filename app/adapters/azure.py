"""Azure's addresses as operators write them, and what its dated API versions do not know yet.

| written | complete |
| --- | --- |
| `https://R`, `.../openai`, `.../openai/v1` | `https://R/openai/v1`: the model's name is the deployment's |
| `https://R/openai/v1?api-version=preview` | as written |
| `https://R?api-version=2024-10-21`, `.../openai?api-version=...` | `https://R/openai?api-version=...`: dated |
| `https://R/openai/deployments/D/chat/completions?api-version=...` | `https://R/openai/deployments/D?api-version=...` |
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from app.adapters.openai_address import OpenAIAddress
from app.adapters.openai_platform import AddressedEmbedding, PlatformCodec
from app.adapters.openai_request import RequestOptions

_QUERY: Final = re.compile(r"api-version=([A-Za-z0-9.-]{1,32})")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_V1: Final = re.compile(r"/v\d+\w*$")
_DEPLOYMENT: Final = re.compile(r"(?P<root>.*/openai)/deployments/(?P<name>[^/]+)")
_ENDPOINTS: Final = ("/chat/completions", "/responses", "/embeddings")

# The first versions that have them.
_STREAM_USAGE: Final = "2024-09-01"
_JSON_SCHEMA: Final = "2024-08-01"
_REASONING: Final = "2024-12-01"
_RESPONSES: Final = "2025-03-01"


def azure_url(configured: str) -> str:
    """The complete base URL; raises ValueError. One that is complete stays as it is."""
    parts = urlsplit(configured.strip())
    version = _version(parts)
    path = parts.path.rstrip("/")
    for endpoint in _ENDPOINTS:
        path = path.removesuffix(endpoint)
    if _DEPLOYMENT.fullmatch(path):
        if not _DATE.match(version):
            raise ValueError("base_url names a deployment, so it needs its dated ?api-version=")
    elif _DATE.match(version) and not _V1.search(path):
        path = path if path.endswith("/openai") else f"{path}/openai"
    elif not _V1.search(path):
        path = f"{path}/v1" if path.endswith("/openai") else f"{path}/openai/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, f"api-version={version}" if version else "", ""))


def at_azure(codec: PlatformCodec, base_url: str) -> tuple[PlatformCodec, str]:
    """The codec for a complete base URL, and that URL without what the codec says in its paths."""
    parts = urlsplit(base_url)
    version = _version(parts)
    match = _DEPLOYMENT.fullmatch(parts.path)
    is_dated = match is not None or not _V1.search(parts.path)
    address = OpenAIAddress(version, is_scoped=is_dated, deployment=unquote(match["name"]) if match else "")
    embedding = codec.embedding and AddressedEmbedding(codec.embedding, address)
    placed = replace(codec, address=address, embedding=embedding)
    if is_dated:
        placed = replace(
            placed,
            request=_options(codec.request, version),
            has_responses=_knows(version, _RESPONSES),
            has_schema=_knows(version, _JSON_SCHEMA),
        )
    return placed, urlunsplit((parts.scheme, parts.netloc, match["root"] if match else parts.path, "", ""))


def _version(parts: SplitResult) -> str:
    if not parts.query:
        return ""
    match = _QUERY.fullmatch(parts.query)
    if match is None:
        raise ValueError("base_url must have no query but ?api-version=")
    return match[1]


def _options(options: RequestOptions, version: str) -> RequestOptions:
    reasons = _knows(version, _REASONING)
    return replace(
        options,
        has_stream_usage=_knows(version, _STREAM_USAGE),
        max_tokens_field=options.max_tokens_field if reasons else "max_tokens",
        dropped=options.dropped if reasons else options.dropped | {"reasoning_effort"},
        # They know no such form of a choice, and it can be said without.
        tools=replace(options.tools, has_allowed_tools=False),
    )


def _knows(version: str, since: str) -> bool:
    return version[: len(since)] >= since
