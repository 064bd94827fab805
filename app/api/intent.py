"""What a caller says about routing in headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar

from app.domain.caching import CacheMode
from app.domain.conversation import MOST_CHARACTERS, NAME
from app.domain.errors import Code, OutcryError, RequestRejected
from app.domain.hindsight import AsOf, AsOfMode
from app.domain.replay import RUN_NAME, Replay, ReplayMode
from app.domain.routing import PolicyName, Priority

SHORT_POLICIES: Final[Mapping[str, PolicyName]] = {
    "latency": PolicyName.LATENCY_AWARE,
    "cost": PolicyName.COST_AWARE,
    "accuracy": PolicyName.ACCURACY_FIRST,
    "health": PolicyName.HEALTH_BASED,
}
_OFF: Final = "off"
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Intent:
    """Routing wishes of one request; None is not said. `deadline` is seconds from arrival.

    `hindsight` is what a completion is asked as of; a decision has `as_of`, `as_of_mode` and its own mind.
    """

    agent_id: int | None = None
    policy: PolicyName | None = None
    deadline: float | None = None
    priority: Priority | None = None
    as_of: datetime | None = None
    as_of_mode: AsOfMode | None = None
    hindsight: AsOf | None = None
    cache: CacheMode | None = None
    conversation: str | None = None
    hedge: bool | None = None
    replay: Replay | None = None


NO_INTENT: Final = Intent()
_ANEW: Final = Intent(cache=CacheMode.OFF)


def read_intent(headers: Mapping[bytes, bytes]) -> Intent:
    """The routing headers, checked. Raises RequestRejected that names the wrong one."""
    said = {
        name.decode("latin-1"): value.decode("latin-1").strip()
        for name, value in headers.items()
        if name.startswith(b"x-outcry-")
    }
    anew = _asks_anew(headers.get(b"cache-control"))
    if not said:
        return _ANEW if anew else NO_INTENT
    return Intent(
        agent_id=_positive(said, "x-outcry-agent"),
        policy=_policy(said),
        deadline=_milliseconds(said),
        priority=_word(said, "x-outcry-priority", Priority),
        as_of=_moment(said),
        as_of_mode=_word(said, "x-outcry-as-of-mode", AsOfMode),
        cache=_word(said, "x-outcry-cache", CacheMode) or (CacheMode.OFF if anew else None),
        conversation=_conversation(said),
        hedge=_switch(said, "x-outcry-hedge"),
        replay=_replay(said),
    )


def policy_named(name: str) -> PolicyName | None:
    """The policy of a name or a short form."""
    if name in SHORT_POLICIES:
        return SHORT_POLICIES[name]
    try:
        return PolicyName(name)
    except ValueError:
        return None


def policy_words() -> str:
    """Every name a policy may be given."""
    return ", ".join([*PolicyName, *SHORT_POLICIES])


def malformed(name: str, expected: str) -> OutcryError:
    """The error of a header that does not say what it should."""
    return RequestRejected(Code.INVALID_HEADER, f"header {name} must be {expected}", param=name)


def _asks_anew(control: bytes | None) -> bool:
    """Whether HTTP's own header forbids an answer that was kept, or that this one be."""
    if control is None:
        return False
    return any(word.strip() in (b"no-store", b"no-cache") for word in control.lower().split(b","))


def _positive(said: Mapping[str, str], name: str) -> int | None:
    text = said.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) == 0:
        raise malformed(name, "a positive whole number of at most ten digits")
    return int(text)


def _milliseconds(said: Mapping[str, str]) -> float | None:
    whole = _positive(said, "x-outcry-deadline-ms")
    return None if whole is None else whole / 1000


def _policy(said: Mapping[str, str]) -> PolicyName | None:
    text = said.get("x-outcry-policy")
    if text is None:
        return None
    policy = policy_named(text)
    if policy is None:
        raise malformed("x-outcry-policy", f"one of {policy_words()}")
    return policy


def _word(said: Mapping[str, str], name: str, words: type[_Word]) -> _Word | None:
    text = said.get(name)
    if text is None:
        return None
    try:
        return words(text)
    except ValueError:
        raise malformed(name, f"one of {', '.join(words)}") from None


def _conversation(said: Mapping[str, str]) -> str | None:
    text = said.get("x-outcry-conversation")
    if text is not None and not NAME.fullmatch(text):
        raise malformed("x-outcry-conversation", f"1 to {MOST_CHARACTERS} visible ASCII characters")
    return text


def _switch(said: Mapping[str, str], name: str) -> bool | None:
    text = said.get(name)
    if text not in (None, "on", "off"):
        raise malformed(name, "on or off")
    return None if text is None else text == "on"


def _replay(said: Mapping[str, str]) -> Replay | None:
    mode, run = said.get("x-outcry-replay", _OFF), said.get("x-outcry-run")
    if run is not None and not RUN_NAME.fullmatch(run):
        raise malformed("x-outcry-run", "1 to 128 letters, digits, `.`, `_` or `-`")
    if mode == _OFF:
        return None
    if mode not in tuple(ReplayMode):
        raise malformed("x-outcry-replay", f"one of {', '.join((_OFF, *ReplayMode))}")
    if run is None:
        raise malformed("x-outcry-run", f"there with x-outcry-replay: {mode}, and name the run")
    return Replay(ReplayMode(mode), run)


def _moment(said: Mapping[str, str]) -> datetime | None:
    text = said.get("x-outcry-as-of")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise malformed("x-outcry-as-of", "an ISO 8601 date-time with its offset")
