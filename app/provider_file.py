"""Which providers there are: from the provider file, else from the environment, else the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from app.configuration.discovery import discovered
from app.configuration.document import read_document
from app.configuration.errors import ConfigurationError
from app.configuration.providers import ProviderFile
from app.configuration.validation import checked
from app.domain.provider import ProviderSet

__all__ = ["ConfigurationError", "load_providers"]


def load_providers(path: Path | None, environ: Mapping[str, str]) -> ProviderSet:
    """Everything the file says, or without a file what the environment turns on.

    Raises ConfigurationError with file, line, key and what was expected. A provider whose `env:` variable is not set
    is there, disabled, with a warning.
    """
    if path is None:
        return discovered(environ)
    document = read_document(path)
    return ProviderFile(document, checked(document), environ).provider_set()
