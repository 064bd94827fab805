"""What a newer source would change in the catalog, and the catalog with the changes made."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from app.catalog.sources import Reading
from app.catalog.spellings import spellings
from app.domain.provider import ProviderType

_FACTS = ("mode", "max_input_tokens", "max_output_tokens", "knowledge_cutoff", "release_date")
_PRICES = "price_usd_per_mtok"
_TIERS = "price_tiers_above_prompt_tokens"
_OURS = "outcry"
"""The source of what was set by hand in models.json: no list changes it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one model (`capabilities.vision`), or a whole new model: then `field` is "".

    `fields` are the entry's fields as they will be, `disagreement` what another source says of the same.
    """

    kind: str
    model: str
    field: str
    old: Any
    new: Any
    source: str
    fields: Mapping[str, Any]

    @property
    def is_new(self) -> bool:
        """Whether the model was not there at all."""
        return self.field == ""


def compare(document: Mapping[str, Any], prices: Reading, descriptions: Reading | None = None) -> list[Change]:
    """Everything in the document that the sources know better, in its order.

    The price list decides prices, unless they were set by hand. Descriptions fill in what is not known, and replace
    what is older than they are.
    """
    return [*_changes(document, prices, descriptions)]


def models_of(document: Mapping[str, Any], descriptions: Reading | None = None) -> dict[str, list[str]]:
    """Every model, by provider type, that the document or the descriptions name."""
    described = descriptions.entries if descriptions else {}
    return {
        kind: list(dict.fromkeys([*(entry["id"] for entry in entries), *described.get(kind, ())]))
        for kind, entries in document["providers"].items()
    }


def changed(document: Mapping[str, Any], changes: Sequence[Change], today: date) -> dict[str, Any]:
    """The document with the changes made; entries that are not there are added, with the changed fields only."""
    result = copy.deepcopy(dict(document))
    providers = result.setdefault("providers", {})
    for change in changes:
        if change.kind == "weights":
            result.setdefault("weights", {})[change.model] = dict(change.fields)
            continue
        entries = providers.setdefault(change.kind, [])
        entry = next((one for one in entries if one["id"] == change.model), None)
        if entry is None:
            entry = {"id": change.model}
            entries.append(entry)
        _put(entry, change.fields)
    meta = result.setdefault("_meta", {})
    meta["generated"] = today.isoformat()
    meta["read"] = {**meta.get("read", {}), **{change.source.partition(" ")[0]: change.source for change in changes}}
    return result


def _changes(document: Mapping[str, Any], prices: Reading, descriptions: Reading | None) -> Iterator[Change]:
    made = document["_meta"]["generated"]
    known = {(kind, entry["id"]) for kind, entries in document["providers"].items() for entry in entries}
    for kind, entries in document["providers"].items():
        described = descriptions.entries.get(kind, {}) if descriptions else {}
        for entry in entries:
            listed = prices.entries.get(kind, {}).get(entry["id"])
            if listed is not None:
                yield from _repriced(kind, entry, listed, prices.name)
            if descriptions and entry["id"] in described:
                is_newer = descriptions.dated is not None and descriptions.dated > made
                yield from _redescribed(kind, entry, described[entry["id"]], descriptions.name, is_newer=is_newer)
        if descriptions:
            for model in sorted(name for name in described if not _is_known(ProviderType(kind), name, known)):
                fields = {**described[model], "offered": False, "source": [f"{descriptions.name}:{model}"]}
                listed = prices.entries.get(kind, {}).get(model)
                if listed is not None:
                    fields |= {**listed, _PRICES: _columns(fields, listed), "price_source": prices.name}
                yield Change(kind, model, "", None, _summary(fields), descriptions.name, fields)
    if descriptions:
        yield from _reweighed(document.get("weights", {}), descriptions)


def _is_known(kind: ProviderType, model: str, known: Set[tuple[str, str]]) -> bool:
    """Whether the catalog describes it under one of its names: a second description could only be an older one."""
    return any(spelling in known for spelling in spellings(kind, model))


def _repriced(kind: str, entry: Mapping[str, Any], listed: Mapping[str, Any], source: str) -> Iterator[Change]:
    old_source = _price_source(entry)
    if old_source == _OURS:
        return
    old, new = entry.get(_PRICES) or {}, _columns(entry, listed)
    if all(old.get(name) == new[name] for name in ("input", "output")):
        # Of the same price each list may know another part.
        new = {name: old.get(name) if value is None else value for name, value in new.items()}
    old_tiers, new_tiers = entry.get(_TIERS) or {}, listed.get(_TIERS) or {}
    differs = {name: old.get(name) for name, value in new.items() if old.get(name) != value}
    if not differs and _bare(old_tiers) == _bare(new_tiers):
        return
    fields: dict[str, Any] = {_PRICES: new, _TIERS: new_tiers or None, "price_source": source}
    fields |= {"price_since": listed.get("price_since"), "price_dated": listed.get("price_dated")}
    contradicted = {name: value for name, value in differs.items() if value is not None}
    if contradicted and _package(old_source) != _package(source):
        fields["price_disagreement"] = {**entry.get("price_disagreement", {}), old_source: contradicted}
    for name, value in differs.items():
        yield Change(kind, entry["id"], f"price.{name}", value, new[name], source, fields)
    if _bare(old_tiers) != _bare(new_tiers):
        yield Change(kind, entry["id"], "price.tiers", _tiers(old_tiers), _tiers(new_tiers), source, fields)


def _columns(entry: Mapping[str, Any], listed: Mapping[str, Any]) -> dict[str, Decimal | None]:
    """The listed prices, with 0 for the output of what has none."""
    columns = dict(listed[_PRICES])
    if entry.get("mode") == "embedding" and columns["output"] is None:
        columns["output"] = Decimal(0)
    return columns


def _redescribed(
    kind: str, entry: Mapping[str, Any], described: Mapping[str, Any], source: str, *, is_newer: bool
) -> Iterator[Change]:
    for name in _FACTS:
        old, new = entry.get(name), described.get(name)
        if new is not None and (old is None or (is_newer and old != new)):
            yield Change(kind, entry["id"], name, old, new, source, {name: new})
    capabilities = entry.get("capabilities") or {}
    for name, has in described.get("capabilities", {}).items():
        old = capabilities.get(name)
        if old is None or (is_newer and old != has):
            yield Change(kind, entry["id"], f"capabilities.{name}", old, has, source, {"capabilities": {name: has}})


def _reweighed(weights: Mapping[str, Any], descriptions: Reading) -> Iterator[Change]:
    for key, cutoff in descriptions.weights.items():
        stated = weights.get(key, {})
        old = stated.get("knowledge_cutoff")
        if old != cutoff and stated.get("source") != _OURS:
            fields = {"knowledge_cutoff": cutoff, "source": descriptions.name}
            yield Change("weights", key, "knowledge_cutoff", old, cutoff, descriptions.name, fields)


def _put(entry: dict[str, Any], fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if value is None:
            entry.pop(name, None)
        elif name == "capabilities":
            entry[name] = {**(entry.get(name) or {}), **value}
        else:
            entry[name] = copy.deepcopy(value)


def _price_source(entry: Mapping[str, Any]) -> str:
    """Where the price is from; before that was written down it was the first of the entry's sources."""
    stated = entry.get("price_source") or (entry.get("source") or [""])[0]
    return str(stated).partition(":")[0]


def _package(source: str) -> str:
    return source.partition(" ")[0]


def _summary(fields: Mapping[str, Any]) -> str:
    window = fields.get("max_input_tokens")
    return f"{fields['mode']}, {window or 'unknown'} tokens, known but not offered"


def _bare(tiers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {start: {name: value for name, value in one.items() if value is not None} for start, one in tiers.items()}


def _tiers(tiers: Mapping[str, Mapping[str, Any]]) -> str | None:
    stated = (f">{start}: {shown(one.get('input'))}/{shown(one.get('output'))}" for start, one in tiers.items())
    return "; ".join(stated) or None


def shown(value: Any) -> str:  # noqa: ANN401  # a field's value, whichever
    """A value as a person reads it: amounts without exponents and trailing zeros."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return "unknown" if value is None else str(value)
