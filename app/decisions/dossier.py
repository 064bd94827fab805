"""How a decision came about, as plain JSON: what was asked in which words, what each member said, every attempt.

    request        the question as it came
    prompt         the messages as sent, their SHA-256 (of the canonical JSON); the template, its versions and hashes
    calls          each time a member (or the risk officer) was asked: parameters, who served, the raw answer
    attempts       each attempt behind those calls: reason, code, latency, cost, price source
    times          UTC with microseconds; durations are monotonic seconds
    made_by        configuration revisions, the code's version and build

Votes with their weights, parse steps and violations stand in the answer, which is a payload of its own. Texts are
bounded: what was cut says how long it was and has its SHA-256. Words of ours stand in it as the enums that they are,
which JSON has as their text.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from app.decisions.member import Asker
from app.decisions.question import Question
from app.decisions.wire import usage_rendered
from app.domain.attempt import Ask, AttemptRecord, Completion
from app.domain.chat import JSON
from app.domain.decision import Decision
from app.domain.errors import OutcryError
from app.domain.usage import money
from app.ledger.sealing import canonical_bytes

VERSION: Final = "1.0"
MAX_TEXT: Final = 100_000
"""Characters of one raw answer that are kept."""
MAX_ENTRIES: Final = 500
"""Calls, and attempts, of one decision that are kept; how many more there were is said."""


@dataclass(frozen=True, slots=True)
class MadeBy:
    """What made a decision: the code, and the revisions of the configuration in force when it is asked for."""

    version: str = "unknown"
    build: str | None = None
    revisions: Callable[[], Mapping[str, int]] = dict

    def rendered(self) -> dict[str, Any]:
        """As JSON values."""
        return {"version": self.version, "build": self.build, "config_revisions": dict(self.revisions())}


@dataclass(slots=True)
class _Call:
    """One ask and what became of it; `state` is under_way, answered, failed or cancelled. Monotonic seconds."""

    ask: Ask
    started: float
    ended: float | None = None
    state: str = "under_way"
    completion: Completion | None = None
    error: OutcryError | None = None


@dataclass(slots=True)
class Transcript:
    """What is heard while one decision is made."""

    now: Callable[[], float]
    attempts: list[AttemptRecord] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=lambda: {"attempts": 0, "calls": 0})

    def asker(self, asker: Asker) -> Asker:
        """The same asker, overheard."""
        return _Overheard(asker, self)

    def call(self, ask: Ask) -> _Call:
        """A new call, kept while there is room."""
        begun = _Call(ask, self.now())
        self._add("calls", self.calls, begun)
        return begun

    def attempt(self, record: AttemptRecord) -> None:
        """One attempt has ended."""
        self._add("attempts", self.attempts, record)

    def _add(self, name: str, entries: list[Any], entry: object) -> None:
        if len(entries) < MAX_ENTRIES:
            entries.append(entry)
        else:
            self.left_out[name] += 1


class Witness:
    """Hears of every attempt, and keeps those of the decisions that are being made now."""

    def __init__(self) -> None:
        self._open: dict[str, Transcript] = {}

    def begin(self, decision_id: str, now: Callable[[], float]) -> Transcript:
        """A transcript that is written until `end`."""
        transcript = self._open[decision_id] = Transcript(now)
        return transcript

    def end(self, decision_id: str) -> None:
        """Nothing more is heard of this decision."""
        self._open.pop(decision_id, None)

    def attempt_finished(self, record: AttemptRecord) -> None:
        """One attempt has ended, whichever way."""
        if record.decision_id is not None and (transcript := self._open.get(record.decision_id)) is not None:
            transcript.attempt(record)


class _Overheard:
    """Asks, and notes what came of it."""

    def __init__(self, asker: Asker, transcript: Transcript) -> None:
        self._asker = asker
        self._transcript = transcript

    async def complete(self, ask: Ask) -> Completion:
        call = self._transcript.call(ask)
        try:
            call.completion = completion = await self._asker.complete(ask)
        except OutcryError as error:
            call.state, call.error = "failed", error
            raise
        except asyncio.CancelledError:
            call.state = "cancelled"
            raise
        else:
            call.state = "answered"
            return completion
        finally:
            call.ended = self._transcript.now()


def dossier_of(
    decision: Decision,
    question: Question,
    *,
    request: Mapping[str, Any],
    messages: Sequence[JSON],
    transcript: Transcript,
    made_by: Mapping[str, Any],
) -> dict[str, Any]:
    """The dossier of a decision that is made; `request` is the question as JSON values, `messages` what was sent."""
    asked_at = decision.created_at - timedelta(seconds=decision.latency)
    return {
        "dossier_version": VERSION,
        "decision_id": decision.id,
        "request_id": decision.request_id,
        "algo_id": decision.algo_id,
        "decision_maker_id": decision.decision_maker_id,
        "key_id": decision.key_id,
        "agent_id": decision.agent_id,
        "times": {
            "asked_at": _utc(asked_at.isoformat(timespec="microseconds")),
            "decided_at": _utc(decision.created_at.isoformat(timespec="microseconds")),
            "settled_s": decision.consensus.settled_at,
            "decided_s": decision.latency,
            "deadline_s": question.deadline - question.arrived,
        },
        "as_of": None if question.as_of is None else _utc(question.as_of.isoformat(timespec="microseconds")),
        "contamination": decision.contamination,
        "method": decision.consensus.method,
        "request": dict(request),
        "prompt": {"sha256": _sha256(list(messages)), "messages": list(messages)},
        "template": dict(decision.template),
        **heard(transcript, question, messages),
        "cost_usd": None if decision.cost_usd is None else money(decision.cost_usd),
        "made_by": dict(made_by),
    }


def heard(transcript: Transcript, question: Question, messages: Sequence[JSON]) -> dict[str, Any]:
    """What was heard so far, as it stands in a dossier, and again in what came in after the answer."""
    return {
        "calls": [_call(call, question, messages) for call in transcript.calls],
        "attempts": [_attempt(record, question) for record in transcript.attempts],
        "left_out": dict(transcript.left_out),
    }


def _call(call: _Call, question: Question, messages: Sequence[JSON]) -> dict[str, Any]:
    ask, error = call.ask, call.error
    chat = ask.chat
    return {
        "place": ask.request_id.removeprefix(question.request_id),
        "state": call.state,
        "requested_model": ask.model,
        "config_id": ask.config_id,
        "parameters": dict(chat.parameters),
        **_said(chat.messages, messages),
        "started_s": call.started - question.arrived,
        "duration_s": None if call.ended is None else call.ended - call.started,
        "error": None if error is None else {"code": error.code, "message": error.message},
        **_answered(call.completion),
    }


def _said(sent: Sequence[JSON], messages: Sequence[JSON]) -> dict[str, Any]:
    """Null for the decision's own prompt; what was appended to it; or other messages altogether."""
    own = len(messages)
    if sent is messages or list(sent[:own]) == list(messages):
        return {"messages": None, "appended_messages": list(sent[own:])}
    return {"messages": list(sent), "appended_messages": []}


def _answered(completion: Completion | None) -> dict[str, Any]:
    if completion is None:
        return {"served": None, "answer": None, "usage": None, "cost_usd": None, "warnings": []}
    response, cost = completion.response, completion.cost_usd
    message = response.message
    return {
        "served": {
            "provider": completion.target.provider,
            "model": completion.target.model,
            "reported_model": response.completion.get("model"),
            "rung": completion.rung,
            "replayed": completion.replayed,
            "cache": None if completion.cache is None else completion.cache.status,
        },
        "answer": {
            **_raw(response.text),
            "finish_reason": response.finish_reason,
            "refusal": message.get("refusal"),
            "tool_calls": message.get("tool_calls"),
        },
        "usage": usage_rendered(completion.usage),
        "cost_usd": None if cost is None else money(cost),
        "warnings": [*response.warnings, *completion.warnings],
    }


def _raw(text: str) -> dict[str, Any]:
    if len(text) <= MAX_TEXT:
        return {"raw": text, "is_cut": False, "characters": len(text), "sha256": None}
    whole = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"raw": text[:MAX_TEXT], "is_cut": True, "characters": len(text), "sha256": whole}


def _attempt(record: AttemptRecord, question: Question) -> dict[str, Any]:
    return {
        "id": record.id,
        "place": record.request_id.removeprefix(question.request_id),
        "ordinal": record.ordinal,
        "provider": record.target.provider,
        "model": record.target.model,
        "kind": record.kind,
        "outcome": record.outcome,
        "code": record.code,
        "upstream_status": record.upstream_status,
        "message": record.message,
        "started_at": _utc(record.started_at.isoformat(timespec="microseconds")),
        "duration_s": record.duration,
        "time_to_first_token_s": record.time_to_first_token,
        "usage": usage_rendered(record.usage),
        "cost_usd": None if record.cost_usd is None else money(record.cost_usd),
        "price_source": record.price_source,
        "price_dated": record.price_dated,
        "config_id": record.config_id,
    }


def _sha256(value: object) -> str:
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def _utc(text: str) -> str:
    return text.replace("+00:00", "Z")
