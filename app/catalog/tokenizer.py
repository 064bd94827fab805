"""Counting a prompt's tokens without asking anybody: by the model's own vocabulary where there is one to be had."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from app.catalog.tokens import PER_IMAGE, PER_MESSAGE, PER_TOOL, REPLY_PRIMER, Estimator, estimate_tokens
from app.domain.attempt import CountSource

log = logging.getLogger(__name__)

Message = Mapping[str, Any]

PER_NAME: Final = 1
PER_SOUND: Final = 300
"""Half a minute of speech, of which nobody has told the length."""

_O200K: Final = "o200k_base"
_CL100K: Final = "cl100k_base"

# Whose vocabulary is known; the first that matches the beginning of the bare id. Harmony, which gpt-oss has, is
# o200k_base with more special tokens, which no text of a caller's is.
_EXACT: Final = (
    (re.compile(r"gpt-oss"), _O200K),
    (re.compile(r"gpt-(?:4(?![.o0-9])|3\.5|35)|text-embedding-(?:3|ada-002)"), _CL100K),
    (re.compile(r"(?:chatgpt-4o|gpt-4o|gpt-4\.[15]|gpt-(?:[5-9]|\d\d)|o\d)(?![0-9])"), _O200K),
)
# Of the others is only known how many more tokens they need than o200k_base for the same text: the upper end of what
# was seen, since a count that is too low lets a prompt through that does not fit.
_CLAUDE: Final = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2})(?!\d))?")
_CLAUDES_NEW_VOCABULARY: Final = (4, 7)
_OLD_CLAUDE, _NEW_CLAUDE, _MISTRAL, _OTHERS = 1.2, 1.5, 1.05, 1.1
_MISTRALS: Final = re.compile(r"(?:open-)?(?:mistral|ministral|mixtral|magistral|codestral|devstral|pixtral)")

# Counts by the reference implementation: a tokenizer that disagrees is not used.
_KNOWN_COUNTS: Final[Mapping[str, Mapping[str, int]]] = {
    _O200K: {
        "hello world": 2,
        "tiktoken is great!": 6,
        "日本語のテキストをトークン化します。": 13,
        "हिन्दी पाठ और العربية النص": 7,
        "A" * 5000: 625,
        "<|endoftext|> hi": 8,
    },
    _CL100K: {
        "hello world": 2,
        "tiktoken is great!": 6,
        "日本語のテキストをトークン化します。": 16,
        "हिन्दी पाठ और العربية النص": 20,
        "A" * 5000: 625,
        "<|endoftext|> hi": 8,
    },
}


class Tokenizer(Protocol):
    """Counts texts in a named vocabulary; special tokens' names are ordinary text. KeyError for an unknown one."""

    def counts(self, texts: Sequence[str], encoding: str) -> Sequence[int]: ...


def token_counter() -> VocabularyCounter | Estimator:
    """The best there is here: the extra `tokens`, if it is installed, else the estimate."""
    try:
        tokenizer = _Toktok()
    except ImportError:
        return Estimator()
    return VocabularyCounter(tokenizer)


class VocabularyCounter:
    """Counts by the model's vocabulary; where that is not public by OpenAI's and a factor, which is an estimate."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._sound: dict[str, bool] = {}

    def count(self, model: str, messages: Sequence[Message], tools: Sequence[Message] = ()) -> tuple[int, CountSource]:
        """About 30 µs, and 3 ms a megabyte; a vocabulary's first use 0.3 s. Not for the event loop."""
        encoding, factor = vocabulary_of(model)
        if not self._is_sound(encoding):
            return estimate_tokens(messages, tools), CountSource.ESTIMATE
        prompt = _prompt(messages, tools)
        said = sum(self._counts(prompt.texts, encoding))
        if factor is None:
            return said + prompt.overhead, CountSource.ESTIMATE if prompt.has_media else CountSource.TOKENIZER
        return int(said * factor) + prompt.overhead, CountSource.ESTIMATE

    def _is_sound(self, encoding: str) -> bool:
        """Whether the vocabulary is there and counts as the reference does; found out at its first use."""
        if encoding not in self._sound:
            self._sound[encoding] = self._passes(encoding)
        return self._sound[encoding]

    def _passes(self, encoding: str) -> bool:
        known = _KNOWN_COUNTS[encoding]
        try:
            counted = list(self._tokenizer.counts(list(known), encoding))
        except KeyError:
            counted = []
        if counted == list(known.values()):
            return True
        log.warning("the tokenizer miscounts and is not used", extra={"encoding": encoding})
        return False

    def _counts(self, texts: Sequence[str], encoding: str) -> Sequence[int]:
        try:
            return self._tokenizer.counts(texts, encoding)
        except UnicodeEncodeError:
            # Half a surrogate pair has no bytes; a replacement character costs as much.
            return self._tokenizer.counts([text.encode("utf-8", "replace").decode() for text in texts], encoding)


class _Toktok:
    """The `toktok-rs` package; ImportError when it is not there."""

    def __init__(self) -> None:
        import toktok

        self._toktok = toktok

    def counts(self, texts: Sequence[str], encoding: str) -> Sequence[int]:
        counted: list[int] = self._toktok.batch_count(list(texts), encoding, threads=1)
        return counted


def vocabulary_of(model: str) -> tuple[str, float | None]:
    """The vocabulary to count by, and the factor for a model that has another one; None where it is the model's own."""
    bare = model.rpartition("/")[2].lower()
    for pattern, encoding in _EXACT:
        if pattern.match(bare):
            return encoding, None
    return _O200K, _factor(bare)


def _factor(bare: str) -> float:
    if _MISTRALS.match(bare):
        return _MISTRAL
    if not bare.startswith("claude"):
        return _OTHERS
    version = _CLAUDE.match(bare)
    is_old = version is not None and (int(version[1]), int(version[2] or 0)) < _CLAUDES_NEW_VOCABULARY
    return _OLD_CLAUDE if is_old else _NEW_CLAUDE


@dataclass(slots=True)
class _Prompt:
    """What of a prompt is to be tokenized, and what it costs beside that."""

    texts: list[str]
    overhead: int
    has_media: bool = False


def _prompt(messages: Sequence[Message], tools: Sequence[Message]) -> _Prompt:
    prompt = _Prompt([], REPLY_PRIMER + PER_MESSAGE * len(messages) + PER_TOOL * len(tools))
    for message in messages:
        for name in ("role", "content", "refusal", "reasoning_content"):
            if isinstance(message.get(name), str):
                prompt.texts.append(message[name])
        if isinstance(message.get("name"), str):
            prompt.texts.append(message["name"])
            prompt.overhead += PER_NAME
        if isinstance(message.get("content"), list):
            _add_parts(prompt, message["content"])
        prompt.texts.extend(_calls(message))
    prompt.texts.extend(orjson.dumps(_definition(tool)).decode() for tool in tools)
    return prompt


def _definition(tool: Any) -> Any:  # noqa: ANN401  # whatever a caller put into the list
    return tool.get("function", tool) if isinstance(tool, Mapping) else tool


def _add_parts(prompt: _Prompt, parts: Sequence[Any]) -> None:
    for part in parts:
        if not isinstance(part, Mapping):
            continue
        text, kind = part.get("text"), part.get("type")
        if isinstance(text, str):
            prompt.texts.append(text)
        elif kind in ("image_url", "file", "input_audio"):
            prompt.has_media = True
            prompt.overhead += PER_SOUND if kind == "input_audio" else PER_IMAGE


def _calls(message: Message) -> Iterator[str]:
    """Names and arguments of the calls that an assistant's message made."""
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield from (text for text in (function.get("name"), function.get("arguments")) if isinstance(text, str))
