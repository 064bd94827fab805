"""Log probabilities in OpenAI's form, from those of Together's."""

from __future__ import annotations

from typing import Any

from app.domain.chat import JSON


def put_logprobs_right(choice: JSON, text: str | None) -> None:
    """Change a choice's log probabilities, if they are lists of tokens and numbers, or a number for `text`."""
    stated = choice.get("logprobs")
    if stated is None or (isinstance(stated, dict) and "content" in stated):
        return
    entries = _of_number(stated, text) if not isinstance(stated, dict) else _of_lists(stated)
    choice["logprobs"] = {"content": entries, "refusal": None} if entries is not None else None


def _of_lists(stated: JSON) -> list[JSON] | None:
    tokens, numbers = stated.get("tokens"), stated.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(numbers, list):
        return None
    tops = stated.get("top_logprobs")
    tops = tops if isinstance(tops, list) else []
    return [
        _entry(token, number, tops[position] if position < len(tops) else None)
        for position, (token, number) in enumerate(zip(tokens, numbers, strict=False))
        if isinstance(token, str) and _is_number(number)
    ]


def _of_number(stated: Any, text: str | None) -> list[JSON] | None:  # noqa: ANN401 - a wire body
    return [_entry(text, stated, None)] if _is_number(stated) and text else None


def _entry(token: str, number: float, top: Any) -> JSON:  # noqa: ANN401 - a wire body
    others = top.items() if isinstance(top, dict) else ()
    return {
        **_one(token, number),
        "top_logprobs": [_one(other, value) for other, value in others if _is_number(value)],
    }


def _one(token: str, number: float) -> JSON:
    return {"token": token, "logprob": number, "bytes": list(token.encode("utf-8", "replace"))}


def _is_number(value: Any) -> bool:  # noqa: ANN401 - a wire body
    return isinstance(value, int | float) and not isinstance(value, bool)
