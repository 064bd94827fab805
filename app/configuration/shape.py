"""What all shapes of the provider file have in common."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints


def as_list(value: Any) -> Any:  # noqa: ANN401  # whatever the file holds
    """One name stands for a list of one."""
    return [value] if isinstance(value, str) else value


def _money(value: Any) -> Any:  # noqa: ANN401  # whatever the file holds, checked here
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError("expected an amount in dollars") from None
    if not amount.is_finite() or amount < 0:
        raise ValueError("expected an amount of 0 dollars or more")
    return amount


Money = Annotated[Decimal, BeforeValidator(_money)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Texts = Annotated[list[Text], BeforeValidator(as_list), Field(min_length=1)]


STRICT: Final = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)
"""`"5"` is no number, an unknown key is an error, and no error repeats what was written."""
