"""OpenAI's embeddings wire: a checked body in, an ask out, and the vectors as a list object."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from app.api.checks import TEXT, whole
from app.api.exchange import Exchange
from app.api.intent import Intent
from app.api.messages import kind
from app.api.model_choice import ModelChoice, choice_violations, refuse_first
from app.domain.attempt import Ask
from app.domain.embedding import Embeddings, EmbedRequest
from app.domain.errors import Violation
from app.domain.usage import Usage

MAX_INPUTS: Final = 2_048
_ENCODINGS: Final = ("float", "base64")
_LARGE: Final = 20_000
_OWN: Final = frozenset(("model", "models", "provider", "input", "encoding_format"))


def ask_of(body: Mapping[str, Any], intent: Intent, exchange: Exchange) -> Ask:
    """The embeddings that a body asks for. Raises RequestRejected with the path of the first wrong field."""
    refuse_first(violations(body))
    choice = ModelChoice.of(body)
    parameters = {name: value for name, value in body.items() if name not in _OWN and value is not None}
    return choice.ask(EmbedRequest(_inputs_of(body["input"]), parameters), intent, exchange, route="embeddings")


def violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    """Everything wrong with a body, in the order of its importance."""
    yield from choice_violations(body)
    yield from _input(body.get("input"))
    if body.get("dimensions") is not None:
        yield from whole(1, 65_536)(body["dimensions"], "dimensions")
    if body.get("encoding_format") not in (None, *_ENCODINGS):
        yield Violation("encoding_format", f"must be one of {', '.join(_ENCODINGS)}")
    if body.get("user") is not None:
        yield from TEXT(body["user"], "user")


def encoding_of(body: Mapping[str, Any]) -> str:
    """How the caller wants its vectors."""
    return body.get("encoding_format") or "float"


def is_large(embeddings: Embeddings) -> bool:
    """Whether writing them takes more than a few milliseconds."""
    return sum(len(vector) for vector in embeddings.vectors) > _LARGE


def rendered(embeddings: Embeddings, usage: Usage, encoding: str) -> bytes:
    """The answer of `POST /v1/embeddings`."""
    written = _base64 if encoding == "base64" else _plain
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": written(vector)}
            for index, vector in enumerate(embeddings.vectors)
        ],
        "model": embeddings.model,
        "usage": {"prompt_tokens": usage.input_tokens, "total_tokens": usage.total_tokens},
    }
    return orjson.dumps(answer)


def _input(stated: object) -> Iterator[Violation]:
    if isinstance(stated, str):
        if not stated:
            yield Violation("input", "must not be empty")
        return
    if not isinstance(stated, list):
        yield Violation("input", f"must be text, an array of texts, or token ids, not {kind(stated)}")
    elif not stated:
        yield Violation("input", "must hold at least one text")
    elif _is_token(stated[0]):
        yield from _tokens(stated, "input")
    elif len(stated) > MAX_INPUTS:
        yield Violation("input", f"holds {len(stated)} texts, at most {MAX_INPUTS} are taken")
    else:
        for index, each in enumerate(stated):
            yield from _one(each, f"input[{index}]")


def _one(stated: object, path: str) -> Iterator[Violation]:
    if isinstance(stated, list) and stated:
        yield from _tokens(stated, path)
    elif not isinstance(stated, str):
        yield Violation(path, f"must be text or an array of token ids, not {kind(stated)}")
    elif not stated:
        yield Violation(path, "must not be empty")


def _tokens(stated: list[Any], path: str) -> Iterator[Violation]:
    for index, token in enumerate(stated):
        if not _is_token(token):
            yield Violation(f"{path}[{index}]", "must be a token id, a whole number from 0 up")
            return


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _inputs_of(stated: str | list[Any]) -> Sequence[str | Sequence[int]]:
    """One entry per vector: a list of token ids alone is one input."""
    return [stated] if isinstance(stated, str) or isinstance(stated[0], int) else stated


def _plain(vector: Sequence[float]) -> list[float]:
    return list(vector)


def _base64(vector: Sequence[float]) -> str:
    """Little-endian float32, whatever this machine has."""
    numbers = array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode("ascii")
