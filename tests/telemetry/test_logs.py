from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from app.domain.target import Target
from app.telemetry.logs import LineHandler, register_secret, setup_logging
from app.telemetry.redaction import REDACTED, Redactor

SECRET = 'a very/odd "secret" with äöü and \\'
FERNET_KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()
    stream = io.StringIO()
    setup_logging("debug", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_log_is_one_json_object_a_line(stream: io.StringIO) -> None:
    extra = {"target": Target("groq", "llama"), "seconds": 60, "cost": Decimal("0.10"), "level": 3}

    logging.getLogger("app.x").warning("target\nejected %s", "now", extra=extra)

    (line,) = lines(stream)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "app.x",
        "message": "target\nejected now",
        "target": {"provider": "groq", "model": "llama"},
        "seconds": 60,
        "cost": "0.10",
        "level_": 3,
    }


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcdefgh_1234",
        "gsk_abcdefgh1234",
        "xai-abcdefgh1234",
        "AIzaSyabcdefgh1234",
        "AQ.Abcdefgh1234",
        FERNET_KEY,
        "gAAAAABk0123456789abcdefghijklmnop==",
        SECRET,
    ],
)
def test_a_key_shows_nowhere_in_a_line(stream: io.StringIO, secret: str) -> None:
    register_secret(SecretStr(SECRET))
    log = logging.getLogger("app.x")
    try:
        raise RuntimeError(f"refused {secret}!")
    except RuntimeError:
        log.exception("said %s", secret, extra={"header": {"authorization": [f"Bearer {secret}"]}, "plain": secret})

    (line,) = lines(stream)
    assert secret not in f"{line}"
    assert secret not in stream.getvalue()
    assert json.dumps(secret)[1:-1] not in stream.getvalue()
    assert all(REDACTED in str(line[name]) for name in ("message", "exception", "header", "plain"))


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer {}",
        "authorization: bearer {}",
        "x-api-key: {}",
        '{{"api_key": "{}"}}',
        "https://host/v1?api_key={}",
        "postgresql://user:{}@host/db",
    ],
)
def test_a_key_is_known_by_what_stands_before_it(text: str) -> None:
    redacted = Redactor().redact(text.format("opaque0123456789"))

    assert "opaque0123456789" not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize(
    "text",
    [
        "the task-scheduler-restarts and risk-adjusted-return",
        "api_key: expected a text",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://api.openai.com/v1/chat/completions",
        "mail me@example.com",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor().redact(text) == text


def test_a_field_named_after_a_secret_is_hidden_whatever_it_holds(stream: io.StringIO) -> None:
    logging.getLogger("app.x").info("hello", extra={"api_key": "plain", "db_password": 5, "api_key_hint": "…4f2a"})

    (line,) = lines(stream)
    assert (line["api_key"], line["db_password"], line["api_key_hint"]) == (REDACTED, REDACTED, "…4f2a")


def test_a_key_that_begins_another_leaves_nothing_behind() -> None:
    redactor = Redactor()
    redactor.register("prefix-key")
    redactor.register("prefix-key-and-more")

    assert redactor.redact("prefix-key-and-more") == REDACTED


def test_a_short_value_is_no_secret_and_blots_out_no_words() -> None:
    redactor = Redactor()
    redactor.register("a")
    redactor.register("")

    assert redactor.redact("a banana") == "a banana"


class Odd:
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("value", ["\ud800", Odd(), {1: {2: object()}}, float("nan"), b"\xff", 2**70])
def test_what_cannot_be_written_costs_a_field_not_the_line(stream: io.StringIO, value: object) -> None:
    logging.getLogger("app.x").info("hello", extra={"odd": value})

    assert [line["message"].strip("'") for line in lines(stream)] == ["hello"]


def test_wrong_arguments_are_still_a_line(stream: io.StringIO) -> None:
    record = logging.LogRecord("app.x", logging.INFO, "x.py", 1, "hello %d", ("you",), None)
    logging.getLogger().handlers[0].handle(record)

    assert "hello" in lines(stream)[0]["message"]


def test_a_closed_stream_loses_lines_and_nothing_else(stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    stream.close()

    logging.getLogger("app.x").info("hello")

    (handler,) = [h for h in logging.getLogger().handlers if isinstance(h, LineHandler)]
    assert handler.lost > 0
    assert capsys.readouterr().err == ""


def test_a_reader_that_left_does_not_end_the_process() -> None:
    program = (
        "import logging, sys; from app.telemetry.logs import setup_logging; setup_logging(stream=sys.stdout)\n"
        "for _ in range(2000): logging.getLogger('x').warning('y' * 100)\n"
        "sys.stderr.write('alive')"
    )
    reading, writing = os.pipe()
    os.close(reading)

    with os.fdopen(writing, "wb") as nobody:
        done = subprocess.run([sys.executable, "-c", program], stdout=nobody, stderr=subprocess.PIPE, check=False)

    assert done.stderr.startswith(b"alive")


def test_setting_up_again_replaces_the_handler_and_remembers_secrets(stream: io.StringIO) -> None:
    register_secret("remember-me")
    second = io.StringIO()

    setup_logging("info", stream=second)
    logging.getLogger("app.x").info("remember-me")
    logging.getLogger("app.x").debug("too quiet")

    assert stream.getvalue() == ""
    assert [line["message"] for line in lines(second)] == [REDACTED]
