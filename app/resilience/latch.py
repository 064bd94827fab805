"""Hysteresis: a state that changes only when what speaks for the change has held for a while."""

from __future__ import annotations


class Latch:
    """Off at first. Goes on after `on_after` seconds of True, off after `off_after` seconds of False.

    None says nothing: the state stays, and what was holding starts anew.
    """

    __slots__ = ("_off_after", "_on_after", "_since", "is_on")

    def __init__(self, on_after: float, off_after: float) -> None:
        self._on_after = on_after
        self._off_after = off_after
        self._since: float | None = None
        self.is_on = False

    def changes(self, reading: bool | None, now: float) -> bool:  # noqa: FBT001 - a reading is what this is about
        """Take one reading; whether the state changed with it."""
        if reading is None or reading == self.is_on:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        if now - self._since < (self._off_after if self.is_on else self._on_after):
            return False
        self.is_on = reading
        self._since = None
        return True
