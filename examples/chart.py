"""A line chart as a PNG, with nothing but the standard library."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise

WIDTH, HEIGHT, MARGIN = 1000, 500, 48
Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)
GREY: Colour = (225, 225, 225)
BLACK: Colour = (60, 60, 60)
# Three columns and five rows of each sign, a bit for every dot.
SIGNS = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757",
    "7": "71222", "8": "75757", "9": "75717", "-": "00700", "%": "51245",
}  # fmt: skip


class Canvas:
    """Dots in rows, white at first."""

    def __init__(self, width: int = WIDTH, height: int = HEIGHT) -> None:
        self.width, self.height = width, height
        self._rows = [bytearray(bytes(WHITE) * width) for _ in range(height)]

    def dot(self, x: int, y: int, colour: Colour) -> None:
        """One dot; outside of the canvas nothing happens."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._rows[y][3 * x : 3 * x + 3] = bytes(colour)

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour) -> None:
        """A straight line, two dots wide."""
        (x, y), (to_x, to_y) = start, end
        steps = 2 * max(math.ceil(abs(to_x - x)), math.ceil(abs(to_y - y)), 1)
        for step in range(steps + 1):
            share = step / steps
            at = round(x + (to_x - x) * share), round(y + (to_y - y) * share)
            self.dot(*at, colour)
            self.dot(at[0], at[1] + 1, colour)

    def text(self, x: int, y: int, text: str, size: int = 2) -> None:
        """Digits and the signs beside them; anything else is a gap."""
        for place, sign in enumerate(text):
            for row, bits in enumerate(SIGNS.get(sign, "00000")):
                for column in range(3):
                    if int(bits) & (4 >> column):
                        self._block(x + (4 * place + column) * size, y + row * size, size)

    def _block(self, x: int, y: int, size: int) -> None:
        for down in range(size):
            for right in range(size):
                self.dot(x + right, y + down, BLACK)

    def png(self) -> bytes:
        """The file."""
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        dots = zlib.compress(b"".join(b"\x00" + bytes(row) for row in self._rows), 9)
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            _chunk(kind, content) for kind, content in ((b"IHDR", header), (b"IDAT", dots), (b"IEND", b""))
        )


def chart(curves: Sequence[tuple[Sequence[float], Colour]], labels: tuple[str, str]) -> bytes:
    """Curves of one length over a grid, in per cent of where they began; `labels` stand under first and last value."""
    canvas = Canvas()
    values = [value for curve, _ in curves for value in curve]
    low, high = min(values), max(values)
    spread = (high - low) or 1.0

    def place(index: int, count: int, value: float) -> tuple[float, float]:
        across = (canvas.width - 2 * MARGIN) * index / max(count - 1, 1)
        return MARGIN + across, canvas.height - MARGIN - (canvas.height - 2 * MARGIN) * (value - low) / spread

    for part in range(5):
        value = low + spread * part / 4
        left = place(0, 2, value)
        canvas.line(left, (canvas.width - MARGIN, left[1]), GREY)
        canvas.text(2, round(left[1]) - 6, f"{100 * value:.0f}%")
    for curve, colour in curves:
        dots = [place(index, len(curve), value) for index, value in enumerate(curve)]
        for start, end in pairwise(dots):
            canvas.line(start, end, colour)
    canvas.text(MARGIN, canvas.height - 24, labels[0])
    canvas.text(canvas.width - MARGIN - 8 * len(labels[1]), canvas.height - 24, labels[1])
    return canvas.png()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
