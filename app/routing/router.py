"""The router: filters candidates, orders them by a policy, explains itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from app.domain.errors import BudgetExhausted, Code, NotAdmitted, OutcryError, RequestRejected
from app.domain.hindsight import AsOfMode
from app.domain.needs import EMBEDDINGS, PARAMS, SERVER_TOOLS, TOOLS, VISION
from app.domain.routing import Candidate, Plan, PolicyName, RoutingQuery, Verdict
from app.domain.target import Circuit
from app.domain.usage import UnpricedPolicy
from app.routing.conversation import TURN_BASED, by_lot, with_last_first
from app.routing.policies import RoutingPolicy
from app.routing.preferences import in_wanted_order, objection, wanted_order

# What the catalog states of every model it describes; of the others it may know only that they are there.
_STATED: Final = frozenset({TOOLS, VISION, EMBEDDINGS})


class _Obstacle(Enum):
    """What stands between a request and a target: the operator's three, the request's four, money; the rest passes."""

    STOPPED = auto()
    BUDGET = auto()
    HOUSE_RULE = auto()
    PREFERENCE = auto()
    HINDSIGHT = auto()
    CAPABILITY = auto()
    WINDOW = auto()
    UNPRICED = auto()
    CIRCUIT = auto()
    COOLDOWN = auto()
    PARKED = auto()


@dataclass(frozen=True, slots=True)
class _Refusal:
    candidate: Candidate
    obstacle: _Obstacle
    why_not: str
    param: str | None = None


class Router:
    """Turns a snapshot of candidates into a plan. Pure but for the turns and lots of its policies."""

    def __init__(self, policies: Mapping[PolicyName, RoutingPolicy]) -> None:
        self._policies = policies

    def plan(
        self,
        candidates: Sequence[Candidate],
        query: RoutingQuery,
        policy: PolicyName,
        *,
        keep_order: bool = False,
        warnings: Sequence[str] = (),
    ) -> Plan:
        """The targets to try, in order.

        Raises NotAdmitted when all that could do it are ejected or pausing, or when there is none;
        BudgetExhausted when the price of all that are left is unknown and that is refused;
        RequestRejected when none can do what was asked.
        """
        open_to, refusals = _sifted(candidates, query)
        if query.as_of is not None and query.as_of.mode is AsOfMode.BLOCK:
            _refuse_tainted(refusals)
        if not open_to and not any(refusal.obstacle is _Obstacle.COOLDOWN for refusal in refusals):
            # A key in quarantine is still the way to tell the caller what is wrong with it. Who waits for a target
            # that only pauses is better told how long.
            open_to = [refusal.candidate for refusal in refusals if refusal.obstacle is _Obstacle.PARKED]
            refusals = [refusal for refusal in refusals if refusal.obstacle is not _Obstacle.PARKED]
        if not open_to:
            raise _nothing_left(refusals, query)
        chosen = self._policies[policy]
        ordered, says = (open_to, "in the order given") if keep_order else self._ordered(open_to, query, policy)
        if len(ordered) > 1:
            ordered = _with_room_first(with_last_first(in_wanted_order(ordered, query), query))
        steps = tuple(ordered)
        return Plan(
            steps=steps,
            policy="given_order" if keep_order else policy.value,
            reason=_reason(says, steps[0], query),
            verdicts=(
                *[Verdict(step.target, chosen.score(step, query), step.why_full) for step in steps],
                *[Verdict(refusal.candidate.target, why_not=refusal.why_not) for refusal in refusals],
            ),
            warnings=(*warnings, *doubts(steps[0], query)),
        )

    def _ordered(
        self, candidates: Sequence[Candidate], query: RoutingQuery, policy: PolicyName
    ) -> tuple[list[Candidate], str]:
        """The candidates, best first, and what makes the first one the best."""
        chosen = self._policies[policy]
        if query.conversation is None or policy not in TURN_BASED:
            return chosen.order(candidates, query), chosen.says
        return by_lot(candidates, query.conversation, policy), f"{chosen.says}, by a lot that is the conversation's own"

    def verdicts(self, candidates: Sequence[Candidate], query: RoutingQuery) -> tuple[Verdict, ...]:
        """Why each of the candidates that no plan has room for is left out."""
        _, refusals = _sifted(candidates, query)
        return tuple(Verdict(refusal.candidate.target, why_not=refusal.why_not) for refusal in refusals)

    def ejected(self, candidates: Sequence[Candidate], query: RoutingQuery) -> list[Candidate]:
        """The ejected targets that could do it, the one that comes back first before the others."""
        _, refusals = _sifted(candidates, query)
        ejected = [refusal.candidate for refusal in refusals if refusal.obstacle is _Obstacle.CIRCUIT]
        return sorted(ejected, key=lambda candidate: (candidate.cooling, candidate.priority))


def doubts(candidate: Candidate, query: RoutingQuery) -> tuple[str, ...]:
    """What nobody has stated about a target that is asked all the same."""
    unknown = []
    if candidate.capabilities is None and query.needs and query.needs & _STATED:
        unknown.append(f"whether {candidate.target} supports {', '.join(sorted(query.needs & _STATED))} is not known")
    if candidate.context_window is None:
        unknown.append(f"the context window of {candidate.target} is not known")
    if query.unpriced is UnpricedPolicy.WARN and not _is_priced(candidate, query):
        unknown.append(f"the price of {candidate.target} is not known")
    if query.as_of is not None and (tainted := query.as_of.objection(candidate.knowledge_cutoff)) is not None:
        word = query.as_of.of(candidate.knowledge_cutoff).value
        unknown.append(f"as_of: {candidate.target} is {word}: {tainted}")
    return tuple(unknown)


def _reason(says: str, first: Candidate, query: RoutingQuery) -> str:
    if query.preferences is not None and query.preferences.order:
        return f"provider.order first, then {says}"
    if wanted_order(query):
        says = f"provider.order of its task first, then {says}"
    if query.last_answered is not None and first.target == query.last_answered:
        return f"the one that answered this conversation last, then {says}"
    return says


def _sifted(candidates: Sequence[Candidate], query: RoutingQuery) -> tuple[list[Candidate], list[_Refusal]]:
    open_to: list[Candidate] = []
    refusals: list[_Refusal] = []
    for candidate in candidates:
        refusal = _refusal(candidate, query)
        if refusal is None:
            open_to.append(candidate)
        else:
            refusals.append(refusal)
    return open_to, refusals


def _refusal(candidate: Candidate, query: RoutingQuery) -> _Refusal | None:
    if candidate.stopped is not None:
        return _Refusal(candidate, _Obstacle.STOPPED, candidate.stopped)
    if candidate.over_budget is not None:
        return _Refusal(candidate, _Obstacle.BUDGET, candidate.over_budget)
    forbidden = None if query.house_rule is None else query.house_rule.unmet_by(candidate.data_policy)
    if forbidden is not None:
        return _Refusal(candidate, _Obstacle.HOUSE_RULE, forbidden.why_not)
    tier, wanted = query.tier, query.preferences
    unwanted = None if tier is None else objection(candidate, tier.preferences, query.input_tokens)
    if tier is not None and unwanted is not None:
        return _Refusal(candidate, _Obstacle.HOUSE_RULE, f"for task {tier.task}, {unwanted.why_not}")
    unwanted = None if wanted is None else objection(candidate, wanted, query.input_tokens)
    if unwanted is not None:
        return _Refusal(candidate, _Obstacle.PREFERENCE, unwanted.why_not, unwanted.param)
    unfit = _unfit(candidate, query)
    if unfit is not None:
        return unfit
    if query.unpriced is UnpricedPolicy.REFUSE and not _is_priced(candidate, query):
        return _Refusal(candidate, _Obstacle.UNPRICED, "its price is not known, and such models are not asked here")
    return _resting(candidate)


def _resting(candidate: Candidate) -> _Refusal | None:
    if candidate.circuit is Circuit.OPEN:
        return _Refusal(candidate, _Obstacle.CIRCUIT, f"circuit open for another {candidate.cooling:.1f} s")
    if candidate.cooling > 0:
        return _Refusal(candidate, _Obstacle.COOLDOWN, f"cooling down for another {candidate.cooling:.1f} s")
    if candidate.parked:
        return _Refusal(candidate, _Obstacle.PARKED, "its key is in quarantine")
    return None


def _is_priced(candidate: Candidate, query: RoutingQuery) -> bool:
    return candidate.price is not None and candidate.price.is_known(query.input_tokens)


def _unfit(candidate: Candidate, query: RoutingQuery) -> _Refusal | None:
    """Why the model itself is none for this request, whoever wants it and however it is doing."""
    if query.as_of is not None and query.as_of.only_clean:
        tainted = query.as_of.objection(candidate.knowledge_cutoff)
        if tainted is not None:
            return _Refusal(candidate, _Obstacle.HINDSIGHT, tainted)
    if query.needs and (missing := _missing(candidate, query)):
        return _Refusal(candidate, _Obstacle.CAPABILITY, f"does not support {', '.join(missing)}")
    window = candidate.context_window
    if window is not None and query.input_tokens > window:
        why_not = f"a prompt of about {query.input_tokens} tokens exceeds its window of {window}"
        return _Refusal(candidate, _Obstacle.WINDOW, why_not)
    return None


def _missing(candidate: Candidate, query: RoutingQuery) -> list[str]:
    unable = set() if candidate.capabilities is None else (query.needs & _STATED) - candidate.capabilities
    speechless = set() if candidate.dialect is None else query.needs - candidate.dialect - {EMBEDDINGS}
    return sorted(unable | speechless)


def _with_room_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """One at a limit is kept for the end: those with room go first whatever the order, and one may wait for it."""
    return sorted(candidates, key=lambda candidate: candidate.why_full is not None)


def _refuse_tainted(refusals: Sequence[_Refusal]) -> None:
    """Raise RequestRejected (policy_contaminated) that names the targets which may remember what is asked."""
    tainted = [refusal for refusal in refusals if refusal.obstacle is _Obstacle.HINDSIGHT]
    if tainted:
        detail = "; ".join(f"{refusal.candidate.target}: {refusal.why_not}" for refusal in tainted)
        raise RequestRejected(Code.CONTAMINATED, f"not known to be clean: {detail}", param="x-outcry-as-of-mode")


def _nothing_left(refusals: Sequence[_Refusal], query: RoutingQuery) -> OutcryError:
    """The error that says most truly why nothing is left."""
    if not refusals:
        return NotAdmitted(Code.NO_TARGET, "no target is configured for this request", retry_after=1.0)
    obstacles = {refusal.obstacle for refusal in refusals}
    passing = [refusal for refusal in refusals if refusal.obstacle in (_Obstacle.CIRCUIT, _Obstacle.COOLDOWN)]
    detail = "; ".join(f"{refusal.candidate.target}: {refusal.why_not}" for refusal in refusals)
    if passing:
        retry_after = min(refusal.candidate.cooling for refusal in passing)
        kinds = {refusal.obstacle for refusal in passing}
        return NotAdmitted(_code_of(kinds), f"every target is out of rotation: {detail}", retry_after=retry_after)
    if _Obstacle.STOPPED in obstacles:
        return NotAdmitted(Code.KILLED, f"no target is left to ask: {detail}")
    if _Obstacle.UNPRICED in obstacles:
        return BudgetExhausted(Code.UNPRICED_MODEL, f"no target with a known price is left: {detail}")
    if _Obstacle.BUDGET in obstacles:
        return BudgetExhausted(Code.BUDGET_EXCEEDED, f"no target is left to ask: {detail}")
    if obstacles == {_Obstacle.HOUSE_RULE}:
        return NotAdmitted(Code.NO_TARGET, f"what the operator demands leaves no target: {detail}")
    if _Obstacle.HINDSIGHT in obstacles:
        return RequestRejected(Code.CONTAMINATED, f"no clean target is left: {detail}", param="x-outcry-as-of-mode")
    if _Obstacle.WINDOW in obstacles:
        return RequestRejected(Code.CONTEXT_LENGTH, f"the prompt fits no target: {detail}", param="messages")
    unwanted = next((refusal.param for refusal in refusals if refusal.param is not None), None)
    if unwanted is not None:
        return RequestRejected(Code.INVALID_REQUEST, f"no target is left to ask: {detail}", param=unwanted)
    param = next((_param(need, query) for refusal in refusals for need in _missing(refusal.candidate, query)), None)
    return RequestRejected(Code.UNSUPPORTED_PARAMETER, f"no target can do this: {detail}", param=param)


def _param(need: str, query: RoutingQuery) -> str:
    """The field that a need comes from."""
    if need in SERVER_TOOLS and query.only_here is not None:
        return query.only_here
    return PARAMS.get(need, need)


def _code_of(kinds: set[_Obstacle]) -> Code:
    if kinds == {_Obstacle.CIRCUIT}:
        return Code.PROVIDER_CIRCUIT_OPEN
    return Code.PROVIDER_RATE_LIMITED if kinds == {_Obstacle.COOLDOWN} else Code.NO_TARGET
