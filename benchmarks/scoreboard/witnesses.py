"""Callers who remember what they were told and when, and what of it is on record afterwards."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import httpx

from tests.e2e.markets import market
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO

MEMBERS: Final = ("paper/trend", "paper/breakout")
_MIX: Final = (0.5, 0.3, 0.2)
_PATIENCE: Final = 60.0
"""Seconds that whoever was killed may take to answer again."""


class Call(StrEnum):
    """What was asked for."""

    CHAT = "chat"
    STREAM = "stream"
    DECISION = "decision"


@dataclass(frozen=True, slots=True)
class Told:
    """One whole answer: by which id it is on record, and when its last byte was here, in monotonic seconds."""

    call: Call
    id: str
    at: float


class Witnesses:
    """So many callers at once, each with its next call as soon as it has an answer, until `calls` were answered.

    A connection that breaks is no answer: its caller tries again a moment later. What was refused is counted by
    its status and code, and asked again likewise.
    """

    def __init__(self, gateway: Service, calls: int, rng: random.Random, *, at_once: int = 8) -> None:
        self.told: list[Told] = []
        self.refused: Counter[str] = Counter()
        self.broken = 0
        self._gateway = gateway
        self._calls = calls
        self._changed = threading.Condition()
        self._stop = threading.Event()
        seeds = [rng.random() for _ in range(at_once)]
        self._callers = [threading.Thread(target=self._ask, args=[random.Random(seed)], daemon=True) for seed in seeds]

    def __enter__(self) -> Witnesses:
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for caller in self._callers:
            caller.join(60)

    def until(self, answered: int, seconds: float) -> bool:
        """Whether so many calls were answered within these seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.told) >= answered, seconds)

    def _ask(self, rng: random.Random) -> None:
        with httpx.Client(base_url=self._gateway.base_url, timeout=30, trust_env=False) as client:
            while len(self.told) < self._calls and not self._stop.is_set():
                try:
                    told = self._asked(client, rng.choices(list(Call), _MIX)[0])
                except httpx.HTTPError:
                    self.broken += 1
                    told = None
                if told is None:
                    self._stop.wait(0.02)
                    continue
                with self._changed:
                    self.told.append(told)
                    self._changed.notify_all()

    def _asked(self, client: httpx.Client, call: Call) -> Told | None:
        match call:
            case Call.CHAT:
                answer = client.post("/chat", json={"messages": HELLO, "model": MEMBERS[0]})
            case Call.STREAM:
                body = {"messages": HELLO, "model": "alpha-1", "stream": True}
                answer = client.post("/v1/chat/completions", json=body)
                if answer.status_code == 200 and "data: [DONE]" not in answer.text:
                    return None
            case _:
                body = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS}
                answer = client.post("/decisions", json=body)
        if answer.status_code != 200:
            self.refused[f"{answer.status_code} {answer.json()['error']['code']}"] += 1
            return None
        known_by = answer.json()["id"] if call is Call.DECISION else answer.headers["x-request-id"]
        return Told(call, known_by, time.monotonic())


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is on record: how often each decision, and each attempt by its request and ordinal."""

    decisions: Mapping[str, int]
    attempts: Mapping[tuple[str, int], int]

    @classmethod
    def of(cls, gateway: Service) -> Recorded:
        """All of it, as the gateway's own lists tell."""
        decisions = Counter(item["id"] for item in listed(gateway, "/decisions"))
        attempts = Counter((item["request_id"], item["ordinal"]) for item in listed(gateway, "/usage"))
        return cls(decisions, attempts)

    @property
    def twice(self) -> int:
        """How many decisions and attempts are there more than once."""
        return sum(count > 1 for count in (*self.decisions.values(), *self.attempts.values()))

    def missing(self, told: Sequence[Told]) -> list[Told]:
        """What a caller was told and is not there."""
        asked = {request for request, _ in self.attempts}
        return [one for one in told if one.id not in (self.decisions if one.call is Call.DECISION else asked)]


def listed(gateway: Service, path: str) -> Iterator[dict[str, Any]]:
    """Everything of one of the gateway's lists."""
    cursor: dict[str, str] = {}
    while True:
        page = gateway.client.get(path, params={"limit": "500", **cursor}).raise_for_status().json()
        yield from page["items"]
        if not page["next"]:
            return
        cursor = {"cursor": page["next"]}


def unfound(gateway: Service, told: Sequence[Told], seconds: float) -> list[Told]:
    """The decisions among these that `GET /decisions/{id}` does not find, asked again for so long.

    The time begins with the first answer: whoever was killed a moment ago may have nobody who answers for him yet.
    """
    left = [one for one in told if one.call is Call.DECISION]
    patience, end = time.monotonic() + _PATIENCE, None
    while True:
        statuses = [(one, _status(gateway, one.id)) for one in left]
        left = [one for one, status in statuses if status != httpx.codes.OK]
        now = time.monotonic()
        if end is None and any(status is not None for _, status in statuses):
            end = now + seconds
        if not left or now > (patience if end is None else end):
            return left
        time.sleep(0.05)


def _status(gateway: Service, decision_id: str) -> int | None:
    """What asking for it is answered with; None when nobody answers."""
    with suppress(httpx.HTTPError):
        return gateway.client.get(f"/decisions/{decision_id}").status_code
    return None
