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
    """A provider's error body, read: `words` are its codes and types in lower case, the most telling first.

    `declared`: OpenRouter's own name for what went wrong, which says more than any word beside it.
    """

    text: str
    words: tuple[str, ...] = ()
    param: str | None = None
    status: int | None = None
    hints: tuple[str, ...] = ()
    flagged: bool = False
    in_flight: bool = False
    per_day: bool = False
    declared: str = ""


def read_report(body: bytes) -> Report:
    """An error body in any of the shapes that servers send; text and HTML too."""
    try:
        value = orjson.loads(_unframed(body))
    except orjson.JSONDecodeError:
        return Report(_TAG.sub(" ", body[:8192].decode("utf-8", "replace")))
    return report_of(value)


def _unframed(body: bytes) -> bytes:
    """The JSON of an error that came as an event, as it does where a stream was asked for."""
    if b"data:" not in body[:256]:
        return body
    return next((line[5:] for line in body.splitlines() if line.startswith(b"data:")), body)


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
        declared = self.metadata.get("error_type")
        complaint = _complaint(self._said())
        return Report(
            self._text(),
            tuple(words),
            param=param if isinstance(param, str) else _place(complaint),
            status=_status(self.error),
            hints=tuple(self._hints(entries)),
            flagged=bool(self.metadata.get("reasons")),
            in_flight=self.metadata.get("limit_source") == _IN_FLIGHT_BUDGET,
            per_day=any("PerDay" in quota for quota in _quotas(entries)),
            declared=declared.lower() if isinstance(declared, str) else "",
        )

    def _text(self) -> str:
        said = self._said()
        text = said if isinstance(said, str) else _worded(said)
        raw = self.metadata.get("raw")
        return f"{text}: {raw}" if isinstance(raw, str) else text

    def _said(self) -> Any:  # noqa: ANN401 - a wire body
        return next((self.error[name] for name in ("message", "detail", "error_message") if self.error.get(name)), "")

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


def _complaint(said: Any) -> dict[str, Any]:  # noqa: ANN401 - a wire body
    """The first of the complaints that checked fields raise, under `detail` or not; {} where there is none."""
    said = said.get("detail") if isinstance(said, dict) else said
    first = said[0] if isinstance(said, list) and said else None
    return first if isinstance(first, dict) and isinstance(first.get("msg"), str) else {}


def _place(complaint: dict[str, Any]) -> str | None:
    """The dotted path of the field that a complaint is about."""
    where = complaint.get("loc")
    parts = [str(each) for each in where if each != "body"] if isinstance(where, list) else []
    return ".".join(parts)[:200] or None


def _worded(said: Any) -> str:  # noqa: ANN401 - a wire body
    complaint = _complaint(said)
    if not complaint:
        return orjson.dumps(said).decode()
    place = _place(complaint)
    return f"{place}: {complaint['msg']}" if place else str(complaint["msg"])


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
