"""What a scripted upstream can be told to do with one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the upstream says it counted."""

    input: int = 11
    output: int = 7


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants called; `arguments` is JSON text."""

    name: str
    arguments: str
    id: str = "call_1"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole, healthy answer after `delay` seconds; asked to stream, it streams `text` word by word."""

    text: str = "hello from upstream"
    usage: Tokens | None = Tokens()
    finish_reason: str = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream, `gap` seconds between its frames, that may go wrong.

    `cut_after`, `reset_after`, `stall_after`, `error_after` count content frames: the connection ends cleanly (a
    proper last chunk), is reset, falls silent, or carries an in-band error event from there. `comments` are keep-alive
    lines before the first frame. `no_finish` leaves the finish reason out, `no_done` the last marker.
    `piece` writes that many bytes at a time. Not asked to stream, it answers the joined words.
    """

    words: tuple[str, ...] = ("hello", " from", " upstream")
    gap: float = 0.0
    usage: Tokens | None = Tokens()
    finish_reason: str = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    cut_after: int | None = None
    reset_after: int | None = None
    stall_after: int | None = None
    error_after: int | None = None
    comments: int = 0
    no_finish: bool = False
    no_done: bool = False
    piece: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """An error status; `body` None is the dialect's own error body, that says `message`."""

    code: int
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "scripted failure"


@dataclass(frozen=True, slots=True)
class Refuse:
    """A closed port. It holds until the script is replaced, so it can only be a script's last line."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Takes the request and never says a word."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Resets the connection: at once, or in the middle of the body of a good answer."""

    after_content: bool = False


@dataclass(frozen=True, slots=True)
class Drip:
    """A good answer, a byte every `gap` seconds from `part` on."""

    part: Literal["headers", "body"] = "body"
    gap: float = 0.2


@dataclass(frozen=True, slots=True)
class Html:
    """A login page with status 200."""


@dataclass(frozen=True, slots=True)
class Empty:
    """Status 200 and nothing else."""


@dataclass(frozen=True, slots=True)
class JsonError200:
    """Status 200 whose body (or first event, asked to stream) is an error."""

    message: str = "the server had an error"


@dataclass(frozen=True, slots=True)
class WrongMode:
    """JSON for a stream request, a stream for a plain one."""


@dataclass(frozen=True, slots=True)
class TruncatedJson:
    """Half of a good body under an honest looking Content-Type."""


@dataclass(frozen=True, slots=True)
class WrongLength:
    """A good body that ends before its Content-Length."""


@dataclass(frozen=True, slots=True)
class GzipBomb:
    """A small gzip body that unpacks into `mebibytes` of spaces."""

    mebibytes: int = 64


@dataclass(frozen=True, slots=True)
class EndlessLine:
    """An event stream whose first line never ends (or ends after `mebibytes`)."""

    mebibytes: int = 50


@dataclass(frozen=True, slots=True)
class Redirect:
    """A 302 to `location`."""

    location: str = "http://127.0.0.1:9/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Embed:
    """Embeddings in OpenAI's dialect: for each input a vector of its number and its length, last one first."""

    usage: Tokens = Tokens(8, 0)


Behaviour = (
    Answer
    | Stream
    | Status
    | Refuse
    | Silent
    | Reset
    | Drip
    | Html
    | Empty
    | JsonError200
    | WrongMode
    | TruncatedJson
    | WrongLength
    | GzipBomb
    | EndlessLine
    | Redirect
    | Embed
)
