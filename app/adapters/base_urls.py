"""Base URLs as operators write them, completed by what their provider type wants."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from app.adapters.azure import azure_url
from app.adapters.presets import PRESETS
from app.domain.provider import ProviderType

_VERSION: Final = re.compile(r"v\d+\w*")


def base_url_of(type: ProviderType, configured: str) -> str:  # noqa: A002 - the contract's name
    """The complete base URL; raises ValueError when the type has no default and none is configured.

    Only what is missing of the version segment is added, any other path stays; Ollama's compatible `/v1` becomes its
    native `/api`. `""` means the default.
    """
    preset = PRESETS[type]
    if not configured.strip():
        if not preset.default_url:
            raise ValueError(f"a provider of type {type.value} needs a base_url")
        return preset.default_url
    parts = urlsplit(configured.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("base_url must be an http or https URL with a host")
    if parts.username or parts.password or parts.fragment or (parts.query and type is not ProviderType.AZURE):
        raise ValueError("base_url must have no user, query or fragment")
    if type is ProviderType.AZURE:
        return azure_url(configured)
    default = urlsplit(preset.default_url)
    path = parts.path.rstrip("/")
    if type is ProviderType.GEMINI:
        path = path.removesuffix("/openai")  # its compatible wire lives there, the native one beside it
    if default.path.startswith(f"{path}/") and parts.hostname == default.hostname:
        path = default.path  # the provider's own host: whatever is missing of its path is known
    if type is ProviderType.OLLAMA:
        path = path.removesuffix("/v1")  # its compatible wire lives there, the native one that is spoken beside it
    return urlunsplit((parts.scheme, parts.netloc, _completed(path, preset.path), "", ""))


def _completed(path: str, wanted: tuple[str, ...]) -> str:
    segments = [segment for segment in path.split("/") if segment]
    for present in range(len(wanted), 0, -1):
        tail = segments[-present:]
        if len(tail) == present and all(map(_is_same, tail, wanted)):
            return "/".join(["", *segments, *wanted[present:]])
    if len(wanted) == 1 and len(segments) > 1 and segments[-1] == "openai" and _VERSION.fullmatch(segments[-2]):
        return "/".join(["", *segments])  # Google's compatible wire: its version stands before, not behind
    # A version alone is enough where the version comes last: a proxy need not repeat the host's own prefix.
    if segments and _VERSION.fullmatch(segments[-1]) and _VERSION.fullmatch(wanted[-1]):
        return "/".join(["", *segments])
    return "/".join(["", *segments, *wanted])


def _is_same(segment: str, wanted: str) -> bool:
    return segment == wanted or bool(_VERSION.fullmatch(segment) and _VERSION.fullmatch(wanted))
