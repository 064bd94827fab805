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

    `cut_after`, `reset_after`, `stall_after`, `error_after`, `garbled_after`, `misframed_after` count content frames:
    the connection ends cleanly (a proper last chunk), is reset, falls silent, carries an in-band error event, carries
    half a frame as if it were whole, or a chunk whose size is no number from there. `comments` are keep-alive lines
    before the first frame. `no_finish` leaves the finish reason out, `no_done` the last marker.
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
    garbled_after: int | None = None
    misframed_after: int | None = None
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
class HangUp:
    """Reads the request and closes the connection in good order, as a server does whose keep-alive ran out."""


@dataclass(frozen=True, slots=True)
class Drip:
    """A good answer (a stream to one who asked for it), a byte every `gap` seconds from `part` on."""

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
    """A good body beside a Content-Length that is `by` bytes too large, or too small where `by` is negative."""

    by: int = 99


@dataclass(frozen=True, slots=True)
class GzipBomb:
    """A small body, `coding` by name, that unpacks into `mebibytes` of spaces; a stream's, asked to stream.

    `is_named` False keeps the coding to itself.
    """

    mebibytes: int = 64
    coding: Literal["gzip", "deflate"] = "gzip"
    is_named: bool = True


@dataclass(frozen=True, slots=True)
class HugeBody:
    """A good answer whose text is `mebibytes` long; asked to stream, all of it is one frame of many chunks.

    `is_cut`: in good order before its JSON ends.
    """

    mebibytes: int = 50
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class TinyChunks:
    """A good answer in chunks of a byte each, after `padding` chunks that say nothing (blanks, empty comments)."""

    padding: int = 0


@dataclass(frozen=True, slots=True)
class Informational:
    """`count` interim answers, `status` each, before a good one; None never stops."""

    count: int | None = 1000
    status: int = 103


@dataclass(frozen=True, slots=True)
class HeaderFlood:
    """A good answer under `count` headers of `size` bytes each; None never stops."""

    count: int | None = 100
    size: int = 100


@dataclass(frozen=True, slots=True)
class EndlessLine:
    """An event stream whose first line never ends (or ends after `mebibytes`); `newline`: with a line feed."""

    mebibytes: int = 50
    newline: bool = False


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
    | HangUp
    | Drip
    | Html
    | Empty
    | JsonError200
    | WrongMode
    | TruncatedJson
    | WrongLength
    | GzipBomb
    | HugeBody
    | TinyChunks
    | Informational
    | HeaderFlood
    | EndlessLine
    | Redirect
    | Embed
)
