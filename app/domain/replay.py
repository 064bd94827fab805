"""Runs: what was said upstream, kept so that the same questions can be answered from it again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

RUN_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


class ReplayMode(StrEnum):
    """What a request does with its run; only `replay` never asks a provider."""

    RECORD = "record"
    REPLAY = "replay"
    REPLAY_OR_RECORD = "replay-or-record"

    @property
    def replays(self) -> bool:
        """Whether the run is looked into first."""
        return self is not ReplayMode.RECORD

    @property
    def may_go_live(self) -> bool:
        """Whether a provider may be asked."""
        return self is not ReplayMode.REPLAY


@dataclass(frozen=True, slots=True)
class Replay:
    """What one request has to do with a run. `member` tells apart who asks the same within it, "" for a completion."""

    mode: ReplayMode
    run: str
    member: str = ""


class TakeKind(StrEnum):
    """`call`: a completion's exchanges with its providers. `panel`: in which order a panel's votes came in."""

    CALL = "call"
    PANEL = "panel"


class TakeOutcome(StrEnum):
    """How a recorded question ended. A cancelled one is on record and answers nothing."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Take:
    """One recorded question. `owner` is the key of its caller: nobody replays another's run.

    `key` is the hash of who was asked what, `body` the exchanges as canonical JSON. The same question asked again in
    one run is told from the first by `began_at`.
    """

    id: str
    owner: str
    run: str
    kind: TakeKind
    key: str
    member: str
    outcome: TakeOutcome
    began_at: datetime
    body: str

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return len(self.body.encode()) + 512


@dataclass(frozen=True, slots=True)
class Run:
    """What is kept under one name. `lost` questions were too large, too many, or came while nothing could be kept."""

    owner: str
    name: str
    created_at: datetime
    written_at: datetime
    size: int
    lost: int
