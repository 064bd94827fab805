"""Refusals of OpenAI, Azure and their imitators that are about the place, not the request: it may do elsewhere."""

from __future__ import annotations

from typing import Final

from app.adapters.reports import Report
from app.domain.errors import FailureKind, ProviderError

_WORDS: Final = frozenset(
    {
        "operationnotsupported",  # Azure: this deployment's model has no such endpoint
        "invalid_encrypted_content",  # reasoning that another organisation's key encrypted
    }
)
# No code says it: the model takes function tools over the Responses API only, and we did not know it by its name.
_TEXT: Final = "to use function tools, use /v1/responses"


_NO_SUCH_PLACE: Final = (404, 405, 501)


def is_no_such_wire(status: int, report: Report) -> bool:
    """Whether a refusal says that the endpoint is not there, and nothing of the model or the deployment."""
    said = " ".join((*report.words, report.text)).lower()
    return status in _NO_SUCH_PLACE and "model" not in said and "deployment" not in said


def better_elsewhere(error: ProviderError, report: Report) -> ProviderError:
    """The error, as UNSUPPORTED where nothing but the place is wrong."""
    if error.kind is not FailureKind.BAD_REQUEST:
        return error
    if _WORDS.isdisjoint(report.words) and _TEXT not in report.text.lower():
        return error
    return ProviderError(
        FailureKind.UNSUPPORTED, error.message, upstream_status=error.upstream_status, param=report.param
    )
