"""The catalog's files as they are written: what ships with us, and what an operator lays over it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from app.domain.catalog import CAPABILITIES, last_day
from app.domain.provider import ProviderType

_MOST_BYTES = 16 * 1024 * 1024
# What is replaced as a whole: an entry inside of it has no meaning without its neighbours.
_WHOLE = frozenset({"price_usd_per_mtok", "price_tiers_above_prompt_tokens"})
_PRICES = ("price_usd_per_mtok", "price_tiers_above_prompt_tokens")


class CatalogUnreadable(Exception):
    """The overrides cannot be used; the message names the file, the place and what was expected."""


def shipped_path() -> Path:
    """Where the list lies that ships with this version."""
    return Path(str(files("app.catalog").joinpath("models.json")))


def read_shipped() -> dict[str, Any]:
    """The list that ships with this version; its amounts are Decimals."""
    read: dict[str, Any] = json.loads(shipped_path().read_text("utf-8"), parse_float=Decimal)
    return read


def read_overrides(path: Path) -> dict[str, Any]:
    """An operator's overrides, checked; raises CatalogUnreadable."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise CatalogUnreadable(f"{path}: expected at most 16 MiB")
        raw: Any = json.loads(text, parse_float=Decimal)
        _File.model_validate(raw)
    except OSError as error:
        raise CatalogUnreadable(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        raise CatalogUnreadable(f"{path}: {place}: {_expected(problem)}") from None
    except json.JSONDecodeError as error:
        raise CatalogUnreadable(f"{path}:{error.lineno}: expected JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise CatalogUnreadable(f"{path}: expected JSON") from None
    checked: dict[str, Any] = raw
    return checked


def merged(shipped: Mapping[str, Any], overrides: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The shipped list with the overrides laid over it, entry by entry and field by field.

    A price that the overrides set without saying where it is from is from `source`.
    """
    providers = dict(shipped["providers"])
    for kind, entries in overrides.get("providers", {}).items():
        known = {entry["id"]: entry for entry in providers.get(kind, ())}
        for entry in entries:
            known[entry["id"]] = _over(known.get(entry["id"], {}), entry, source)
        providers[kind] = list(known.values())
    return {
        **shipped,
        "providers": providers,
        "defaults": {**shipped["defaults"], **overrides.get("defaults", {})},
    }


def written(document: Mapping[str, Any]) -> str:
    """The document as text: one model a line, so that a change of one is a change of one line."""
    plain = {name: value for name, value in document.items() if name not in ("providers", "weights")}
    parts = [f" {_json(name)}: {_json(value)}" for name, value in plain.items()]
    if "weights" in document:
        lines = ",\n".join(f"  {_json(key)}: {_json(stated)}" for key, stated in document["weights"].items())
        parts.append(f' "weights": {{\n{lines}\n }}')
    kinds = [
        f"  {_json(kind)}: [\n" + ",\n".join(f"   {_json(entry)}" for entry in entries) + "\n  ]"
        for kind, entries in document["providers"].items()
    ]
    parts.append(' "providers": {\n' + ",\n".join(kinds) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json(value: Any) -> str:  # noqa: ANN401  # any JSON value
    return json.dumps(value, ensure_ascii=False, default=_number)


def _number(value: Any) -> Any:  # noqa: ANN401  # json's own hook
    # Sixteen digits hold every price there is; the shortest form of a float is the decimal it was read from.
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value).__name__)


def _over(known: Mapping[str, Any], entry: Mapping[str, Any], source: str) -> dict[str, Any]:
    result: dict[str, Any] = dict(known)
    if any(name in entry for name in _PRICES):
        # A price belongs to its tiers, its source and its day: none of the old ones describes the new one.
        for name in (*_PRICES, "price_source", "price_since", "price_dated", "price_disagreement"):
            result.pop(name, None)
        result["price_source"] = source
    for name, value in entry.items():
        old = None if name in _WHOLE else result.get(name)
        result[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _expected(problem: ErrorDetails) -> str:
    """What belongs where something else was found; of an unknown field, the fields that there are."""
    if problem["type"] != "extra_forbidden":
        return problem["msg"].removeprefix("Value error, ")
    depth = len(problem["loc"])
    shape = _File if depth == 1 else _Entry if depth == 4 else _Prices
    return f"unknown field, known: {', '.join(field.alias or name for name, field in shape.model_fields.items())}"


def _is_day(value: str) -> str:
    if last_day(value) is None:
        raise ValueError("expected a day like 2025-07-31, or a month like 2025-07")
    return value


def _is_type(value: str) -> str:
    if value not in frozenset(ProviderType):
        raise ValueError(f"expected a provider type: {', '.join(ProviderType)}")
    return value


def _is_capability(value: str) -> str:
    if value not in CAPABILITIES:
        raise ValueError(f"expected a capability: {', '.join(CAPABILITIES)}")
    return value


def _is_count(value: str) -> str:
    if not (value.isascii() and value.isdigit() and 0 < int(value[:12]) and len(value) <= 12):
        raise ValueError("expected a number of tokens")
    return value


_Day = Annotated[str, AfterValidator(_is_day)]
_Tokens = Annotated[int, Field(ge=1)]
_Money = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
_Id = Annotated[str, Field(min_length=1, max_length=512)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Prices(_Shape):
    input: _Money | None = None
    output: _Money | None = None
    cached_input: _Money | None = None
    cache_write: _Money | None = None


class _Entry(_Shape):
    id: _Id
    mode: Literal["chat", "embedding"] | None = None
    offered: bool = True
    max_input_tokens: _Tokens | None = None
    max_output_tokens: _Tokens | None = None
    context_window_total: _Tokens | None = None
    price_usd_per_mtok: _Prices | None = None
    price_tiers_above_prompt_tokens: dict[Annotated[str, AfterValidator(_is_count)], _Prices] | None = None
    price_source: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    price_since: _Day | None = None
    price_dated: _Day | None = None
    price_disagreement: dict[str, _Prices] | None = None
    capabilities: dict[Annotated[str, AfterValidator(_is_capability)], bool | None] | None = None
    behaviour: dict[str, Any] | None = None
    knowledge_cutoff: _Day | None = None
    release_date: _Day | None = None
    deprecation_date: _Day | None = None
    source: list[str] | None = None
    notes: str | None = None


class _File(_Shape):
    meta: dict[str, Any] | None = Field(None, alias="_meta")
    defaults: dict[Annotated[str, AfterValidator(_is_type)], _Id] = {}
    providers: dict[Annotated[str, AfterValidator(_is_type)], list[_Entry]] = {}
