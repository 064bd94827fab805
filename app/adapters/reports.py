"""Error bodies in all the shapes that providers send, read into one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

_TAG: Final = re.compile(r"<[^>]{0,200}>")
_IN_FLIGHT_BUDGET: Final = "openrouter_in_flight_budget"


@dataclass(frozen=True, slots=True)
class Report:
    """A provider's error body, read: `words` are its codes and types in lower case, the most telling first."""

    text: str
    words: tuple[str, ...] = ()
    param: str | None = None
    status: int | None = None
    hints: tuple[str, ...] = ()
    flagged: bool = False
    in_flight: bool = False
    per_day: bool = False


def read_report(body: bytes) -> Report:
    """An error body in any of the shapes that servers send; text and HTML too."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Report(_TAG.sub(" ", body[:8192].decode("utf-8", "replace")))
    return report_of(value)


def report_of(value: Any) -> Report:  # noqa: ANN401 - any JSON may be called an error
    """The same for JSON that is read already; an array's first element is the error."""
    if isinstance(value, list):
        return report_of(value[0]) if value else Report("")
    if not isinstance(value, dict):
        return Report(value if isinstance(value, str) else "")
    error = value.get("error")
    if isinstance(error, str):
        # `code` is a sentence at xAI and `error_type` a word at TGI; both sit beside the text.
        return Report(error, _words(value, ("error_type", "code", "type")), status=_status(value))
    inner = error if isinstance(error, dict) else value
    return _Reading(inner).report()


@dataclass(frozen=True, slots=True)
class _Reading:
    """One error object, with the extras that some providers hang on it."""

    error: dict[str, Any]
    metadata: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        metadata = self.error.get("metadata")
        object.__setattr__(self, "metadata", metadata if isinstance(metadata, dict) else {})

    def report(self) -> Report:
        details = self.error.get("details")
        entries = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
        nested = [self.metadata, *entries, details, self.error.get("innererror"), self.error]
        words = [
            word
            for each in nested
            if isinstance(each, dict)
            for word in _words(each, ("error_type", "error_code", "reason", "code", "type", "status"))
        ]
        param = self.error.get("param")
        return Report(
            self._text(),
            tuple(words),
            param=param if isinstance(param, str) else None,
            status=_status(self.error),
            hints=tuple(self._hints(entries)),
            flagged=bool(self.metadata.get("reasons")),
            in_flight=self.metadata.get("limit_source") == _IN_FLIGHT_BUDGET,
            per_day=any("PerDay" in quota for quota in _quotas(entries)),
        )

    def _text(self) -> str:
        said = next((self.error[name] for name in ("message", "detail", "error_message") if self.error.get(name)), "")
        text = said if isinstance(said, str) else orjson.dumps(said).decode()
        raw = self.metadata.get("raw")
        return f"{text}: {raw}" if isinstance(raw, str) else text

    def _hints(self, entries: list[dict[str, Any]]) -> Iterator[str]:
        for entry in entries:
            delay = entry.get("retryDelay")
            if isinstance(delay, str):
                yield delay
        headers = self.metadata.get("headers")
        if isinstance(headers, dict):
            yield from (
                str(each) for name, each in headers.items() if name.lower() in ("retry-after", "x-ratelimit-reset")
            )


def _words(value: dict[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(value[name]).lower() for name in names if isinstance(value.get(name), str | int))


def _status(value: dict[str, Any]) -> int | None:
    for name in ("status_code", "code", "status", "raw_status_code"):
        stated = value.get(name)
        if isinstance(stated, str) and stated.isdecimal():
            stated = int(stated[:6])
        if isinstance(stated, int) and 400 <= stated < 600:
            return stated
    return None


def _quotas(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        violations = entry.get("violations")
        for each in violations if isinstance(violations, list) else ():
            if isinstance(each, dict):
                yield str(each.get("quotaId", ""))
