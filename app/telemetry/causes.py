"""Why fallbacks happen: the failure that came before each, remembered for as long as it may be asked for."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord

MOST_REQUESTS: Final = 4096


class FallbackCauses:
    """The last failed attempt's code of each request under way. Requests that never fail cost nothing here."""

    def __init__(self) -> None:
        self._codes: OrderedDict[str, str] = OrderedDict()

    def of(self, record: AttemptRecord) -> str | None:
        """The code that made this attempt a fallback, `""` when it is forgotten; None when it is none."""
        is_fallback = record.kind is AttemptKind.FALLBACK
        cause = self._codes.pop(record.request_id, "") if is_fallback else None
        if record.code is not None and record.outcome in (AttemptOutcome.ERROR, AttemptOutcome.SKIPPED):
            self._codes[record.request_id] = record.code
            self._codes.move_to_end(record.request_id)
            if len(self._codes) > MOST_REQUESTS:
                self._codes.popitem(last=False)
        return cause
