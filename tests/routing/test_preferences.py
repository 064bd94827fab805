"""What a caller wants of providers: who is kept out, with which words, and who goes first."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.chat import Credential
from app.domain.data_policy import DataDemand, DataPolicy
from app.domain.errors import Code, NotAdmitted, OutcryError, RequestRejected
from app.domain.provider import ProviderConfig, ProviderSet, ProviderType
from app.domain.routing import Candidate, MaxPrice, Plan, PolicyName, Preferences, RoutingQuery
from app.domain.target import Circuit, Target
from app.domain.usage import PriceCard, PriceTier
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from app.routing.policies import build_policies
from app.routing.preferences import understood
from app.routing.router import Router
from tests.fakes_providers import FakeAdapters, FakeCatalog, FakeClock

NAMES = ("a", "b", "c", "d")
LONG_TIER = (PriceTier(0, Decimal(1), Decimal(2)), PriceTier(1000, Decimal(3), Decimal(2)))


def candidate(name: str, **more: Any) -> Candidate:
    return Candidate(Target(name, "m"), Credential(), **more)


def planned(*candidates: Candidate, tokens: int = 0, policy: PolicyName = PolicyName.PRIORITY, **wanted: Any) -> Plan:
    query = RoutingQuery(input_tokens=tokens, preferences=Preferences(**wanted))
    return Router(build_policies(random.Random(1))).plan(candidates, query, policy)


def names(plan: Plan) -> list[str]:
    return [step.target.provider for step in plan.steps]


def why_not(plan: Plan, name: str) -> str | None:
    return next(verdict.why_not for verdict in plan.verdicts if verdict.target.provider == name)


def refused(*candidates: Candidate, **wanted: Any) -> OutcryError:
    with pytest.raises(OutcryError) as caught:
        planned(*candidates, **wanted)
    return caught.value


def test_an_order_goes_before_any_policy_and_the_others_follow_by_it() -> None:
    plan = planned(*(candidate(name, priority=i) for i, name in enumerate(NAMES)), order=("c", "b"))

    assert names(plan) == ["c", "b", "a", "d"]
    assert plan.reason == "provider.order first, then lowest configured priority first"


def test_an_order_moves_providers_within_a_model_and_not_models() -> None:
    plan = planned(candidate("a"), candidate("b"), candidate("c", rank=1), order=("c", "b"))

    assert names(plan) == ["b", "a", "c"]


def test_a_closed_order_lets_nobody_else_in() -> None:
    plan = planned(*map(candidate, NAMES), order=("c", "b"), allow_fallbacks=False)

    assert names(plan) == ["c", "b"]
    assert why_not(plan, "a") == "is not in provider.order, and provider.allow_fallbacks is false"


def test_only_and_ignore_say_who_may_be_asked() -> None:
    plan = planned(*map(candidate, NAMES), only=("a", "b", "c"), ignore=("b",))

    assert names(plan) == ["a", "c"]
    assert why_not(plan, "b") == "is in provider.ignore"
    assert why_not(plan, "d") == "is not in provider.only"


def test_a_price_is_compared_in_the_tier_of_this_prompt_and_an_unknown_one_is_too_high() -> None:
    tiered = candidate("a", price=PriceCard(LONG_TIER, "test"))
    cheap = candidate("b", price=PriceCard((PriceTier(0, Decimal("0.5"), Decimal("0.5")),), "test"))
    most = MaxPrice(Decimal(1), Decimal(2))

    assert names(planned(tiered, cheap, max_price=most)) == ["a", "b"]
    plan = planned(tiered, cheap, candidate("c"), tokens=2000, max_price=most)
    assert names(plan) == ["b"]
    assert why_not(plan, "a") == "its prompt costs 3 per million tokens, and provider.max_price.prompt is 1"
    assert "is not known" in str(why_not(plan, "c"))


def test_who_would_leave_out_a_parameter_is_kept_out_where_all_are_required() -> None:
    plan = planned(candidate("a", unheeded=("seed",)), candidate("b"), require_parameters=True)

    assert names(plan) == ["b"]
    assert why_not(plan, "a") == "would not take seed as it is, and all are required"


DENY = DataDemand(no_training=True, training_field="provider.data_collection")
ZDR = DataDemand(retention_days=0, retention_field="provider.zdr")
EU = DataDemand(regions=("eu", "local"), region_field="provider.region")


@pytest.mark.parametrize(
    ("demand", "policy", "said"),
    [
        (DENY, DataPolicy(training=True), "prompts train models there, and provider.data_collection forbids it"),
        (
            DENY,
            DataPolicy(retention_days=0, region="eu"),
            "whether prompts train models is not stated, and provider.data_collection forbids it",
        ),
        (ZDR, DataPolicy(retention_days=30), "prompts are kept for 30 days, and provider.zdr allows 0"),
        (ZDR, DataPolicy(training=False), "how long prompts are kept is not stated, and provider.zdr allows 0"),
        (EU, DataPolicy(region="us"), "prompts go to us, and provider.region is eu, local"),
        (EU, DataPolicy(), "where prompts go is not stated, and provider.region is eu, local"),
    ],
)
def test_who_is_not_stated_to_treat_prompts_as_demanded_is_kept_out(
    demand: DataDemand, policy: DataPolicy, said: str
) -> None:
    good = DataPolicy(training=False, retention_days=0, region="EU")

    plan = planned(candidate("a", data_policy=policy), candidate("b", data_policy=good), data=demand)

    assert names(plan) == ["b"]
    assert why_not(plan, "a") == said


_POLICIES = st.builds(
    DataPolicy,
    st.none() | st.booleans(),
    st.none() | st.integers(0, 40),
    st.none() | st.sampled_from(("eu", "EU", "us")),
)
_DEMANDS = st.builds(
    DataDemand, st.booleans(), st.none() | st.integers(0, 40), st.lists(st.sampled_from(("eu", "us", "ch"))).map(tuple)
)


@given(st.lists(_POLICIES, min_size=1, max_size=4), _DEMANDS, _DEMANDS)
def test_no_request_loosens_what_the_operator_demands(
    policies: list[DataPolicy], rule: DataDemand, wish: DataDemand
) -> None:
    candidates = [candidate(name, data_policy=policy) for name, policy in zip(NAMES, policies, strict=False)]
    query = RoutingQuery(preferences=Preferences(data=wish), house_rule=rule)
    allowed = {one.target for one in candidates if not rule.unmet_by(one.data_policy)}
    wanted = {one.target for one in candidates if not wish.unmet_by(one.data_policy)}

    try:
        plan = Router(build_policies(random.Random(1))).plan(candidates, query, PolicyName.PRIORITY)
    except NotAdmitted:
        assert not allowed
    except RequestRejected:
        assert allowed
        assert not allowed & wanted
    else:
        assert {step.target for step in plan.steps} == allowed & wanted


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"only": ("nobody",)}, "provider.only"),
        ({"ignore": ("a",)}, "provider.ignore"),
        ({"order": ("nobody",), "allow_fallbacks": False}, "provider.order"),
        ({"max_price": MaxPrice(completion=Decimal(1))}, "provider.max_price.completion"),
        ({"data": ZDR}, "provider.zdr"),
    ],
)
def test_a_wish_that_leaves_nobody_is_the_callers_error_and_names_the_field(wanted: dict[str, Any], param: str) -> None:
    error = refused(candidate("a"), **wanted)

    assert isinstance(error, RequestRejected)
    assert (error.code, error.param) == (Code.INVALID_REQUEST, param)


def test_a_wanted_target_that_is_ejected_is_an_outage_and_not_the_callers_error() -> None:
    error = refused(candidate("a", circuit=Circuit.OPEN, cooling=9.0), candidate("b"), only=("a",))

    assert isinstance(error, NotAdmitted)
    assert error.code is Code.PROVIDER_CIRCUIT_OPEN


_SUBSETS = st.lists(st.sampled_from(NAMES), unique=True).map(tuple)


@given(_SUBSETS, st.none() | _SUBSETS, _SUBSETS, st.booleans(), st.sampled_from(PolicyName))
def test_whatever_is_wanted_nobody_else_is_asked_and_everybody_is_explained(
    order: tuple[str, ...], only: tuple[str, ...] | None, ignore: tuple[str, ...], closed: bool, policy: PolicyName
) -> None:
    allowed = {name for name in NAMES if (only is None or name in only) and name not in ignore}
    if closed and order:
        allowed &= set(order)
    wanted: dict[str, Any] = {"order": order, "only": only, "ignore": ignore, "allow_fallbacks": not closed}
    if not allowed:
        assert refused(*map(candidate, NAMES), policy=policy, **wanted).status == 400
        return

    plan = planned(*map(candidate, NAMES), policy=policy, **wanted)

    assert set(names(plan)) == allowed
    assert names(plan)[: len(allowed & set(order))] == [name for name in order if name in allowed]
    assert {verdict.target.provider for verdict in plan.verdicts if verdict.why_not} == set(NAMES) - allowed


def test_names_are_those_of_providers_or_of_their_types_and_an_unknown_one_warns() -> None:
    pool = Pool(
        FakeAdapters(), FakeCatalog(), breaker=BreakerRules(), retry=RetryRules(), now=FakeClock().now,
        rng=random.Random(0),
    )  # fmt: skip
    types = {"main": ProviderType.OPENAI, "spare": ProviderType.OPENAI, "gem": ProviderType.GEMINI}
    pool.replace(ProviderSet(tuple(ProviderConfig(name, type_, "") for name, type_ in types.items())))

    found, warnings = understood(Preferences(order=("Google", "spare", "OpenAI"), only=("nobody",)), pool)

    assert found.order == ("gem", "spare", "main")
    assert found.only == ("nobody",)
    assert warnings == ("provider.only: no provider is named 'nobody'",)
