"""From a caller's ask to an itinerary: which targets, in which order, with whose key and which parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.agents.directory import AgentDirectory, AgentEntry
from app.agents.experiments import Experiments
from app.agents.prices import price_for
from app.domain.agent import AgentConfig
from app.domain.attempt import Ask
from app.domain.chat import ChatRequest, Credential
from app.domain.embedding import EmbedRequest
from app.domain.errors import BudgetExhausted, Code, NotAdmitted, NotFound, RequestRejected, StorageUnavailable
from app.domain.experiment import Assignment
from app.domain.frozen import frozen
from app.domain.routing import Candidate, Explanation, Plan, PolicyName, RoutingQuery
from app.domain.target import Circuit, Target
from app.domain.usage import UnpricedPolicy
from app.gateway.conversations import Conversations
from app.gateway.expected import USUAL_ANSWER
from app.gateway.kills import KillSwitch
from app.gateway.query import Queries, unheeded_by
from app.gateway.splitting import Splitting, narrowed
from app.ledger.spending import Spending
from app.providers.lookup import called, origin_of
from app.providers.pool import Pool
from app.routing.expectations import dependability
from app.routing.names import Names, Selection, policy_of
from app.routing.policies import READ_THE_PAST
from app.routing.router import Router, doubts


@frozen
class Itinerary:
    """A plan, and what an attempt at each of its targets is made with; `deadline` is the ask's or its task's.

    `config_id` is the agent's configuration that alone speaks, `variant` the experiment and arm, if any.
    """

    plan: Plan
    request: ChatRequest | EmbedRequest
    agent: AgentEntry | None
    defaults: Mapping[Target, Mapping[str, Any]]
    query: RoutingQuery
    deadline: float
    warnings: tuple[str, ...] = ()
    agent_id: int | None = None
    config_id: int | None = None
    variant: str | None = None

    def warnings_for(self, step: Candidate) -> tuple[str, ...]:
        """What the caller should know about an answer of this target: what its name left open, what nobody stated."""
        if step is self.plan.steps[0]:
            # The router has said it of the first one already.
            return self.plan.warnings
        return (*self.warnings, *doubts(step, self.query))

    def chat_for(self, target: Target) -> ChatRequest:
        """The chat as this target gets it: provider defaults, then the agent's, then the caller's own words."""
        assert isinstance(self.request, ChatRequest)  # noqa: S101 - the gateway's methods ask for their own kind
        defaults = self.defaults.get(target) if self.defaults else None
        if not defaults:
            return self.request
        merged = {**defaults, **self.request.parameters}
        if "max_completion_tokens" in self.request.parameters and "max_tokens" not in self.request.parameters:
            merged.pop("max_tokens", None)
        return replace(self.request, parameters=merged)


@frozen
class _Choice:
    """What names and agents leave to choose from."""

    targets: Sequence[Target]
    policy: PolicyName
    keeps_order: bool
    warnings: tuple[str, ...]
    ranks: Mapping[Target, int]
    weights: Mapping[Target, float]


@frozen
class _Prospects:
    """What a request is routed with; `split` is its place in an experiment."""

    choice: _Choice
    query: RoutingQuery
    candidates: Sequence[Candidate]
    agent: AgentEntry | None
    agent_id: int | None
    deadline: float
    split: Assignment | None = None


class Planner:
    """Turns asks into itineraries from the pool and the agents' directory: in memory, without a wait.

    `panicked` hears of each request for which only ejected targets were left, and whether one was tried all the same.
    """

    def __init__(
        self,
        pool: Pool,
        router: Router,
        directory: AgentDirectory,
        kills: KillSwitch | None = None,
        *,
        conversations: Conversations | None = None,
        unpriced: UnpricedPolicy = UnpricedPolicy.WARN,
        experiments: Experiments | None = None,
        panicked: Callable[[bool], None] = lambda _: None,
        spending: Spending | None = None,
    ) -> None:
        self._pool = pool
        self._names = Names(pool)
        self._spending = spending
        self._kills = kills
        self._router = router
        self._directory = directory
        self._queries = Queries(pool, conversations=conversations, unpriced=unpriced)
        self._panicked = panicked
        self._splitting = Splitting(experiments or Experiments(), lambda name: called(name, pool) is not None)

    def check_running(self, agent_id: int | None, target: Target | None = None) -> None:
        """Raises NotAdmitted (policy_killed) when an operator stopped everything, this agent, or this target."""
        if self._kills is not None:
            self._kills.check(agent_id, target)

    def is_running(self, agent_id: int | None) -> bool:
        """Whether nobody stopped everything, or this agent."""
        return self._kills is None or self._kills.of(agent_id) is None

    def is_stopped(self, target: Target) -> bool:
        """Whether an operator stopped this target."""
        return self._kills is not None and self._kills.of_target(target) is not None

    def plan(self, ask: Ask) -> Itinerary:
        """The way of one request. Raises NotFound, RequestRejected, NotAdmitted or BudgetExhausted without one."""
        found = self._prospects(ask)
        return self._itinerary(ask, found, self._routed(found.candidates, found.query, found.choice))

    def rehearse(self, ask: Ask) -> Itinerary:
        """The way that the next such request would go, for those who only ask about it: no turn, no last resort taken.

        Raises what `plan` raises.
        """
        found = self._prospects(ask)
        return self._itinerary(ask, found, self._route(found.candidates, _rehearsed(found.query), found.choice))

    def unhindered(self, ask: Ask) -> Itinerary:
        """The way that a request would go if every target were there, for those who call none of them.

        Raises what `plan` raises, but for NotAdmitted while a target is configured.
        """
        found = self._prospects(ask)
        free = [
            replace(one, circuit=Circuit.CLOSED, cooling=0.0, parked=False, over_budget=None)
            for one in found.candidates
        ]
        return self._itinerary(ask, found, self._route(free, _rehearsed(found.query), found.choice))

    def explain(self, ask: Ask) -> Explanation:
        """What `plan` would do, as far as nobody is asked and nothing changed for it; no last resort is taken.

        Raises NotFound for a name that means nothing.
        """
        try:
            found = self._prospects(ask)
        except (NotAdmitted, StorageUnavailable) as error:
            return Explanation(None, (), error=error)
        query = _rehearsed(found.query)
        try:
            plan = self._route(found.candidates, query, found.choice)
        except (NotAdmitted, RequestRejected, BudgetExhausted) as error:
            verdicts = self._router.verdicts(found.candidates, query)
            return Explanation(None, verdicts, found.choice.warnings, error)
        plan = plan if ask.allow_failover else _alone(plan)
        return Explanation(plan, plan.verdicts, plan.warnings)

    def _itinerary(self, ask: Ask, found: _Prospects, plan: Plan) -> Itinerary:
        if not ask.allow_failover:
            plan = _alone(plan)
        agent = found.agent
        defaults = {step.target: own for step in plan.steps if (own := self._defaults(step.target, agent))}
        split = found.split
        return Itinerary(
            plan,
            ask.request,
            agent,
            defaults,
            found.query,
            found.deadline,
            found.choice.warnings,
            found.agent_id,
            config_id=ask.config_id if split is None else split.arm.config_id,
            variant=ask.variant if split is None else split.variant,
        )

    def _prospects(self, ask: Ask) -> _Prospects:
        """Everything about a request that can be known before it is routed."""
        selection = self._selection(ask, 0)
        if selection.deadline is not None:
            ask = replace(ask, deadline=min(ask.deadline, self._pool.now() + selection.deadline))
        agent_id = selection.agent_id if selection.agent_id is not None else ask.agent_id
        agent = None if agent_id is None else self._agent(agent_id, ask.config_id)
        self.check_running(agent_id)
        split = None if agent is None else self._splitting.of(ask, selection, agent)
        if split is not None and agent is not None:
            agent = narrowed(agent, split.arm)
        choice = self._choice(ask, selection, agent)
        targets = choice.targets if agent is None else self._with_readable_keys(choice.targets, agent)
        query, unknown = self._queries.of(ask, selection.tier)
        choice = replace(choice, warnings=(*choice.warnings, *unknown)) if unknown else choice
        with_past = choice.policy in READ_THE_PAST
        tokens = query.input_tokens + (USUAL_ANSWER if query.max_tokens is None else query.max_tokens)
        candidates = [
            self._candidate(target, agent, ask, choice, with_past=with_past, tokens=tokens) for target in targets
        ]
        if choice.policy is PolicyName.LATENCY_AWARE and not choice.keeps_order:
            candidates = [self._timed(candidate, ask, query) for candidate in candidates]
        return _Prospects(choice, query, candidates, agent, agent_id, ask.deadline, split)

    def _selection(self, ask: Ask, place: int) -> Selection:
        """What the model (0), or a fallback (from 1), means. Raises NotFound that names the field it was named in."""
        try:
            return self._names.resolve((ask.model, *ask.fallbacks)[place])
        except NotFound as error:
            error.param = ask.named_by[place] if place < len(ask.named_by) else error.param
            raise

    def _timed(self, candidate: Candidate, ask: Ask, query: RoutingQuery) -> Candidate:
        in_time = self._pool.share_in_time(candidate, ask.deadline, query.input_tokens)
        if in_time is None:
            return candidate
        return replace(candidate, miss_chance=1.0 - in_time * dependability(candidate))

    def _routed(self, candidates: Sequence[Candidate], query: RoutingQuery, choice: _Choice) -> Plan:
        """The router's plan; with nothing usable left, now and then one with the least bad of the ejected targets."""
        try:
            plan = self._route(candidates, query, choice)
        except NotAdmitted:
            reopened = self._with_one_reopened(candidates, query)
            if reopened is None:
                raise
        else:
            # One parked step means that all are: whoever is ejected is likelier to answer than a refused key.
            reopened = self._with_one_reopened(candidates, query) if plan.steps[0].parked else None
            if reopened is None:
                return plan
        return self._route(reopened, query, choice)

    def _with_one_reopened(self, candidates: Sequence[Candidate], query: RoutingQuery) -> list[Candidate] | None:
        ejected = self._router.ejected(candidates, query)
        if not ejected:
            return None
        reopened = self._pool.last_resort(ejected)
        self._panicked(reopened is not None)
        if reopened is None:
            return None
        return [reopened if one.target == reopened.target else one for one in candidates]

    def _route(self, candidates: Sequence[Candidate], query: RoutingQuery, choice: _Choice) -> Plan:
        keeps = choice.keeps_order
        return self._router.plan(candidates, query, choice.policy, keep_order=keeps, warnings=choice.warnings)

    def _with_readable_keys(self, targets: Sequence[Target], agent: AgentEntry) -> Sequence[Target]:
        """The targets without those whose stored key cannot be used: the provider's own must not stand in for it."""
        readable = [target for target in targets if not self._is_locked(target, agent)]
        if targets and not readable:
            raise StorageUnavailable(f"the stored keys of agent {agent.agent.id} cannot be used: decryption or origin")
        return readable

    def _is_locked(self, target: Target, agent: AgentEntry) -> bool:
        config = self._config_for(target, agent, with_key=True)
        if config is None:
            return False
        state = self._pool.provider(target.provider)
        moved = state is not None and config.key_origin is not None and config.key_origin != origin_of(state.config)
        return config.undecryptable or moved

    def _agent(self, agent_id: int, config_id: int | None) -> AgentEntry:
        entry = self._directory.get(agent_id)
        if entry is None or not entry.agent.enabled:
            raise NotFound(f"there is no agent {agent_id}", code=Code.UNKNOWN_AGENT, param="agent_id")
        if config_id is None:
            return entry
        chosen = tuple(config for config in entry.configs if config.id == config_id)
        if not chosen:
            raise NotAdmitted(Code.NO_TARGET, f"agent {agent_id} has no enabled configuration {config_id} any more")
        return replace(entry, configs=chosen)

    def _choice(self, ask: Ask, selection: Selection, agent: AgentEntry | None) -> _Choice:
        targets: Sequence[Target] = selection.targets
        stated = (ask.preferences and ask.preferences.sort) or ask.policy
        keeps_order = selection.keep_order and stated is None
        is_agents_choice = agent is not None and (selection.agent_id is not None or selection.is_auto)
        if agent is not None and is_agents_choice:
            targets, keeps_order = self._agents_targets(agent), stated is None
        warnings = selection.warnings
        ranks: dict[Target, int] = {}
        if ask.fallbacks:
            ranks = dict.fromkeys(targets, 0)
            for place in range(1, len(ask.fallbacks) + 1):
                for target in self._selection(ask, place).targets:
                    ranks.setdefault(target, place)
            keeps_order = keeps_order or (stated is None and len(targets) <= 1)
            targets = list(ranks)
        policy = stated or selection.policy or policy_of(self._pool.current.failover_strategy)
        if len(targets) > 1:
            targets = list(dict.fromkeys(targets))
        return _Choice(targets, policy, keeps_order, warnings, ranks, selection.weights)

    def _agents_targets(self, agent: AgentEntry) -> list[Target]:
        pairs = [
            pair
            for config in agent.configs
            if config.enabled
            for pair in ((config.provider, config.model_name), (config.fallback_provider, config.fallback_model))
        ]
        targets = [
            Target(state.config.name, model or self._pool.default_model(state.config.name) or "")
            for provider, model in pairs
            if provider is not None and (state := called(provider, self._pool)) is not None
        ]
        if not targets:
            raise NotAdmitted(Code.NO_TARGET, f"agent {agent.agent.id} has no enabled configuration that is served")
        return targets

    def _candidate(
        self, target: Target, agent: AgentEntry | None, ask: Ask, choice: _Choice, *, with_past: bool, tokens: int
    ) -> Candidate:
        credential = None if agent is None else self._credential(target, agent)
        candidate = self._pool.candidate(target, credential, with_past=with_past, tokens=tokens, priority=ask.priority)
        if agent is not None and (own := self._own_config(target, agent)) is not None:
            candidate = replace(candidate, price=price_for(own, candidate.price))
        if choice.ranks or choice.weights:
            rank, weight = choice.ranks.get(target, 0), choice.weights.get(target, candidate.weight)
            candidate = replace(candidate, rank=rank, weight=weight)
        if ask.preferences is not None and ask.preferences.require_parameters:
            candidate = replace(candidate, unheeded=unheeded_by(self._pool.provider(target.provider), target, ask))
        if self._kills is not None and (kill := self._kills.of_target(target)) is not None:
            candidate = replace(candidate, stopped=kill.says())
        if self._spending is not None and self._spending.is_set:
            why_not = self._spending.objection(target.provider, is_priced=candidate.price is not None)
            candidate = candidate if why_not is None else replace(candidate, over_budget=why_not)
        return candidate

    def _credential(self, target: Target, agent: AgentEntry) -> Credential | None:
        config = self._config_for(target, agent, with_key=True)
        return None if config is None else agent_credential(config)

    def _defaults(self, target: Target, agent: AgentEntry | None) -> Mapping[str, Any]:
        state = self._pool.provider(target.provider)
        own = {} if state is None else state.config.parameters
        config = None if agent is None else self._config_for(target, agent, with_key=False)
        return own if config is None else {**own, **config.parameters}

    def _config_for(self, target: Target, agent: AgentEntry, *, with_key: bool) -> AgentConfig | None:
        """The agent's configuration for a target: of the same model, else of the same provider.

        Parameters come from the primary when neither is there: fallbacks inherit what it says, though not its key.
        """
        usable = [c for c in agent.configs if c.enabled and (c.api_key is not None or c.undecryptable or not with_key)]
        same_provider = [c for c in usable if self._names_provider(c.provider, target.provider)]
        same_model = [c for c in same_provider if c.model_name == target.model]
        found = same_model or same_provider or ([] if with_key else usable)
        return found[0] if found else None

    def _own_config(self, target: Target, agent: AgentEntry) -> AgentConfig | None:
        """The agent's configuration of this very target: what it states of prices holds for no other."""
        own = (one for one in agent.configs if one.enabled and one.model_name == target.model)
        return next((one for one in own if self._names_provider(one.provider, target.provider)), None)

    def _names_provider(self, stored: str, name: str) -> bool:
        state = called(stored, self._pool)
        return state is not None and state.config.name == name


def _rehearsed(query: RoutingQuery) -> RoutingQuery:
    return replace(query, is_rehearsal=True)


def _alone(plan: Plan) -> Plan:
    """The plan with its first target only."""
    if len(plan.steps) == 1:
        return plan
    others = {step.target for step in plan.steps[1:]}
    verdicts = tuple(
        replace(verdict, why_not="fallbacks are not allowed") if verdict.target in others else verdict
        for verdict in plan.verdicts
    )
    return replace(plan, steps=plan.steps[:1], verdicts=verdicts)


def agent_credential(config: AgentConfig) -> Credential | None:
    """An agent's own key, None where it has none."""
    return None if config.api_key is None else Credential.of(config.api_key)
