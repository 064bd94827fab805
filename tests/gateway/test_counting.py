from __future__ import annotations

import pytest

from app.catalog.tokens import estimate_tokens
from app.domain.attempt import CountSource
from app.domain.chat import Allowance, ChatResponse
from app.domain.embedding import EmbedRequest
from app.domain.errors import Code, FailureKind, OutcryError, ProviderError
from app.domain.needs import CHAT_ABILITIES, EMBEDDINGS
from app.domain.routing import PolicyName
from app.domain.target import Circuit, Target
from tests.fakes import ScriptedAdapter, answer
from tests.gateway.conftest import HELLO, ask, house

TEXTS = EmbedRequest(["up", "down"])
EMBEDS = CHAT_ABILITIES | {EMBEDDINGS}


async def test_the_providers_own_count_is_the_first_choice() -> None:
    way = house(alpha=ScriptedAdapter("x", counts=42))

    counted = await way.gateway.count_tokens(ask(way))

    assert (counted.tokens, counted.source, counted.target) == (42, CountSource.PROVIDER, Target("alpha", "alpha-1"))
    assert counted.attempts == 1
    assert way.calls() == [0]


@pytest.mark.parametrize("counts", [None, ProviderError(FailureKind.UNREACHABLE, "away")])
async def test_without_a_providers_count_we_count(counts: ProviderError | None) -> None:
    way = house(alpha=ScriptedAdapter("x", counts=counts))

    counted = await way.gateway.count_tokens(ask(way))

    assert (counted.tokens, counted.source) == (estimate_tokens(HELLO.messages), CountSource.ESTIMATE)
    assert counted.attempts == (0 if counts is None else 1)


async def test_texts_are_embedded_by_whoever_embeds() -> None:
    way = house(alpha=ScriptedAdapter("x"), beta=ScriptedAdapter("x", dialect=EMBEDS))

    done = await way.gateway.embed(ask(way, request=TEXTS))

    assert (done.response.vectors, done.target.provider, done.is_fallback) == ([[2.0], [4.0]], "beta", True)
    assert way.outcomes() == [("alpha", "skipped"), ("beta", "ok")]
    assert done.usage.input_tokens == 7


async def test_where_nobody_embeds_the_caller_is_told_so() -> None:
    way = house(alpha=ScriptedAdapter("x"))

    with pytest.raises(OutcryError) as caught:
        await way.gateway.embed(ask(way, request=TEXTS))

    assert (caught.value.code, caught.value.status, caught.value.param) == (Code.UNSUPPORTED_PARAMETER, 400, "model")


async def test_what_a_dialect_cannot_say_is_no_failure_of_its_provider() -> None:
    refused = ProviderError(FailureKind.UNSUPPORTED, "no words for n", param="n")
    way = house(alpha=ScriptedAdapter(refused), beta=ScriptedAdapter("sell"))

    done = await way.gateway.complete(ask(way, max_retries=0))

    assert done.response.text == "sell"
    assert way.outcomes() == [("alpha", "skipped"), ("beta", "ok")]


async def test_a_target_with_nothing_left_of_its_limit_is_left_alone() -> None:
    spent = ChatResponse(answer("buy").completion, "stop", allowance=Allowance(requests=0, resets_after=30.0))
    way = house(alpha=ScriptedAdapter(spent), beta=ScriptedAdapter("sell"))

    assert (await way.gateway.complete(ask(way))).response.text == "buy"
    assert (await way.gateway.complete(ask(way))).response.text == "sell"
    way.clock.advance(31.0)
    assert (await way.gateway.complete(ask(way))).response.text == "buy"


async def test_counting_takes_nobodys_turn() -> None:
    way = house(alpha=ScriptedAdapter("a", counts=1), beta=ScriptedAdapter("b", counts=2))
    asked = ask(way, policy=PolicyName.ROUND_ROBIN)
    answers = []

    for _ in range(4):
        counted = await way.gateway.count_tokens(asked)
        done = await way.gateway.complete(asked)
        assert counted.target == done.target
        answers.append(done.response.text)

    assert answers == ["a", "b", "a", "b"]


async def test_counting_does_not_use_up_the_last_resort() -> None:
    way = house(alpha=ScriptedAdapter("a", counts=42))
    breaker = way.pool.state(Target("alpha", "alpha-1"), "k").breaker
    for _ in range(5):
        breaker.failed(way.clock.now())
    way.clock.advance(6)

    counted = await way.gateway.count_tokens(ask(way))

    # Nobody is asked who is ejected; what we count by ourselves needs nobody.
    assert (counted.source, counted.attempts, counted.target.provider) == (CountSource.ESTIMATE, 0, "alpha")
    assert breaker.circuit(way.clock.now()) is Circuit.OPEN
    assert (await way.gateway.complete(ask(way))).response.text == "a"
