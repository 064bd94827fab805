"""What a caller wants of providers, before any policy: who is kept out and why, and who goes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from app.domain.routing import Candidate, Preferences, RoutingQuery
from app.routing.names import PoolView, providers_called


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a caller's own wish keeps a target out; `param` is the field that says so."""

    param: str
    why_not: str


def understood(preferences: Preferences, pool: PoolView) -> tuple[Preferences, tuple[str, ...]]:
    """The preferences with every name as that of configured providers, and a warning for each that means none."""
    warnings: list[str] = []

    def meant(field: str, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            called = providers_called(name, pool)
            if not called:
                warnings.append(f"provider.{field}: no provider is named {name[:120]!r}")
            # Kept as it is, so that a closed list of unknown names lets nobody in rather than everybody.
            yield from called or (name,)

    only = preferences.only
    found = replace(
        preferences,
        order=tuple(dict.fromkeys(meant("order", preferences.order))),
        only=None if only is None else tuple(meant("only", only)),
        ignore=tuple(meant("ignore", preferences.ignore)),
    )
    return found, tuple(warnings)


def objection(candidate: Candidate, wanted: Preferences, input_tokens: int) -> Objection | None:
    """Why this target is not wanted for a prompt of so many tokens; None when it may be asked."""
    name = candidate.target.provider
    if wanted.only is not None and name not in wanted.only:
        return Objection("provider.only", "is not in provider.only")
    if name in wanted.ignore:
        return Objection("provider.ignore", "is in provider.ignore")
    if wanted.is_closed and name not in wanted.order:
        return Objection("provider.order", "is not in provider.order, and provider.allow_fallbacks is false")
    if candidate.unheeded:
        said = ", ".join(candidate.unheeded)
        return Objection("provider.require_parameters", f"would not take {said} as it is, and all are required")
    unmet = wanted.data.unmet_by(candidate.data_policy) if wanted.data else None
    if unmet is not None:
        return Objection(unmet.field, unmet.why_not)
    return _too_dear(candidate, input_tokens, wanted)


def in_wanted_order(candidates: Sequence[Candidate], query: RoutingQuery) -> list[Candidate]:
    """The candidates with those of `provider.order` first; the names that the caller gave stay in their own order."""
    order = wanted_order(query)
    if not order and not any(candidate.rank for candidate in candidates):
        return list(candidates)
    places = {name: place for place, name in enumerate(order)}
    return sorted(candidates, key=lambda one: (one.rank, places.get(one.target.provider, len(places))))


def wanted_order(query: RoutingQuery) -> tuple[str, ...]:
    """Which providers go first: the caller's word, else that of the task's tier."""
    own = () if query.preferences is None else query.preferences.order
    return own or (() if query.tier is None else query.tier.preferences.order)


def _too_dear(candidate: Candidate, input_tokens: int, wanted: Preferences) -> Objection | None:
    most = wanted.max_price
    if most is None:
        return None
    tier = None if candidate.price is None else candidate.price.tier(input_tokens)
    asked = (
        ("prompt", most.prompt, None if tier is None else tier.input),
        ("completion", most.completion, None if tier is None else tier.output),
    )
    for part, limit, price in asked:
        if limit is None or (price is not None and price <= limit):
            continue
        field = f"provider.max_price.{part}"
        if price is None:
            return Objection(field, f"the price of its {part} is not known, and {field} is {limit:f}")
        return Objection(field, f"its {part} costs {price:f} per million tokens, and {field} is {limit:f}")
    return None
