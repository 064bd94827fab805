"""What stands between an opening and a closing tag."""

from __future__ import annotations

import re
from bisect import bisect_left


def between_tags(text: str, name: str) -> list[str]:
    """The contents of every closed `<name>` element, in order, case aside; an element in an element belongs to it."""
    closings = [match.span() for match in re.finditer(rf"</{name}\s{{0,8}}>", text, re.IGNORECASE)]
    starts = [start for start, _ in closings]
    found: list[str] = []
    at = 0
    for opening in re.finditer(rf"<{name}\s{{0,8}}>", text, re.IGNORECASE):
        # One pass over the closings: a million openings without one must not each search to the end.
        place = bisect_left(starts, opening.end())
        if opening.start() < at or place == len(closings):
            continue
        found.append(text[opening.end() : starts[place]])
        at = closings[place][1]
    return found
