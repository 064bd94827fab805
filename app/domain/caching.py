"""What a caller may want of the response cache, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CacheMode(StrEnum):
    """What one request does with the cache: look into it, put its answer there, both, or neither."""

    OFF = "off"
    READ = "read"
    WRITE = "write"
    READ_WRITE = "read-write"

    @property
    def reads(self) -> bool:
        """Whether an answer that is kept may be given."""
        return self in (CacheMode.READ, CacheMode.READ_WRITE)

    @property
    def writes(self) -> bool:
        """Whether the answer may be kept."""
        return self in (CacheMode.WRITE, CacheMode.READ_WRITE)


class CacheStatus(StrEnum):
    """What became of a request at the cache.

    `shared`: another request that was under way had the same answer coming. `bypass`: nothing was looked up, because
    the request only writes, its provider is never to be cached, or it cannot be told from others.
    """

    HIT = "hit"
    MISS = "miss"
    SHARED = "shared"
    BYPASS = "bypass"


@dataclass(frozen=True, slots=True)
class CacheNote:
    """The label of an answer; `age` is in seconds, for hits only."""

    status: CacheStatus
    age: float | None = None

    @property
    def is_free(self) -> bool:
        """Whether nobody was asked for this answer on this request's account."""
        return self.status in (CacheStatus.HIT, CacheStatus.SHARED)


def mode_between(asked: CacheMode | None, *, enabled: bool | None) -> CacheMode:
    """What holds between a request (None: it does not say) and a provider; its False is a never."""
    if enabled is False:
        return CacheMode.OFF
    if asked is not None:
        return asked
    return CacheMode.READ_WRITE if enabled else CacheMode.OFF
