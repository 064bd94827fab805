"""Which requests were counted already: several of their attempts may say the same, and they are counted once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST_REQUESTS: Final = 4096


class Fresh:
    """The last few thousand requests that were counted; an older one that comes again is counted again."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, request_id: str) -> bool:
        """Whether it was not counted yet; from now on it was."""
        if request_id in self._seen:
            self._seen.move_to_end(request_id)
            return False
        self._seen[request_id] = None
        if len(self._seen) > MOST_REQUESTS:
            self._seen.popitem(last=False)
        return True
