"""Tells other processes of pauses, parked keys, open circuits and resets, and takes over what they tell.

Nothing of it is in the way of a request: the job compares the pool with what it last knew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

import anyio

from app.domain.errors import StorageUnavailable
from app.domain.news import About, News, NewsKind
from app.domain.ports import NewsRepository
from app.domain.target import Target
from app.providers.pool import Pool

log = logging.getLogger(__name__)

_EVERY: Final = 0.3
_PATIENCE: Final = 1.5
# What is shorter is over before the others know it.
_SHORTEST: Final = 0.5
_RESET_SECONDS: Final = 60.0
_MOST_SAID: Final = 500
_LONGEST_NAME: Final = 256


class NewsDesk:
    """What this process and the others know of each other's providers; a word of the others is taken over once.

    An ejection that is taken over lasts as long as the other process said; what ends it early there, a probe of its
    own, ends it here. While the database is away each process knows what it sees itself. Without a ring it
    listens every `listen_every` seconds.
    """

    def __init__(
        self,
        pool: Pool,
        repository: NewsRepository,
        *,
        origin: str,
        now: Callable[[], float],
        listen_every: float = 1.0,
    ) -> None:
        self._pool = pool
        self._repository = repository
        self._origin = origin
        self._now = now
        self._known: dict[About, float] = {}
        self._heard: dict[About, float] = {}
        self._resets: dict[About, None] = {}
        self._is_new = True
        self._is_away = False
        self._rung = False
        self._listen_every = listen_every
        self._listened_at = now() - listen_every

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            await self.exchange()
            await anyio.sleep(_EVERY)

    def ring(self) -> None:
        """There may be something to hear."""
        self._rung = True

    def reset(self, provider: str, model: str | None) -> None:
        """Somebody closed the circuits here: what was told of them is void everywhere."""
        about = About(NewsKind.RESET, provider, model or "")
        self._forget(about)
        if len(about.model) <= _LONGEST_NAME and len(self._resets) < _MOST_SAID:
            self._resets[about] = None

    async def exchange(self) -> None:
        """Say what is new here, then hear what is new elsewhere, within 1.5 s."""
        try:
            with anyio.fail_after(_PATIENCE, shield=True):
                await self._say()
                if self._rung or self._now() - self._listened_at >= self._listen_every:
                    self._rung, self._listened_at = False, self._now()
                    self._take_over(await self._repository.heard(self._origin))
        except (StorageUnavailable, TimeoutError) as error:
            if not self._is_away:
                log.warning("news of providers cannot be exchanged", extra={"reason": str(error)})
            self._is_away = True
        else:
            self._is_away = False

    async def _say(self) -> None:
        now, resets = self._now(), list(self._resets)
        found = [(about, until) for about, until in self._present() if until - now >= _SHORTEST]
        new = [(about, until) for about, until in found if until > self._known.get(about, now) + _SHORTEST]
        new = new[:_MOST_SAID]
        if resets or new:
            told = [News(about, _RESET_SECONDS) for about in resets]
            await self._repository.say(self._origin, told + [News(about, until - now) for about, until in new])
        for about in resets:
            self._resets.pop(about, None)
        self._known = {about: until for about, until in self._known.items() if until > now} | dict(new)

    def _present(self) -> Iterator[tuple[About, float]]:
        """What holds here, and until when."""
        for provider in self._pool.providers():
            name = provider.config.name
            for key, until in provider.parked.items():
                yield About(NewsKind.PARKED, name, "", key), until
            for state in self._pool.states(name):
                if len(state.target.model) <= _LONGEST_NAME:
                    where = (name, state.target.model, state.credential_id)
                    yield About(NewsKind.COOLING, *where), state.cooldown_until
                    yield About(NewsKind.EJECTED, *where), state.breaker.open_until(self._now())

    def _take_over(self, news: list[News]) -> None:
        """Resets first: what else is there was said after them."""
        now = self._now()
        for one in sorted(news, key=lambda one: one.about.kind is not NewsKind.RESET):
            if self._heard.get(one.about) != one.said_at:
                self._heard[one.about] = one.said_at
                self._adopt(one.about, now + one.seconds, now)
        self._heard = {one.about: one.said_at for one in news}
        self._is_new = False

    def _adopt(self, about: About, until: float, now: float) -> None:
        provider = self._pool.provider(about.provider)
        if provider is None:
            return
        match about.kind:
            case NewsKind.RESET:
                # Who has just begun has nothing to forget.
                if not self._is_new:
                    self._pool.reset(about.provider, about.model or None)
                    self._forget(about)
                return
            case NewsKind.PARKED:
                provider.park(about.credential_id, until)
            case NewsKind.COOLING:
                self._pool.state(Target(about.provider, about.model), about.credential_id).cool(until)
            case NewsKind.EJECTED:
                state = self._pool.state(Target(about.provider, about.model), about.credential_id)
                state.breaker.ejected_elsewhere(until, now)
        self._known[about] = max(until, self._known.get(about, until))

    def _forget(self, reset: About) -> None:
        self._known = {about: until for about, until in self._known.items() if about.provider != reset.provider}
