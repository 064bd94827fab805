"""Which repository a record belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.attempt import AttemptRecord
from app.domain.ports import ToolCallRepository, UsageRepository
from app.domain.tools import ToolCallRecord
from app.ledger.lines import Record


class Records:
    """Attempts and calls of tools, each in its own table.

    A batch that was stored in part is offered again as a whole, which changes nothing of what is there.
    """

    def __init__(self, usage: UsageRepository, tool_calls: ToolCallRepository) -> None:
        self._usage = usage
        self._tool_calls = tool_calls

    async def append(self, records: Sequence[Record]) -> None:
        """Store what is not stored yet."""
        attempts = [record for record in records if isinstance(record, AttemptRecord)]
        calls = [record for record in records if isinstance(record, ToolCallRecord)]
        if attempts:
            await self._usage.append(attempts)
        if calls:
            await self._tool_calls.append(calls)
