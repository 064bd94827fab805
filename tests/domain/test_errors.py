from __future__ import annotations

import pytest

from app.domain.errors import CONSEQUENCES, REACTIONS, Code, Cooldown, FailureKind, ProviderError


def test_every_failure_has_a_reaction() -> None:
    assert set(FailureKind) == set(REACTIONS)


def test_every_code_has_a_consequence() -> None:
    assert set(Code) == set(CONSEQUENCES)


def test_a_code_says_whose_fault_it_is() -> None:
    names_of_openai = {Code.CONTEXT_LENGTH, Code.CONTENT_FILTER, Code.MODEL_NOT_FOUND, Code.ALL_ATTEMPTS_FAILED}
    prefixes = {code.value.split("_")[0] for code in set(Code) - names_of_openai}

    assert {"caller", "policy", "provider", "gateway"} == prefixes


def test_what_a_caller_did_wrong_is_never_tried_again_and_never_breaks_a_circuit() -> None:
    for kind in (FailureKind.BAD_REQUEST, FailureKind.CONTENT_POLICY, FailureKind.PAYLOAD_TOO_LARGE):
        reaction = REACTIONS[kind]
        assert (False, False, False) == (reaction.breaks, reaction.retry_same, reaction.try_next), kind


def test_a_rate_limit_a_cancellation_and_a_refused_key_do_not_break_a_circuit() -> None:
    for kind in (FailureKind.RATE_LIMITED, FailureKind.CANCELLED, FailureKind.AUTH, FailureKind.QUOTA_EXHAUSTED):
        assert not REACTIONS[kind].breaks, kind


def test_a_refused_key_and_an_empty_balance_park_the_key_not_the_target() -> None:
    kinds = {kind for kind, reaction in REACTIONS.items() if reaction.cooldown is Cooldown.CREDENTIAL}

    assert {FailureKind.AUTH, FailureKind.PERMISSION, FailureKind.QUOTA_EXHAUSTED} == kinds


@pytest.mark.parametrize(("upstream", "status"), [(400, 400), (413, 413), (422, 422), (405, 400), (None, 400)])
def test_a_providers_own_400_413_or_422_is_passed_on(upstream: int | None, status: int) -> None:
    assert status == ProviderError(FailureKind.BAD_REQUEST, "no", upstream_status=upstream).status
