"""Mending one broken JSON object, with guards: what comes out must have stood there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

import json_repair

from app.decisions.forms import FORMS, word_of
from app.decisions.vocabulary import ACTION_KEYS, key_of
from app.text.strict_json import ConflictingKeys, NonFinite, NotJson, loads

MAX_LENGTH: Final = 10_000
_MOST_MEMBERS: Final = 600

_FULL_WIDTH: Final = ("：:", "，,", "｛{", "｝}", "［[", "］]", '＂"', '“"', '”"', '„"')
_OUTSIDE: Final = re.compile(
    r'"(?:[^"\\]|\\.)*+"|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])|\b(?:None|True|False)\b|(?<![\w.])[\d.]{1,20}%',
    re.DOTALL,
)
_BARE_PERCENT: Final = re.compile(r"([:：]\s{0,9})([\d.]{1,20}%)(?=\s{0,9}[,，}\n])")
_LITERALS: Final = {"None": "null", "True": "true", "False": "false"}
_KEY: Final = re.compile(r"""(?:^|[{,\n])\s{0,40}+["'“‘]?(\w[\w \-]{0,39}?)["'”’]?\s{0,40}[:：]""")
_STRINGS: Final = re.compile(r""""[^"\n]*+"|'[^'\n]*+'""")
_GROUPED: Final = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?!\d)|\d[ \u00a0\u202f']+\d")
_QUOTED_WORD: Final = re.compile(r"""["'“‘]([^\W\d][\w \-]{1,30})["'”’]""")
# A value, then a comma, a bracket, a line's end, a comment or the next key: `"BUY" or "SELL"` has none of them.
_ENDED_VALUE: Final = re.compile(
    r"""\s*["'“‘]?[\w *|/<>+-]{0,60}?["'”’]?\s*(?:[,，}\]\n;]|//|/\*|["'“]\w[\w \-]{0,39}["'”]\s{0,40}[:：])"""
)
_TOKEN: Final = re.compile(r"""[^\s,:：{}\[\]"'“”‘’，]+""")


class Unmendable(ValueError):
    """It cannot be repaired without guessing."""


def narrowed(text: str) -> str:
    """The text with plain punctuation for JSON's full-width and typographic kind."""
    for wide, plain in _FULL_WIDTH:
        text = text.replace(wide, plain)
    return text


def names_action(text: str) -> bool:
    """Whether a broken object has an action's key, once or more."""
    return any(True for _ in _action_keys(text))


def mended(text: str) -> object:
    """The value of one broken, isolated object; raises Unmendable, ConflictingKeys or NonFinite."""
    if len(text) > MAX_LENGTH:
        raise Unmendable("too long to repair")
    if text.count(",") + text.count(":") > _MOST_MEMBERS:
        # The library looks ahead from each member to the end.
        raise Unmendable("too many values to repair")
    keys = list(_action_keys(text))
    if len(keys) != len(set(keys)):
        # json-repair would keep the last of them without a word.
        raise ConflictingKeys("an action stands there twice")
    if re.search(r"(?<![\w\"'])[+-]?(?:NaN|Infinity|inf)(?![\w\"'])", text):
        raise NonFinite("a number is not finite")
    try:
        return loads(_own_fixes(text))
    except (ConflictingKeys, NonFinite):
        raise
    except NotJson:
        return _by_library(text)


def _own_fixes(text: str) -> str:
    def fixed(match: re.Match[str]) -> str:
        found = match.group()
        if found.endswith("%"):
            return f'"{found}"'
        return found if found.startswith('"') else _LITERALS.get(found, "")

    return _OUTSIDE.sub(fixed, narrowed(text))


def _by_library(text: str) -> object:
    try:
        value: object = json_repair.loads(_BARE_PERCENT.sub(r'\1"\2"', text), skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, KeyError, TypeError) as error:
        raise Unmendable(str(error)[:200]) from None
    if not isinstance(value, Mapping):
        raise Unmendable("no single object came of it")
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        raise NonFinite("a number is not finite") from None
    tokens = set(_TOKEN.findall(text))
    squeezed = " ".join(text.replace("\\", "").split())
    if not all(_stood_there(leaf, (text, squeezed), tokens) for leaf in _leaves(value)):
        raise Unmendable("the repair changed a value")
    _check_meaning(text)
    return value


def _check_meaning(text: str) -> None:
    """Raises Unmendable for what the library reads one way and a person could read another."""
    if _GROUPED.search(_STRINGS.sub('""', text)):
        raise Unmendable("digits grouped outside of quotes")
    said = {FORMS[word].action for word in map(word_of, _QUOTED_WORD.findall(text)) if word in FORMS}
    if len(said) > 1:
        raise ConflictingKeys("more than one action stands in it")
    for key in _KEY.finditer(text):
        if key_of(key.group(1)) in ACTION_KEYS and _ENDED_VALUE.match(text, key.end()) is None:
            raise Unmendable("the action's value is followed by more")


def _stood_there(leaf: object, texts: tuple[str, str], tokens: set[str]) -> bool:
    """Whether a repaired value is in the source as it is, or but for its spaces: half of `98000~98500` is not."""
    if isinstance(leaf, bool) or leaf is None:
        return True
    if isinstance(leaf, int | float):
        return any(_number(token) == leaf for token in tokens)
    text, squeezed = texts
    return str(leaf) in text or " ".join(str(leaf).split()) in squeezed


def _number(token: str) -> float | None:
    try:
        return float(token)
    except ValueError:
        return None


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _action_keys(text: str) -> Iterator[str]:
    for match in _KEY.finditer(text):
        key = key_of(match.group(1))
        if key in ACTION_KEYS:
            yield key
