"""Logs: one JSON object a line, without secrets, and never a reason to stop."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import IO, Any, Final

import orjson
from pydantic import SecretStr

from app.telemetry.redaction import REDACTED, Redactor, is_secret_name

MOST_TEXT: Final = 16 * 1024

# What every LogRecord has; the rest came as `extra`.
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_OURS: Final = frozenset({"ts", "level", "logger", "message", "exception"})


class JSONLines(logging.Formatter):
    """A record as JSON: ts, level, logger, message, the extras, and the exception's text."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self.redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record)[:MOST_TEXT],
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                entry[f"{name}_" if name in _OURS else name] = REDACTED if is_secret_name(name) else value
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)[-MOST_TEXT:]
        # The whole line at once: a secret may sit in the message, an argument, an extra or an exception alike.
        return self.redactor.redact(_json(entry))


class LineHandler(logging.StreamHandler[IO[str]]):
    """Writes lines; when nobody reads them any more it counts what is lost and says nothing."""

    def __init__(self, stream: IO[str], redactor: Redactor) -> None:
        super().__init__(stream)
        self.lost = 0
        self.redactor = redactor
        self.setFormatter(JSONLines(redactor))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  # logging's own name
        # logging's own writes a traceback to stderr, which may be the very stream that is closed.
        self.lost += 1

    def flush(self) -> None:
        try:
            super().flush()
        except (OSError, ValueError):
            self.lost += 1


def setup_logging(level: str = "info", *, stream: IO[str] | None = None) -> Redactor:
    """Send every log to one stream (stderr by default) as JSON lines; the redactor learns the secrets to hide.

    Calling it again replaces the handler and keeps what is known to be secret.
    """
    root = logging.getLogger()
    redactor = Redactor()
    for handler in [h for h in root.handlers if isinstance(h, LineHandler)]:
        redactor = handler.redactor
        root.removeHandler(handler)
    root.addHandler(LineHandler(sys.stderr if stream is None else stream, redactor))
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # A line a request costs more than the request's own JSON, and metrics count them anyway.
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    for name in ("httpx", "httpcore", "aiosqlite", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    return redactor


def register_secret(value: str | SecretStr) -> None:
    """Hide this value in every log from now on; without `setup_logging` there is nothing to hide it in."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler):
            handler.redactor.register(value)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return f"{record.msg} {record.args!r}"


def _json(entry: dict[str, Any]) -> str:
    try:
        return orjson.dumps(entry, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):
        # A lone surrogate, a cycle, a repr that fails: what can be said is said.
        kept = {name: ascii(value)[:MOST_TEXT] for name, value in entry.items() if isinstance(value, str | int | float)}
        return orjson.dumps(kept).decode()


def _plain(value: object) -> str:
    return str(value)[:MOST_TEXT]
