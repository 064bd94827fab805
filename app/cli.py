"""`outcry`: serve, run locally, migrate, show and test the providers."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from cryptography.fernet import Fernet
from rich.console import Console
from rich.table import Column, Table

from app import __version__
from app.audit_commands import app as audit_commands
from app.catalog.documents import CatalogUnreadable, read_overrides
from app.catalog_commands import app as catalog_commands
from app.conformance.checks import CHECKS
from app.domain.errors import NotFound, RequestRejected, StorageUnavailable
from app.domain.provider import ProviderSet
from app.provider_file import load_providers
from app.provider_tests import show_test
from app.reloading import check_webhooks
from app.replay_commands import app as replay_commands
from app.serving import serve as serve_forever
from app.settings import ConfigurationError, Settings, load_settings, read_environment
from app.storage.database import open_database
from app.storage.errors import DatabaseUnusable, WrongEncryptionKey
from app.storage.migrations import migrate
from app.storage.vault import Vault

EX_USAGE = 64
EX_UNAVAILABLE = 69
EX_CONFIG = 78
LOCAL_KEY = Path(".outcry/encryption.key")
LOCAL_SIGNING_KEY = Path(".outcry/signing.key")

app = typer.Typer(no_args_is_help=True, add_completion=False, help="An LLM gateway for trading systems.")
providers_app = typer.Typer()
app.add_typer(providers_app, name="providers")
out = Console(highlight=False, markup=False, soft_wrap=True)
app.add_typer(catalog_commands, name="catalog")
app.add_typer(replay_commands, name="replay")
app.add_typer(audit_commands, name="audit")


@app.command()
def serve() -> None:
    """Serve with what the environment says, after bringing the database up to this version."""
    settings = _settings()
    _providers(settings)
    _prepare(settings)
    serve_forever(settings)


@app.command()
def run() -> None:
    """Serve on this machine at once: with local keys, and the sandbox if no provider has a key."""
    if not {"ENCRYPTION_KEYS", "ENCRYPTION_KEY"} & {name for name, value in read_environment().items() if value}:
        os.environ["ENCRYPTION_KEYS"] = _local_key(LOCAL_KEY, "encryption key", "keep it with the database")
    if not read_environment().get("OUTCRY_SIGNING_KEY"):
        # 32 random bytes in urlsafe base64, as for the other one.
        hint = "it signs checkpoints of the record"
        os.environ["OUTCRY_SIGNING_KEY"] = _local_key(LOCAL_SIGNING_KEY, "signing key", hint)
    settings = _settings()
    providers = _providers(settings)
    _prepare(settings)
    _announce(settings, providers)
    serve_forever(settings)


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database up to this version."""
    settings = _settings()
    try:
        migrate(settings.database_url)
    except (DatabaseUnusable, StorageUnavailable) as error:
        _die(str(error), EX_UNAVAILABLE)


@providers_app.callback(invoke_without_command=True)
def providers_command(context: typer.Context) -> None:
    """Show the configured providers, without their keys; or test one."""
    if context.invoked_subcommand is not None:
        return
    chosen = _providers(_settings())
    names = ("provider", "type", "priority", "models", "base URL", "on")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for one in sorted(chosen.providers, key=lambda provider: provider.priority):
        models = ", ".join(model.id for model in one.models) or one.default_model or "from the catalog"
        table.add_row(
            one.name, one.type, str(one.priority), models, one.base_url or "default", "yes" if one.enabled else "no"
        )
    out.print(table)
    for warning in chosen.warnings:
        out.print(f"warning: {warning}")


@providers_app.command("test")
def try_provider(
    name: Annotated[str, typer.Argument(help="A provider's name, as `providers` shows it.")],
    model: Annotated[str | None, typer.Option(help="The model to test; the provider's default without.")] = None,
    check: Annotated[
        list[str] | None, typer.Option(help=f"Only this check; may be repeated. One of {', '.join(CHECKS)}.")
    ] = None,
    path: Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")] = None,
) -> None:
    """Try what a provider can do with real, tiny calls; exit code 1 when a check fails."""
    settings = _settings()
    try:
        passed = show_test(settings, _providers(settings), name, model=model, checks=check, path=path, out=out)
    except (NotFound, RequestRejected) as error:
        _die(error.message, EX_USAGE)
    except (ConfigurationError, CatalogUnreadable) as error:
        _die(str(error), EX_CONFIG)
    raise typer.Exit(0 if passed else 1)


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def _settings() -> Settings:
    try:
        return load_settings(read_environment())
    except ConfigurationError as error:
        _die(str(error), EX_CONFIG)


def _providers(settings: Settings) -> ProviderSet:
    try:
        chosen = load_providers(settings.config, read_environment())
        check_webhooks(chosen.alerts.webhooks, settings.allowed_private_hosts)
        return chosen
    except ConfigurationError as error:
        _die(str(error), EX_CONFIG)


def _prepare(settings: Settings) -> None:
    """Migrate, check the encryption keys and the catalog; a database that is away is waited for while serving."""
    try:
        if settings.catalog is not None:
            read_overrides(settings.catalog)
        migrate(settings.database_url)
        asyncio.run(_check_keys(settings))
    except DatabaseUnusable as error:
        _die(str(error), EX_UNAVAILABLE)
    except (WrongEncryptionKey, CatalogUnreadable) as error:
        _die(str(error), EX_CONFIG)
    except StorageUnavailable as error:
        sys.stderr.write(f"outcry: the database is away ({error}); serving, not ready until it is back\n")


async def _check_keys(settings: Settings) -> None:
    async with open_database(settings.database_url) as database:
        await Vault(settings.encryption_keys).verify_canary(database)


def _local_key(path: Path, name: str, hint: str) -> str:
    """A key of this machine, made on the first start and readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
        out.print(f"made a local {name}: {path} (mode 0600); {hint}")
    return path.read_text(encoding="ascii").strip()


def _announce(settings: Settings, providers: ProviderSet) -> None:
    address = f"http://{settings.host}:{settings.port}"
    names = ", ".join(one.name for one in providers.providers if one.enabled) or "none"
    key = "" if not settings.api_keys else " -H 'authorization: Bearer YOUR_KEY'"
    out.print(f"Outcry {__version__} on {address}")
    out.print(f"providers: {names} (from {providers.source})")
    for warning in providers.warnings:
        out.print(f"warning: {warning}")
    body = '{"messages": [{"role": "user", "content": "Hello"}]}'
    out.print(f"try: curl -s {address}/chat{key} -H 'content-type: application/json' -d '{body}'")


def _die(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"outcry: {message}\n")
    raise typer.Exit(status)


if __name__ == "__main__":
    app()
