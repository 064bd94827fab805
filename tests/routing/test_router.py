"""Who is in a plan, who is not, and why."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.domain.chat import Credential
from app.domain.errors import Code, NotAdmitted, OutcryError, RequestRejected
from app.domain.hindsight import AsOf, AsOfMode
from app.domain.routing import Candidate, PolicyName, Preferences, RoutingQuery
from app.domain.target import Circuit, Target
from app.domain.usage import PriceCard, PriceTier
from app.routing.policies import build_policies
from app.routing.router import Router, doubts

QUERY = RoutingQuery()
TOOLS = RoutingQuery(needs=frozenset({"tools"}))
LONG = RoutingQuery(input_tokens=5000)
KNOWN: dict[str, Any] = {
    "context_window": 1000,
    "capabilities": frozenset({"vision"}),
    "price": PriceCard((PriceTier(0, Decimal(1), Decimal(1)),), "test"),
}


def candidate(name: str, **more: Any) -> Candidate:
    return Candidate(Target(name, "m"), Credential(), **more)


def ejected(name: str, seconds: float = 30.0, **more: Any) -> Candidate:
    return candidate(name, circuit=Circuit.OPEN, cooling=seconds, **more)


@pytest.fixture
def router() -> Router:
    return Router(build_policies(random.Random(1)))


def refused(router: Router, *candidates: Candidate, query: RoutingQuery = QUERY) -> OutcryError:
    with pytest.raises(OutcryError) as caught:
        router.plan(candidates, query, PolicyName.PRIORITY)
    return caught.value


def test_a_plan_is_in_the_policys_order_and_says_so(router: Router) -> None:
    plan = router.plan([candidate("b", priority=2), candidate("a", priority=1)], QUERY, PolicyName.PRIORITY)

    assert [step.target.provider for step in plan.steps] == ["a", "b"]
    assert plan.policy == "priority"
    assert plan.reason == "lowest configured priority first"
    assert [(verdict.score, verdict.why_not) for verdict in plan.verdicts] == [(1.0, None), (2.0, None)]


def test_a_given_order_is_kept(router: Router) -> None:
    plan = router.plan(
        [candidate("b", priority=2), candidate("a", priority=1)],
        QUERY,
        PolicyName.PRIORITY,
        keep_order=True,
        warnings=("said before",),
    )

    assert [step.target.provider for step in plan.steps] == ["b", "a"]
    assert plan.policy == "given_order"
    assert plan.warnings[0] == "said before"


@pytest.mark.parametrize(
    ("left_out", "query", "why_not"),
    [
        (candidate("x", capabilities=frozenset({"vision"})), TOOLS, "does not support tools"),
        (candidate("x", context_window=1000), LONG, "exceeds its window of 1000"),
        (ejected("x"), QUERY, "circuit open for another 30.0 s"),
        (candidate("x", cooling=7.0), QUERY, "cooling down for another 7.0 s"),
        (candidate("x", parked=True), QUERY, "quarantine"),
    ],
)
def test_who_cannot_do_it_now_is_left_out_with_the_reason(
    left_out: Candidate, query: RoutingQuery, why_not: str, router: Router
) -> None:
    plan = router.plan([left_out, candidate("ok")], query, PolicyName.PRIORITY)

    assert [step.target.provider for step in plan.steps] == ["ok"]
    assert plan.verdicts[1].target == left_out.target
    assert why_not in str(plan.verdicts[1].why_not)


def test_a_half_open_circuit_is_tried(router: Router) -> None:
    plan = router.plan([candidate("trial", circuit=Circuit.HALF_OPEN)], QUERY, PolicyName.PRIORITY)

    assert plan.steps[0].target.provider == "trial"


@pytest.mark.parametrize("keep_order", [False, True])
@pytest.mark.parametrize("order", [(), ("full",)])
def test_one_at_its_limit_is_behind_all_others_with_the_reason_whatever_the_order(
    order: tuple[str, ...], keep_order: bool, router: Router
) -> None:
    full = candidate("full", priority=1, why_full="limit requests_per_minute is reached")
    query = RoutingQuery(preferences=Preferences(order=order))

    plan = router.plan([full, candidate("free", priority=2)], query, PolicyName.PRIORITY, keep_order=keep_order)

    assert [(one.target.provider, one.why_not) for one in plan.verdicts] == [
        ("free", None),
        ("full", "limit requests_per_minute is reached"),
    ]
    assert [step.target.provider for step in plan.steps] == ["free", "full"]


def test_where_all_are_at_their_limits_they_are_the_plan_so_that_one_can_be_waited_for(router: Router) -> None:
    full = candidate("full", why_full="limit requests_per_minute is reached")

    plan = router.plan([full, ejected("x")], QUERY, PolicyName.PRIORITY)

    assert plan.steps == (full,)
    assert plan.verdicts[0].why_not == "limit requests_per_minute is reached"


def test_a_quarantined_key_is_tried_only_when_nothing_else_is_left(router: Router) -> None:
    parked = candidate("parked", parked=True)

    assert router.plan([parked, ejected("x")], QUERY, PolicyName.PRIORITY).steps == (parked,)


def test_a_quarantined_key_is_not_tried_where_another_target_only_pauses(router: Router) -> None:
    with pytest.raises(NotAdmitted) as caught:
        router.plan([candidate("parked", parked=True), candidate("x", cooling=7.0)], QUERY, PolicyName.PRIORITY)

    assert (caught.value.code, caught.value.retry_after) == (Code.PROVIDER_RATE_LIMITED, 7.0)


def test_what_nobody_stated_is_asked_with_a_warning(router: Router) -> None:
    plan = router.plan([candidate("new")], TOOLS, PolicyName.PRIORITY)

    assert plan.warnings == (
        "whether new/m supports tools is not known",
        "the context window of new/m is not known",
        "the price of new/m is not known",
    )
    assert doubts(candidate("known", **KNOWN), QUERY) == ()


def test_all_circuits_open_is_503_with_the_soonest_return(router: Router) -> None:
    error = refused(router, ejected("a", 30.0), ejected("b", 12.0))

    assert isinstance(error, NotAdmitted)
    assert (error.code, error.status, error.retry_after) == (Code.PROVIDER_CIRCUIT_OPEN, 503, 12.0)


def test_all_cooling_is_429_with_the_soonest_return(router: Router) -> None:
    error = refused(router, candidate("a", cooling=9.0), candidate("b", cooling=4.0))

    assert isinstance(error, NotAdmitted)
    assert (error.code, error.status, error.retry_after) == (Code.PROVIDER_RATE_LIMITED, 429, 4.0)


def test_some_open_and_some_cooling_is_503(router: Router) -> None:
    error = refused(router, ejected("a", 30.0), candidate("b", cooling=4.0))

    assert (error.code, error.status, error.retry_after) == (Code.NO_TARGET, 503, 4.0)
    assert "a/m" in error.message
    assert "b/m" in error.message


def test_nothing_configured_is_no_target(router: Router) -> None:
    assert refused(router).code is Code.NO_TARGET


@pytest.mark.parametrize(
    ("need", "param"), [("tools", "tools"), ("vision", "messages"), ("n", "n"), ("forced_tools", "tool_choice")]
)
def test_what_no_target_can_do_is_the_callers_error(need: str, param: str, router: Router) -> None:
    unable = candidate("a", capabilities=frozenset(), dialect=frozenset())

    error = refused(router, unable, query=RoutingQuery(needs=frozenset({need})))

    assert isinstance(error, RequestRejected)
    assert (error.code, error.status, error.param) == (Code.UNSUPPORTED_PARAMETER, 400, param)


def test_what_only_the_callers_own_wire_can_say_is_named_by_its_place(router: Router) -> None:
    query = RoutingQuery(needs=frozenset({"messages_server_tools"}), only_here="mcp_servers")

    error = refused(router, candidate("a", dialect=frozenset()), query=query)

    assert (error.code, error.param) == (Code.UNSUPPORTED_PARAMETER, "mcp_servers")


def test_a_prompt_that_fits_nowhere_is_too_long(router: Router) -> None:
    error = refused(router, candidate("a", context_window=10), candidate("b", context_window=20), query=LONG)

    assert isinstance(error, RequestRejected)
    assert (error.code, error.status, error.param) == (Code.CONTEXT_LENGTH, 400, "messages")


def test_an_ejected_target_that_could_do_it_outweighs_one_that_never_can(router: Router) -> None:
    error = refused(router, candidate("a", capabilities=frozenset()), ejected("b"), query=TOOLS)

    assert error.code is Code.PROVIDER_CIRCUIT_OPEN


def test_the_least_bad_is_the_ejected_one_that_returns_first_and_can_do_it(router: Router) -> None:
    unable = ejected("unable", 1.0, capabilities=frozenset())
    soon, later = ejected("soon", 10.0), ejected("later", 20.0)

    assert router.ejected([unable, later, soon], TOOLS) == [soon, later]
    assert router.ejected([candidate("fine")], QUERY) == []


AS_OF = datetime(2024, 10, 1, tzinfo=UTC)
REMEMBERS = {"a": date(2024, 8, 31), "b": date(2025, 6, 30), "c": None}


def remembering(*names: str) -> list[Candidate]:
    return [candidate(name, knowledge_cutoff=REMEMBERS[name]) for name in names]


def test_a_filter_plans_only_with_targets_that_are_known_to_be_clean(router: Router) -> None:
    query = RoutingQuery(as_of=AsOf(AS_OF, AsOfMode.FILTER))

    plan = router.plan(remembering("c", "b", "a"), query, PolicyName.PRIORITY)

    assert [step.target.provider for step in plan.steps] == ["a"]
    assert "2025-06-30" in next(v.why_not or "" for v in plan.verdicts if v.target.provider == "b")
    assert refused(router, *remembering("b", "c"), query=query).code is Code.CONTAMINATED


def test_a_block_refuses_when_any_target_may_remember(router: Router) -> None:
    query = RoutingQuery(as_of=AsOf(AS_OF, AsOfMode.BLOCK))

    error = refused(router, *remembering("a", "b"), query=query)

    assert (error.code, error.status, error.param) == (Code.CONTAMINATED, 422, "x-outcry-as-of-mode")
    assert "b/m" in error.message
    assert "a/m" not in error.message
    assert len(router.plan(remembering("a"), query, PolicyName.PRIORITY).steps) == 1


def test_a_warning_says_who_may_remember_and_asks_all_the_same(router: Router) -> None:
    query = RoutingQuery(as_of=AsOf(AS_OF))

    said = [router.plan(remembering(name), query, PolicyName.PRIORITY).warnings for name in "abc"]

    assert [any("contaminated" in warning for warning in warnings) for warnings in said] == [False, True, False]
    assert any("c/m is unknown" in warning for warning in said[2])
