"""Everything that callers may name, described; built off the event loop, once for each change of what is served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import anyio
import anyio.to_thread

from app.catalog.catalog import Catalog
from app.catalog.operator import with_operators_word
from app.domain.catalog import UNKNOWN_MODEL
from app.domain.errors import NotFound
from app.domain.listing import ListedName, ListedTarget, NameKind
from app.domain.target import Target
from app.providers.pool import Pool
from app.routing.names import is_hidden, known_models, resolve


class ModelListing:
    """Every name with its targets, in the order of the list. A first look at the prices takes a part of a second."""

    def __init__(self, pool: Pool, catalog: Catalog) -> None:
        self._pool = pool
        self._catalog = catalog
        self._building = anyio.Lock()
        self._built: tuple[int, date] | None = None
        self._names: Mapping[str, ListedName] = {}

    async def __call__(self) -> Mapping[str, ListedName]:
        """What is served now; the same object until that changes, or the day does and with it prices."""
        if self._built != self._moment():
            async with self._building:
                # Read before: what changes meanwhile is found out of date by the next caller.
                moment = self._moment()
                if self._built != moment:
                    self._names = await anyio.to_thread.run_sync(self._described)
                    self._built = moment
        return self._names

    async def find(self, name: str) -> ListedName | None:
        """What a name stands for, listed or not: `openai/gpt-4o` is good for a request whatever its provider's name."""
        listed = (await self()).get(name)
        if listed is not None or self._kind(name) is not NameKind.MODEL:
            return listed
        # A name that is nobody's is compared with all others, and a price may have to be read.
        return await anyio.to_thread.run_sync(self._unlisted, name)

    def _unlisted(self, name: str) -> ListedName | None:
        known = [target for target in self._targets(name) if self._pool.serves(target.provider, target.model)]
        return ListedName(name, NameKind.MODEL, tuple(self._look_up(target) for target in known)) if known else None

    def _moment(self) -> tuple[int, date]:
        return self._pool.index, self._catalog.today()

    def _described(self) -> dict[str, ListedName]:
        """Runs in a thread: everything it reads of the pool is replaced as a whole when it changes, never altered."""
        served = self._pool.targets()
        pinned = {str(target): target for target in served}
        described: dict[Target, ListedTarget] = {}
        names: dict[str, ListedName] = {}
        # Models that only embed are served though nothing offers them for a chat.
        for name in dict.fromkeys((*known_models(self._pool), *pinned, *self._bare_names(served))):
            kind = self._kind(name)
            is_pinned = kind is NameKind.MODEL and name in pinned
            targets = (pinned[name],) if is_pinned else self._targets(name)
            names[name] = ListedName(name, kind, tuple(self._describe(target, described) for target in targets))
        return names

    def _bare_names(self, served: Iterable[Target]) -> Iterator[str]:
        for target in served:
            if not is_hidden(target.model, self._pool):
                yield target.model

    def _kind(self, name: str) -> NameKind:
        if name == "auto" or name.startswith("auto:"):
            return NameKind.POLICY
        if name in self._pool.current.aliases:
            return NameKind.ALIAS
        return NameKind.TASK if name.startswith("task:") else NameKind.MODEL

    def _targets(self, name: str) -> Sequence[Target]:
        try:
            return resolve(name, self._pool).targets
        except NotFound:
            return ()

    def _describe(self, target: Target, described: dict[Target, ListedTarget]) -> ListedTarget:
        if target not in described:
            described[target] = self._look_up(target)
        return described[target]

    def _look_up(self, target: Target) -> ListedTarget:
        provider = self._pool.provider(target.provider)
        if provider is None:  # gone since its name was read
            return ListedTarget(target, UNKNOWN_MODEL, None)
        config = provider.config
        facts = with_operators_word(config, target.model, self._catalog.facts(config.type, target.model))
        return ListedTarget(target, facts, self._catalog.card(config, target.model))
