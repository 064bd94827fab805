"""What a candidate of Google's says, piece by piece: whole answers and streams are read the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.adapters.codec import bad_answer
from app.adapters.failures import failure
from app.adapters.gemini_contents import SIGNATURE
from app.adapters.openai_answer import new_call_id
from app.adapters.reports import report_of
from app.domain.chat import JSON
from app.domain.errors import FailureKind, ProviderError

_FILTERED: Final = (
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "NO_IMAGE", "ESCALATION",
    "PUP_LIMITED_DISABLED", "MODEL_ARMOR",
)  # fmt: skip
FINISH: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(_FILTERED, "content_filter"),
}
# The model wrote what the server could not read, or nobody knows why it stopped: asking again may help.
FAILED: Final[Mapping[str, FailureKind]] = {
    "MALFORMED_FUNCTION_CALL": FailureKind.BAD_ANSWER,
    "UNEXPECTED_TOOL_CALL": FailureKind.BAD_ANSWER,
    "TOO_MANY_TOOL_CALLS": FailureKind.BAD_ANSWER,
    "MALFORMED_RESPONSE": FailureKind.BAD_ANSWER,
    "MISSING_THOUGHT_SIGNATURE": FailureKind.BAD_ANSWER,
    "OTHER": FailureKind.SERVER_ERROR,
}
_UNSPECIFIED: Final = ("FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED")
_BESIDE: Final = frozenset({"thought", "thoughtSignature", "partMetadata", "videoMetadata", "mediaResolution"})
_WORDLESS: Final = frozenset(
    {"inlineData", "fileData", "executableCode", "codeExecutionResult", "functionResponse", "toolCall", "toolResponse"}
)


@dataclass(slots=True)
class Said:
    """What some parts say together. `parts`: how many they were; `dropped`: kinds that a chat has no words for."""

    text: str = ""
    thought: str = ""
    calls: list[JSON] = field(default_factory=list)
    details: list[JSON] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    parts: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the caller should know of the parts that were dropped."""
        return tuple(f"{kind} was dropped: a chat completion has no place for it" for kind in self.dropped)


def raise_error_in(answer: JSON, wall: float) -> None:
    """Raise the error that an answer carries, or the reason for which the prompt was blocked."""
    if answer.get("error"):
        raise failure(None, {}, report_of(answer), wall=wall)
    feedback = answer.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if reason and reason not in _UNSPECIFIED:
        raise ProviderError(FailureKind.CONTENT_POLICY, f"the prompt was blocked: {str(reason)[:60]}")


def candidates_of(answer: JSON) -> list[JSON]:
    """The candidates of an answer, none where it has none; raises ProviderError(BAD_ANSWER) for anything else."""
    candidates = answer.get("candidates")
    if candidates is None:
        return []
    if not isinstance(candidates, list) or not all(isinstance(each, dict) for each in candidates):
        raise bad_answer("the candidates are no list of objects")
    return candidates


def index_of(candidate: JSON, position: int) -> int:
    """The candidate's number, its position where it states none."""
    index = candidate.get("index", position)
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise bad_answer("a candidate's index is no number")
    return index


def said_by(candidate: JSON) -> Said:
    """Everything in a candidate's parts, of which there may be none; raises ProviderError(BAD_ANSWER)."""
    content = candidate.get("content")
    if content is not None and not isinstance(content, dict):
        raise bad_answer("a candidate's content is no object")
    parts = content.get("parts") if content else None
    if parts is not None and not isinstance(parts, list):
        raise bad_answer("a candidate's parts are no list")
    said = Said()
    for part in parts or ():
        if not isinstance(part, dict):
            raise bad_answer("a candidate's part is no object")
        _read(part, said)
    return said


def finish_of(candidate: JSON, *, has_calls: bool) -> tuple[str, str | None]:
    """The canonical finish reason of a candidate that has one, and a warning; raises ProviderError for a failure."""
    native = candidate.get("finishReason")
    if not isinstance(native, str):
        raise bad_answer("a finish reason is no text")
    if native in FAILED:
        message = candidate.get("finishMessage")
        told = f": {message[:200]}" if isinstance(message, str) else ""
        raise ProviderError(FAILED[native], f"the model stopped: {native}{told}")
    canonical = FINISH.get(native)
    if canonical is None and native.startswith("IMAGE_"):
        canonical = "content_filter"
    warning = None
    if canonical is None:
        canonical, warning = "stop", f"unknown finish reason {native[:40]!r} is taken as stop"
    # That there are calls counts for more than the provider's word; they come whole.
    if has_calls and canonical != "content_filter":
        canonical = "tool_calls"
    return canonical, warning


def is_finished(candidate: JSON) -> bool:
    """Whether the candidate says why it ended."""
    native = candidate.get("finishReason")
    return native is not None and native not in _UNSPECIFIED


def logprobs_of(candidate: JSON) -> JSON | None:
    """Log probabilities in OpenAI's shape; None where there are none."""
    result = candidate.get("logprobsResult")
    chosen = result.get("chosenCandidates") if isinstance(result, dict) else None
    if not isinstance(result, dict) or not isinstance(chosen, list) or not chosen:
        return None
    tops = result.get("topCandidates")
    tops = tops if isinstance(tops, list) else []
    content = []
    for position, each in enumerate(chosen):
        top = tops[position] if position < len(tops) else None
        others = top.get("candidates") if isinstance(top, dict) else None
        ranked = [_token(other) for other in others] if isinstance(others, list) else []
        content.append({**_token(each), "top_logprobs": ranked})
    return {"content": content, "refusal": None}


def _read(part: JSON, said: Said) -> None:
    said.parts += 1
    call_id: str | None = None
    kinds = part.keys() - _BESIDE
    if "functionCall" in kinds:
        call = _call(part["functionCall"])
        call_id = call["id"]
        said.calls.append(call)
    elif "text" in kinds:
        text = part["text"]
        if not isinstance(text, str):
            raise bad_answer("a part's text is no text")
        if part.get("thought") is True:
            said.thought += text
        else:
            said.text += text
    elif kinds & _WORDLESS:
        said.dropped += sorted(kinds & _WORDLESS)
    elif kinds:
        raise bad_answer(f"a part of an unknown kind: {', '.join(sorted(kinds))[:80]}")
    signature = part.get("thoughtSignature")
    if signature is not None and not isinstance(signature, str):
        raise bad_answer("a thought signature is no text")
    if signature:
        said.details.append({"type": SIGNATURE, "tool_call_id": call_id, "signature": signature})


def _call(call: Any) -> JSON:  # noqa: ANN401 - a wire body
    name = call.get("name") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(name, str) or not name:
        raise bad_answer("a function call without a name")
    arguments = call.get("args")
    if arguments is not None and not isinstance(arguments, dict):
        raise bad_answer(f"the arguments of a call of {name[:64]} are no object")
    given = call.get("id")
    return {
        "id": given if isinstance(given, str) and given else new_call_id(),
        "type": "function",
        "function": {"name": name, "arguments": orjson.dumps(arguments or {}).decode()},
    }


def _token(candidate: Any) -> JSON:  # noqa: ANN401 - a wire body
    token = candidate.get("token") if isinstance(candidate, dict) else None
    logprob = candidate.get("logProbability", 0.0) if isinstance(candidate, dict) else None
    if not isinstance(token, str) or not isinstance(logprob, int | float) or isinstance(logprob, bool):
        raise bad_answer("a log probability without a token or a number")
    return {"token": token, "logprob": float(logprob), "bytes": list(token.encode("utf-8", "replace"))}
