"""Under which names a model may be described: its own, without its day, its maker's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.domain.provider import ProviderType

_DATE_SUFFIX = re.compile(r"[-@](?:20\d{2}-?[01]\d-?[0-3]\d)$")
# How OpenRouter is to choose a server: the model behind it is the same. `:free` and `:batch` are priced apart.
_ROUTING_SUFFIX = re.compile(r":(?:nitro|floor|online|exacto)$")

# Makers as OpenRouter prefixes them, and the type whose records describe their models.
_MAKERS = {
    "openai": ProviderType.OPENAI,
    "anthropic": ProviderType.ANTHROPIC,
    "google": ProviderType.GEMINI,
    "x-ai": ProviderType.XAI,
    "deepseek": ProviderType.DEEPSEEK,
    "mistralai": ProviderType.MISTRAL,
}


def undated(model: str) -> str:
    """The id without the day of its release, where it ends with one."""
    return _DATE_SUFFIX.sub("", model)


def spellings(kind: ProviderType, model: str) -> Iterator[tuple[ProviderType, str]]:
    """Where to look: as it is, without its date, at its maker."""
    yield kind, model
    if kind is ProviderType.AZURE:
        yield ProviderType.OPENAI, model
    yield kind, undated(model)
    if kind is ProviderType.AZURE:
        yield ProviderType.OPENAI, undated(model)
    if kind is ProviderType.GEMINI:
        yield kind, model.removeprefix("models/")
    if kind is ProviderType.OPENROUTER:
        plain = _ROUTING_SUFFIX.sub("", model)
        yield kind, plain
        maker, _, rest = plain.partition("/")
        if maker in _MAKERS:
            yield _MAKERS[maker], undated(rest)
            yield _MAKERS[maker], undated(rest).replace(".", "-")
