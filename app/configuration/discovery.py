"""Which providers the environment turns on, and what a type's standard variables say."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from app.configuration.errors import ConfigurationError
from app.configuration.schema import API_VERSION, check_base_url
from app.domain.chat import Credential
from app.domain.provider import ProviderConfig, ProviderSet, ProviderType


@dataclass(frozen=True, slots=True)
class Standard:
    """The variables everybody uses for one type; the first of `keys` that is set counts.

    `version` names the API's version, for a URL that says none.
    """

    type: ProviderType
    keys: tuple[str, ...] = ()
    url: str | None = None
    version: str | None = None


# In the order of priority that a start without a file has.
STANDARDS: Final = (
    Standard(ProviderType.OPENAI, ("OPENAI_API_KEY",)),
    Standard(ProviderType.ANTHROPIC, ("ANTHROPIC_API_KEY",)),
    Standard(ProviderType.DEEPSEEK, ("DEEPSEEK_API_KEY",)),
    Standard(ProviderType.GROQ, ("GROQ_API_KEY",)),
    Standard(ProviderType.XAI, ("XAI_API_KEY", "GROK_API_KEY")),
    Standard(ProviderType.GEMINI, ("GOOGLE_API_KEY", "GEMINI_API_KEY")),
    Standard(ProviderType.MISTRAL, ("MISTRAL_API_KEY",)),
    Standard(ProviderType.TOGETHER, ("TOGETHER_API_KEY",)),
    Standard(ProviderType.OPENROUTER, ("OPENROUTER_API_KEY",)),
    Standard(
        ProviderType.AZURE,
        ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"),
        "AZURE_OPENAI_ENDPOINT",
        "OPENAI_API_VERSION",
    ),
    Standard(ProviderType.OLLAMA, (), "OLLAMA_URL"),
    Standard(ProviderType.LOCALAI, (), "LOCALAI_URL"),
    Standard(ProviderType.VLLM, (), "VLLM_URL"),
)
STANDARD_OF: Final = {standard.type: standard for standard in STANDARDS}

# `OPENAI_API_KEY=sk-...` in a copied .env means: put it here.
_PLACEHOLDER = re.compile(r"\.\.\.$|\byour-")
_VERSIONED = re.compile(r"/v\d+/?$")


def discovered(environ: Mapping[str, str]) -> ProviderSet:
    """Every provider whose key is in the environment, in the listed order; the sandbox when there is none."""
    found: list[ProviderConfig] = []
    warnings: list[str] = []
    for position, standard in enumerate(STANDARDS, start=1):
        provider = _from_environment(standard, environ, position, warnings)
        if provider is not None:
            found.append(provider)
    if found:
        return ProviderSet(tuple(found), source="environment", warnings=tuple(warnings))
    sandbox = ProviderConfig("sandbox", ProviderType.SANDBOX, "")
    return ProviderSet((sandbox,), source="sandbox", warnings=tuple(warnings))


def credential(secret: str) -> Credential:
    """A key with its public name; raises ValueError for one that no header can carry."""
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError("expected a key of printable ASCII characters without spaces")
    return Credential(hashlib.sha256(secret.encode()).hexdigest()[:8], SecretStr(secret))


def standard_key(kind: ProviderType, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """The first of the type's own variables that is set, with its value."""
    standard = STANDARD_OF.get(kind)
    names = standard.keys if standard else ()
    return next(((name, environ[name].strip()) for name in names if environ.get(name, "").strip()), None)


def standard_url(kind: ProviderType, environ: Mapping[str, str]) -> str:
    """The type's own URL variable, `""` when it has none or it is not set; raises ConfigurationError."""
    standard = STANDARD_OF.get(kind)
    if standard is None or standard.url is None:
        return ""
    url = environ.get(standard.url, "").strip()
    try:
        return _versioned(check_base_url(url), standard.version, environ) if url else ""
    except ValueError as error:
        raise ConfigurationError(f"{standard.url}: {error}") from None


def _versioned(url: str, variable: str | None, environ: Mapping[str, str]) -> str:
    """The URL with the version that its variable says, unless it says one itself, in its query or its path."""
    version = environ.get(variable, "").strip() if variable else ""
    if not version or "?" in url or _VERSIONED.search(url):
        return url
    query = f"api-version={version}"
    if not API_VERSION.fullmatch(query):
        raise ConfigurationError(f"{variable}: expected a version like 2024-10-21 or preview")
    return f"{url}?{query}"


def _from_environment(
    standard: Standard, environ: Mapping[str, str], position: int, warnings: list[str]
) -> ProviderConfig | None:
    key = standard_key(standard.type, environ)
    url = standard_url(standard.type, environ)
    if standard.keys and key is None:
        return None
    if standard.url is not None and not url:
        if key is not None:
            warnings.append(f"{standard.type} is off: {key[0]} is set, {standard.url} is not")
        return None
    if key is None:
        return ProviderConfig(standard.type, standard.type, url, priority=position)
    name, secret = key
    if _PLACEHOLDER.search(secret):
        warnings.append(f"{standard.type} is off: {name} holds a placeholder")
        return None
    try:
        return ProviderConfig(standard.type, standard.type, url, (credential(secret),), priority=position)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from None
