"""Texts turned into vectors: the canonical form is OpenAI's `POST /embeddings`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.chat import JSON, Credential, Timeouts
from app.domain.usage import Usage


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Texts (or token ids, which only some providers take) to embed.

    `parameters` holds every other field of OpenAI's body but `model` and `encoding_format`: `dimensions`, `user`.
    """

    inputs: Sequence[str | Sequence[int]]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def messages(self) -> Sequence[JSON]:
        """The inputs as messages, for whoever counts tokens."""
        texts = (each if isinstance(each, str) else "0000" * len(each) for each in self.inputs)
        return [{"role": "user", "content": text} for text in texts]


@dataclass(frozen=True, slots=True)
class EmbedCall:
    """One attempt at embedding, as an adapter gets it; see Call."""

    model: str
    request: EmbedRequest
    timeouts: Timeouts = Timeouts()
    credential: Credential = Credential()
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector for each input, in the order of the inputs. `model` is the provider's name for what it used."""

    vectors: Sequence[Sequence[float]]
    model: str
    usage: Usage | None = None
    warnings: tuple[str, ...] = ()
