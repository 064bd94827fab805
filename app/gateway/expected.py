"""How much a request may take, for the limits and budgets that count it before anybody knows."""

from __future__ import annotations

from typing import Any, Final

from app.catalog.tokens import estimate_tokens
from app.domain.budget import NOTHING_SPENT, Amount, Estimate
from app.domain.chat import ChatRequest
from app.domain.embedding import EmbedRequest
from app.domain.routing import Candidate
from app.domain.usage import Usage

USUAL_ANSWER: Final = 512
"""Tokens reserved for an answer whose length nobody bounded."""

LONGEST_ANSWER: Final = 4096
"""Tokens that an answer may have at most, where neither the request nor anybody else says."""

_LENGTHS: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens")


def expected_tokens(request: ChatRequest | EmbedRequest) -> int:
    """The prompt as we estimate it, and the longest answer that the request allows; an embedding has none."""
    if isinstance(request, EmbedRequest):
        return _prompt(request)
    longest = _longest(request) or USUAL_ANSWER
    return _prompt(request) + longest * (_count(request.parameters.get("n")) or 1)


def expected_spend(request: ChatRequest | EmbedRequest, candidate: Candidate) -> Estimate:
    """What a call to this target will take of budgets, and the most it can: where no length is asked for, the model's.

    An unknown price takes no money.
    """
    answer, most = _answer(request, candidate)
    prompt = _prompt(request)
    return Estimate(_amount(prompt, answer, candidate), _amount(prompt, most, candidate))


def _answer(request: ChatRequest | EmbedRequest, candidate: Candidate) -> tuple[int, int]:
    """Tokens of the answer as expected, and at most."""
    if isinstance(request, EmbedRequest):
        return 0, 0
    choices = _count(request.parameters.get("n")) or 1
    longest = _longest(request)
    if longest:
        return longest * choices, longest * choices
    limit = candidate.max_output_tokens or LONGEST_ANSWER
    return min(USUAL_ANSWER, limit) * choices, limit * choices


def _amount(prompt: int, answer: int, candidate: Candidate) -> Amount:
    card = candidate.price
    cost = None if card is None else card.cost(Usage(prompt, answer))
    return Amount(NOTHING_SPENT if cost is None else cost, prompt + answer)


def _prompt(request: ChatRequest | EmbedRequest) -> int:
    if isinstance(request, EmbedRequest):
        return estimate_tokens(request.messages)
    tools = request.parameters.get("tools")
    return estimate_tokens(request.messages, tools if isinstance(tools, list) else ())


def _longest(request: ChatRequest) -> int:
    lengths = (_count(request.parameters.get(name)) for name in _LENGTHS)
    return next((length for length in lengths if length), 0)


def _count(value: Any) -> int:  # noqa: ANN401  # a field of the wire, whatever the caller put there
    return value if type(value) is int and value > 0 else 0
