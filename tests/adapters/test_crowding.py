"""All connections in use: the gateway's own shortage, which says nothing about the provider."""

from __future__ import annotations

import httpx
import pytest

from app.adapters.http_sender import CROWDED_FOR
from app.domain.errors import REACTIONS, Code, FailureKind, ProviderError
from tests.adapters.test_http import adapter, call


@pytest.mark.parametrize(
    ("error", "kind"),
    [(httpx.PoolTimeout("full"), FailureKind.CROWDED), (httpx.ConnectTimeout("black hole"), FailureKind.TIMEOUT)],
)
async def test_a_full_pool_is_no_fault_of_the_providers(error: httpx.TransportError, kind: FailureKind) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(ProviderError) as caught:
        await adapter("http://p.test", httpx.MockTransport(refuse)).complete(call())

    assert caught.value.kind is kind
    assert caught.value.retry_after == (CROWDED_FOR if kind is FailureKind.CROWDED else None)


def test_crowding_breaks_no_circuit_and_answers_with_a_503_of_our_own() -> None:
    reaction = REACTIONS[FailureKind.CROWDED]
    assert (reaction.code, reaction.breaks, reaction.sent, reaction.try_next) == (Code.OVERLOADED, False, False, True)
