"""Label values from closed sets: what nobody configured becomes `other`, so that no request can grow the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.domain.target import Target

OTHER: Final = "other"
MOST_ROUTES: Final = 200

# The limits that a provider or a caller can run into.
LIMITS: Final = (
    "requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day", "max_concurrent",
)  # fmt: skip


class KnownTargets:
    """The targets that may be label values."""

    def __init__(self) -> None:
        self._models: dict[str, frozenset[str]] = {}

    def replace(self, targets: Iterable[Target]) -> None:
        """From now on these, and no others, have their names."""
        models: dict[str, set[str]] = {}
        for target in targets:
            models.setdefault(target.provider, set()).add(target.model)
        self._models = {provider: frozenset(names) for provider, names in models.items()}

    def provider(self, name: str) -> str:
        """The provider's name, or `other`."""
        return name if name in self._models else OTHER

    def labels(self, provider: str, model: str) -> tuple[str, str]:
        """Both names, each `other` where it is not known."""
        models = self._models.get(provider)
        if models is None:
            return OTHER, OTHER
        return provider, model if model in models else OTHER


def limit_named_in(text: str | None) -> str:
    """The limit that a refusal speaks of, or `other`."""
    return next((limit for limit in LIMITS if text is not None and limit in text), OTHER)
