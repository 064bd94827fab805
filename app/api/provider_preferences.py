"""The `provider` object of a body, OpenRouter's way of choosing among providers: checked, then read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from app.api.checks import FLAG, Check
from app.api.messages import kind
from app.domain.data_policy import MOST_REGIONS, REGION, DataDemand
from app.domain.errors import Code, RequestRejected, Violation
from app.domain.routing import MaxPrice, PolicyName, Preferences

MAX_NAMES: Final = 64
COLLECTIONS: Final = ("allow", "deny")
SORTS: Final[Mapping[str, PolicyName]] = {"price": PolicyName.COST_AWARE, "latency": PolicyName.LATENCY_AWARE}
PROVIDER_SCHEMA: Final[dict[str, Any]] = {
    "type": ["object", "null"],
    "description": "Which providers may answer, by name or type, and in which order",
    "additionalProperties": False,
    "properties": {
        "order": {"type": "array", "items": {"type": "string"}, "description": "Tried first, in this order"},
        "only": {"type": "array", "items": {"type": "string"}},
        "ignore": {"type": "array", "items": {"type": "string"}},
        "sort": {"enum": list(SORTS)},
        "max_price": {
            "type": "object",
            "description": "Dollars per million tokens; a target whose price is not known is not asked",
            "properties": {"prompt": {"type": ["number", "string"]}, "completion": {"type": ["number", "string"]}},
        },
        "require_parameters": {"type": "boolean", "description": "Ask nobody who would leave out a parameter"},
        "data_collection": {
            "enum": list(COLLECTIONS),
            "description": "deny: only who is stated to train on no prompts",
        },
        "zdr": {"type": "boolean", "description": "true: only who is stated to keep no prompts"},
        "region": {
            "description": "Only who is stated to process prompts in one of these",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        "allow_fallbacks": {"type": "boolean", "description": "false: the first target only, or those of order"},
    },
}
_PRICES: Final = ("prompt", "completion")
_UNPRICED: Final = ("request", "image", "audio")
_HIGHEST: Final = Decimal(1_000_000)


def preference_violations(stated: object) -> Iterator[Violation]:
    """Everything wrong with `provider`."""
    if stated is None:
        return
    if not isinstance(stated, dict):
        yield Violation("provider", f"must be an object, not {kind(stated)}")
        return
    for name, value in stated.items():
        check = _CHECKS.get(name)
        if check is None:
            yield Violation(f"provider.{name[:64]}", f"is not one of {', '.join(_CHECKS)}")
        elif value is not None:
            yield from check(value, f"provider.{name}")


def preferences_of(stated: Mapping[str, Any] | None) -> Preferences | None:
    """The preferences of a checked `provider`. Raises RequestRejected for what other gateways have and this one not."""
    if not stated:
        return None
    _refuse_unbuilt(stated)
    only, most, sort = stated.get("only"), stated.get("max_price"), stated.get("sort")
    return Preferences(
        order=tuple(stated.get("order") or ()),
        only=None if only is None else tuple(only),
        ignore=tuple(stated.get("ignore") or ()),
        sort=None if sort is None else SORTS[sort],
        max_price=MaxPrice(*(_dollars((most or {}).get(part)) for part in _PRICES)) if most else None,
        require_parameters=stated.get("require_parameters") or False,
        data=_demand(stated),
        allow_fallbacks=stated.get("allow_fallbacks") is not False,
    )


def _demand(stated: Mapping[str, Any]) -> DataDemand:
    region = stated.get("region")
    demand = DataDemand(
        no_training=stated.get("data_collection") == "deny",
        retention_days=0 if stated.get("zdr") else None,
        regions=(region,) if isinstance(region, str) else tuple(region or ()),
        training_field="provider.data_collection",
        retention_field="provider.zdr",
        region_field="provider.region",
    )
    return demand or DataDemand()


def failover_allowed(preferences: Preferences | None) -> bool:
    """Whether more than one target may be tried."""
    return preferences is None or preferences.allow_fallbacks or preferences.is_closed


def _refuse_unbuilt(stated: Mapping[str, Any]) -> None:
    refused = [f"max_price.{part}" for part in _UNPRICED if (stated.get("max_price") or {}).get(part) is not None]
    if stated.get("sort") == "throughput":
        refused.append("sort")
    for name in refused:
        said = "throughput is not measured; use price or latency" if name == "sort" else "only tokens have prices here"
        raise RequestRejected(
            Code.UNSUPPORTED_PARAMETER, f"provider.{name} is not available: {said}", param=f"provider.{name}"
        )


def _names(value: object, path: str) -> Iterator[Violation]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_NAMES:
        yield Violation(path, f"must be an array of 1 to {MAX_NAMES} providers' names")
        return
    for index, name in enumerate(value):
        if not isinstance(name, str) or not 0 < len(name) <= 256:
            yield Violation(f"{path}[{index}]", "must be a provider's name of 1 to 256 characters")


def _sort(value: object, path: str) -> Iterator[Violation]:
    if value not in (*SORTS, "throughput"):
        yield Violation(path, f"must be one of {', '.join(SORTS)}")


def _collection(value: object, path: str) -> Iterator[Violation]:
    if value not in COLLECTIONS:
        yield Violation(path, f"must be one of {', '.join(COLLECTIONS)}")


def _region(value: object, path: str) -> Iterator[Violation]:
    if not isinstance(value, list):
        yield from _region_name(value, path)
    elif not 0 < len(value) <= MOST_REGIONS:
        yield Violation(path, f"must be a region's name, or an array of 1 to {MOST_REGIONS}")
    else:
        for index, name in enumerate(value):
            yield from _region_name(name, f"{path}[{index}]")


def _region_name(value: object, path: str) -> Iterator[Violation]:
    if not isinstance(value, str) or not REGION.fullmatch(value):
        yield Violation(path, "must be a region's name of 1 to 64 letters, digits, `_`, `.` or `-`")


def _prices(value: object, path: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield Violation(path, f"must be an object, not {kind(value)}")
        return
    for part, amount in value.items():
        if part not in (*_PRICES, *_UNPRICED):
            yield Violation(f"{path}.{part[:64]}", f"is not one of {', '.join(_PRICES)}")
        elif amount is not None and _dollars(amount) is None:
            yield Violation(f"{path}.{part}", "must be dollars per million tokens, from 0 to 1000000")


def _dollars(amount: object) -> Decimal | None:
    """The amount, a number or its text; None for what is neither, or out of range."""
    if isinstance(amount, bool) or not isinstance(amount, int | float | str) or len(str(amount)) > 32:
        return None
    try:
        dollars = Decimal(str(amount))
    except InvalidOperation:
        return None
    return dollars if dollars.is_finite() and 0 <= dollars <= _HIGHEST else None


_CHECKS: Final[Mapping[str, Check]] = {
    "order": _names,
    "only": _names,
    "ignore": _names,
    "sort": _sort,
    "max_price": _prices,
    "require_parameters": FLAG,
    "data_collection": _collection,
    "zdr": FLAG,
    "region": _region,
    "allow_fallbacks": FLAG,
}
