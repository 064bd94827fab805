"""What a real, tiny call proves about a configuration, and what it leaves open."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from app.agents.changes import ConfigChange
from app.domain.errors import (
    AllAttemptsFailed,
    Code,
    DeadlineExceeded,
    FailureKind,
    NotAdmitted,
    NotFound,
    OutcryError,
    ProviderError,
    RequestRejected,
)
from tests.agents.conftest import House

ALPHA_1 = ConfigChange(provider="openai", model_name="alpha-1")
LAST = ProviderError(FailureKind.AUTH, "401 from alpha")


async def _agent(house: House, change: ConfigChange = ALPHA_1) -> int:
    house.providers.origins["openai"] = house.providers.origins["alpha"]
    agent_id = (await house.service.create("desk", None, {})).id
    await house.service.put_primary(agent_id, replace(change, model_name="unlisted-model"))
    return agent_id


async def test_an_answer_proves_all(house: House) -> None:
    report = await house.service.validate_config(await _agent(house))

    assert report == {
        "reachable": True,
        "authorised": True,
        "model_known": True,
        "price_known": False,
        "latency_ms": 0.0,
        "code": None,
        "message": None,
    }


async def test_the_call_is_tiny_pinned_and_tried_once(house: House) -> None:
    agent_id = await _agent(house)

    await house.service.validate_config(agent_id)

    (ask,) = house.asker.asked
    assert (ask.model, ask.agent_id, ask.deadline) == ("alpha/unlisted-model", agent_id, 115.0)
    assert (ask.allow_failover, ask.max_retries, ask.request.parameters) == (False, 0, {"max_tokens": 16})


@pytest.mark.parametrize(
    ("failure", "proved"),
    [
        (ProviderError(FailureKind.UNREACHABLE, "refused"), (False, None, None)),
        (ProviderError(FailureKind.TIMEOUT, "silent"), (False, None, None)),
        (ProviderError(FailureKind.AUTH, "401"), (True, False, None)),
        (ProviderError(FailureKind.QUOTA_EXHAUSTED, "402"), (True, True, None)),
        (ProviderError(FailureKind.MODEL_NOT_FOUND, "404"), (True, True, False)),
        (ProviderError(FailureKind.SERVER_ERROR, "500"), (True, None, None)),
        (AllAttemptsFailed(Code.ALL_ATTEMPTS_FAILED, "all failed", last=LAST), (True, False, None)),
        (NotFound("no such model", code=Code.MODEL_NOT_FOUND), (None, None, False)),
        (NotAdmitted(Code.PROVIDER_CIRCUIT_OPEN, "open"), (None, None, None)),
        (DeadlineExceeded(), (None, None, None)),
    ],
)
async def test_a_failure_proves_what_it_says_and_no_more(
    house: House, failure: OutcryError, proved: tuple[bool | None, ...]
) -> None:
    agent_id = await _agent(house)
    house.asker.failure = failure

    report = await house.service.validate_config(agent_id)

    assert (report["reachable"], report["authorised"], report["model_known"]) == proved
    assert report["code"] == (LAST.code if isinstance(failure, AllAttemptsFailed) else failure.code)
    assert report["message"] == failure.message


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_every_kind_of_failure_makes_a_report(house: House, kind: FailureKind) -> None:
    agent_id = await _agent(house)
    house.asker.failure = ProviderError(kind, "it went wrong")

    report = await house.service.validate_config(agent_id)

    assert report["code"] is not None
    assert (report["reachable"], report["authorised"], report["model_known"]) != (True, True, True) or kind in (
        FailureKind.CONTEXT_LENGTH,
        FailureKind.CONTENT_POLICY,
        FailureKind.STREAM_TRUNCATED,
    )


async def test_a_key_that_cannot_be_read_is_said_and_nobody_is_asked(house: House) -> None:
    agent_id = await _agent(house, replace(ALPHA_1, api_key=SecretStr("sk-proj-0123456789-4f2a")))

    report = await house.without_keys.validate_config(agent_id)

    assert "cannot be read" in report["message"]
    assert house.asker.asked == []


async def test_a_price_is_known_from_the_catalog_or_from_the_configuration(house: House) -> None:
    agent_id = (await house.service.create("desk", None, {})).id
    await house.service.put_primary(agent_id, ConfigChange(provider="alpha", model_name="alpha-1"))

    assert (await house.service.validate_config(agent_id))["price_known"]


async def test_a_draft_is_tried_and_not_stored(house: House) -> None:
    agent_id = await _agent(house)

    await house.service.validate_config(agent_id, ConfigChange(provider="beta", model_name="beta-1"))

    assert house.asker.asked[0].model == "beta/beta-1"
    assert [config.provider for config in await house.service.configs(agent_id)] == ["openai"]


async def test_a_key_that_is_not_stored_is_sent_nowhere(house: House) -> None:
    agent_id = await _agent(house)

    with pytest.raises(RequestRejected, match="api_key"):
        await house.service.validate_config(agent_id, ConfigChange(api_key=SecretStr("sk-proj-0123456789-4f2a")))

    assert house.asker.asked == []
