"""What is left of a provider's rate limit, out of the headers of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.adapters.retry_after import seconds, their_now
from app.domain.chat import Allowance


@dataclass(frozen=True, slots=True)
class Window:
    """The headers of one limit: what is left, of how much, and when there is more; "" is never said."""

    remaining: str
    limit: str = ""
    reset: str = ""


@dataclass(frozen=True, slots=True)
class LimitHeaders:
    """How one provider states its limits. `has_moments`: its resets are dates, to be counted from its own clock."""

    requests: tuple[Window, ...]
    tokens: tuple[Window, ...]
    has_moments: bool = False


def _openais(name: str) -> Window:
    return Window(f"x-ratelimit-remaining-{name}", f"x-ratelimit-limit-{name}", f"x-ratelimit-reset-{name}")


def _anthropics(name: str) -> Window:
    head = f"anthropic-ratelimit-{name}"
    return Window(f"{head}-remaining", f"{head}-limit", f"{head}-reset")


_UNNAMED: Final = Window("x-ratelimit-remaining", "x-ratelimit-limit", "x-ratelimit-reset")

OPENAIS: Final = LimitHeaders((_openais("requests"),), (_openais("tokens"),))
ANTHROPICS: Final = LimitHeaders(
    (_anthropics("requests"),),
    (_anthropics("tokens"), _anthropics("input-tokens"), _anthropics("output-tokens")),
    has_moments=True,
)
OPENROUTERS: Final = LimitHeaders((_UNNAMED,), (), has_moments=True)
TOGETHERS: Final = LimitHeaders((_UNNAMED,), (Window("x-tokenlimit-remaining", "x-tokenlimit-limit"),))
MISTRALS: Final = LimitHeaders((_openais("req-minute"),), (_openais("tokens-minute"), _openais("tokens-month")))


@dataclass(frozen=True, slots=True)
class _State:
    remaining: int
    share: float
    reset: float | None


def allowance_of(family: LimitHeaders, headers: Mapping[str, str], *, wall: float) -> Allowance | None:
    """What is left; None where nothing is said. Names of headers are found in lower case.

    Of several limits on one thing the least that remains counts, and the reset of the scarcest of all. `wall`: seconds
    since the epoch, for moments of a provider that does not state its own clock.
    """
    requests = _states(family.requests, family, headers, wall)
    tokens = _states(family.tokens, family, headers, wall)
    if not requests and not tokens:
        return None
    resets = [(state.share, -state.reset, state.reset) for state in (*requests, *tokens) if state.reset is not None]
    return Allowance(
        requests=min((state.remaining for state in requests), default=None),
        tokens=min((state.remaining for state in tokens), default=None),
        resets_after=min(resets)[2] if resets else None,
    )


def _states(windows: tuple[Window, ...], family: LimitHeaders, headers: Mapping[str, str], wall: float) -> list[_State]:
    states = []
    for window in windows:
        remaining = _count(headers.get(window.remaining))
        if remaining is None:
            continue
        limit = _count(headers.get(window.limit)) if window.limit else None
        # Without a limit to compare with, only a limit that is used up is known to be scarce.
        share = remaining / limit if limit else float(remaining > 0)
        spelled = headers.get(window.reset, "") if window.reset else ""
        now = their_now(headers, wall) if spelled and family.has_moments else wall
        states.append(_State(remaining, share, seconds(spelled, now=now)))
    return states


def _count(spelled: str | None) -> int | None:
    """A count of at most 18 digits; -1 and other nonsense is nothing."""
    spelled = spelled.strip() if spelled else ""
    return int(spelled) if spelled.isdecimal() and spelled.isascii() and len(spelled) <= 18 else None
