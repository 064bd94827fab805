"""Which models a body of OpenAI's family asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.api.provider_preferences import preference_violations
from app.domain.errors import Violation

MAX_FALLBACKS: Final = 16
FORBIDDEN: Final = ("api_base", "base_url", "api_key")


def choice_violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Everything wrong with `model` and `models`, and fields that would name a provider's address or key."""
    for name in FORBIDDEN:
        if name in body:
            yield Violation(name, "is not taken from a request: providers and their keys are configured")
    yield from _named(body)
    yield from preference_violations(body.get("provider"))


def _named(body: Mapping[str, Any]) -> Iterator[Violation]:
    model, models = body.get("model"), body.get("models")
    if model is None and models is None:
        yield Violation("model", "is missing")
    if model is not None and (not isinstance(model, str) or not 0 < len(model) <= 256):
        yield Violation("model", "must be a model's name of 1 to 256 characters")
    if models is None:
        return
    if not isinstance(models, list) or not 0 < len(models) <= MAX_FALLBACKS:
        yield Violation("models", f"must be an array of 1 to {MAX_FALLBACKS} models' names")
        return
    for index, name in enumerate(models):
        if not isinstance(name, str) or not 0 < len(name) <= 256:
            yield Violation(f"models[{index}]", "must be a model's name of 1 to 256 characters")


def models_of(body: Mapping[str, Any]) -> list[str]:
    """The models to try, in order, each once."""
    named = [body["model"]] if body.get("model") is not None else []
    return list(dict.fromkeys([*named, *(body.get("models") or ())]))
