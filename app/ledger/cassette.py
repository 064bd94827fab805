"""A run as one file: a line that says what it is, one line per recorded question, and a line that seals the others.

The seal is the SHA-256 of every byte before it, so that a changed, cut or reordered file is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, BinaryIO, Final

import orjson

from app.domain.replay import RUN_NAME, Take, TakeKind, TakeOutcome
from app.text.canonical import canonical, digest

VERSION: Final = 1
_LONGEST_LINE: Final = 64 * 1024 * 1024


class BadCassette(ValueError):
    """A file that is no cassette, or not the one that was written; says which line."""


def head_of(run: str, takes: int) -> bytes:
    """The first line."""
    return canonical({"outcry_cassette": VERSION, "run": run, "takes": takes}) + b"\n"


def line_of(take: Take) -> bytes:
    """The line of one question; whose it was stays at home, and so does its id: its place in the file is as good."""
    fields = asdict(take) | {"began_at": take.began_at.isoformat(), "body": orjson.loads(take.body)}
    del fields["id"], fields["owner"], fields["run"]
    return canonical(fields) + b"\n"


class Seal:
    """The last line, in the making."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, line: bytes) -> bytes:
        """The line, counted in."""
        self._hash.update(line)
        return line

    @property
    def sha256(self) -> str:
        """The hash of all lines so far: the run's manifest."""
        return self._hash.hexdigest()

    def line(self) -> bytes:
        """The last line."""
        return canonical({"sha256": self.sha256}) + b"\n"


def check(file: BinaryIO) -> tuple[str, int, str]:
    """The run's name, how many questions it holds, and its hash. Raises BadCassette; reads a line at a time."""
    seal, number, last = Seal(), 0, b""
    name, promised = _head(_line(file, 1))
    file.seek(0)
    while line := _line(file, number + 1):
        if last:
            seal.add(last)
            if number > 1:
                _checked(last, number)
        number, last = number + 1, line
    if _json(last, number).get("sha256") != seal.sha256:
        raise BadCassette("the seal in the last line does not fit: the file was cut or changed")
    if number - 2 != promised:
        raise BadCassette(f"{promised} questions are promised and {number - 2} are there")
    return name, promised, seal.sha256


def takes_in(file: BinaryIO, owner: str, run: str) -> Iterator[Take]:
    """The questions of a cassette that was checked, for this run of this caller."""
    file.seek(0)
    _line(file, 1)
    number = 1
    line = _line(file, 2)
    while following := _line(file, number + 2):
        number += 1
        yield _take(_json(line, number), number, owner, run)
        line = following


def broken_in(take: Take) -> str | None:
    """What is wrong with a stored question, None when every key is the hash of what was asked."""
    body = orjson.loads(take.body)
    if take.kind is TakeKind.PANEL:
        return None if isinstance(body.get("order"), list) and isinstance(body.get("scope"), str) else "has no order"
    exchanges = body.get("exchanges")
    if not isinstance(exchanges, list) or not (exchanges or body.get("error")):
        return "has neither an exchange nor an error"
    if any(exchange["key"] != digest(exchange["question"]) for exchange in exchanges):
        return "holds an exchange whose key is not that of its question"
    if exchanges and exchanges[0]["key"] != take.key:
        return "is filed under another question"
    return None


def _head(line: bytes) -> tuple[str, int]:
    head = _json(line, 1)
    name, takes = head.get("run"), head.get("takes")
    if head.get("outcry_cassette") != VERSION or not isinstance(name, str) or not RUN_NAME.fullmatch(name):
        raise BadCassette("line 1: this is no cassette of version 1")
    if not isinstance(takes, int) or takes < 0:
        raise BadCassette("line 1: takes is no count")
    return name, takes


def _checked(line: bytes, number: int) -> None:
    take = _take(_json(line, number), number, "", "")
    try:
        wrong = broken_in(take)
    except (KeyError, TypeError, ValueError) as error:
        raise BadCassette(f"line {number}: {type(error).__name__}") from None
    if wrong is not None:
        raise BadCassette(f"line {number}: the question {wrong}")


def _take(fields: dict[str, Any], number: int, owner: str, run: str) -> Take:
    try:
        # Two runs may hold the same cassette; of what began at one moment the ids keep the order.
        return Take(
            id=f"{number:08x}{digest([owner, run, number])[:24]}",
            owner=owner,
            run=run,
            kind=TakeKind(fields["kind"]),
            key=str(fields["key"]),
            member=str(fields["member"]),
            outcome=TakeOutcome(fields["outcome"]),
            began_at=_moment(fields["began_at"]),
            body=canonical(fields["body"]).decode(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadCassette(f"line {number}: {error!r}") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment


def _line(file: BinaryIO, number: int) -> bytes:
    line = file.readline(_LONGEST_LINE)
    if line and not line.endswith(b"\n"):
        raise BadCassette(f"line {number} has no end")
    return line


def _json(line: bytes, number: int) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except ValueError:
        raise BadCassette(f"line {number} is not JSON") from None
    if not isinstance(value, dict):
        raise BadCassette(f"line {number} is no JSON object")
    return value
