"""The backtest in short: decisions made twice come out the same, and their curve is a picture."""

from __future__ import annotations

import io
import math
import struct
import zlib
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from app.ledger.cassette import check
from app.ledger.packed import opened
from examples.backtest import DAYS, UNTIL, Made, backtest, differing, drawdown, equity
from examples.chart import HEIGHT, WIDTH, chart
from examples.first_decision import Bar
from tests.e2e.service import Service

FIRST = date(2017, 1, 2)
CASSETTE = Path(__file__).parents[2] / "examples" / "backtest-2018-12-28-504.jsonl.gz"


def bars(count: int) -> list[Bar]:
    """Prices that rise and fall in waves."""
    closes = [2000 + 3 * day + 150 * math.sin(day / 9) for day in range(count)]
    return [Bar(FIRST + timedelta(days=day), close * 1.006, close * 0.994, close) for day, close in enumerate(closes)]


def made(*positions: int) -> list[Made]:
    return [Made(FIRST + timedelta(days=day), held, str(held), False) for day, held in enumerate(positions)]


@pytest.fixture
def gateway(tmp_path: Path) -> Service:
    return Service(tmp_path / "gateway")


def test_every_decision_is_made_again_with_the_same_hash(gateway: Service, tmp_path: Path) -> None:
    said, picture = io.StringIO(), tmp_path / "curve.png"
    with gateway:
        client: httpx.Client = gateway.client

        same = backtest(client, bars(90), 12, run="short", picture=picture, out=Console(file=said, width=200))

        attempts = attempts_at(client)
        again = backtest(client, bars(90), 12, run="short", picture=picture, out=Console(file=said, width=200))

        assert same
        assert again
        assert 0 < attempts == attempts_at(client)
    lines = said.getvalue()
    hashes = [line.split()[-1] for line in lines.splitlines() if line.startswith(("first pass", "second pass"))]
    assert (len(hashes), len(set(hashes))) == (4, 1)
    assert "12/12" in lines
    assert "12 of 12 decisions of the first pass were recorded before" in lines
    assert dots_of(picture.read_bytes()) == WIDTH * HEIGHT


def test_the_recorded_run_is_whole() -> None:
    with opened(CASSETTE) as file:
        run, questions, sha256 = check(file)

    assert (run, questions) == (f"backtest-{UNTIL}-{DAYS}", 2489)
    assert sha256 == "83531e6e7cf22915b74c83227870f2070f90bebce67e9d52c94b20c297d5f6aa"


def test_a_decision_that_came_out_differently_is_named() -> None:
    assert differing(made(1, 0, 1), made(1, -1, 1)) == [FIRST + timedelta(days=1)]


def test_a_position_earns_what_the_index_does_after_it_less_its_fee() -> None:
    two = [Bar(FIRST, 1, 1, 100.0), Bar(FIRST + timedelta(days=1), 1, 1, 110.0)]

    assert [round(equity(made(held, 0), two)[0][-1], 6) for held in (1, 0, -1)] == [1.0999, 1.0, 0.8999]
    assert round(equity(made(0, 0), two)[1][-1], 6) == 1.1


def test_a_fall_is_measured_from_the_peak_before_it() -> None:
    assert drawdown([1.0, 2.0, 1.5, 3.0, 2.7]) == 0.25


def test_a_flat_curve_is_a_picture_too() -> None:
    assert dots_of(chart([([1.0, 1.0], (0, 0, 0))], ("2018-12-27", "2018-12-28"))) == WIDTH * HEIGHT


def attempts_at(gateway: httpx.Client) -> float:
    lines = gateway.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("outcry_attempts_total{"))


def dots_of(png: bytes) -> int:
    """How many dots a PNG holds; checks every part's sum."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, dots = 8, b""
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert struct.unpack(">I", png[place + 8 + length : place + 12 + length])[0] == zlib.crc32(kind + content)
        dots += content if kind == b"IDAT" else b""
        place += 12 + length
    rows = zlib.decompress(dots)
    assert len(rows) == HEIGHT * (1 + 3 * WIDTH)
    return (len(rows) - HEIGHT) // 3
