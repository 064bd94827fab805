"""What all shapes of the provider file have in common."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints


def as_list(value: Any) -> Any:  # noqa: ANN401  # whatever the file holds
    """One name stands for a list of one."""
    return [value] if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Texts = Annotated[list[Text], BeforeValidator(as_list), Field(min_length=1)]


STRICT: Final = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)
"""`"5"` is no number, an unknown key is an error, and no error repeats what was written."""
