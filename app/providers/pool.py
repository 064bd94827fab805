"""Every enabled provider and target with its present state; the hot path's source of candidates."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Protocol

from app.catalog.operator import with_operators_word
from app.domain.catalog import ModelFacts
from app.domain.chat import Credential
from app.domain.data_policy import DataPolicy
from app.domain.errors import Code, NotFound
from app.domain.ports import Adapter, Grades
from app.domain.provider import ProviderConfig, ProviderSet, ProviderType
from app.domain.routing import Candidate, Priority, RunTimeStrategy
from app.domain.target import Circuit, Target
from app.domain.usage import PriceCard
from app.providers.data_policy import data_policy_of
from app.providers.state import ProviderState, TargetState
from app.resilience.breaker import BreakerRules
from app.resilience.limits import Limits
from app.resilience.retry import RetryRules

_MOST_TARGETS: Final = 10_000
_MOST_LISTED: Final = 5_000
# Prices change with the day; looking one up again takes 50 us.
_FACTS_SECONDS: Final = 600.0

# What a server of one's own has loaded is all it can serve, whatever the catalog knows of its kind.
_OWN_LIST_DECIDES: Final = frozenset(
    {ProviderType.OLLAMA, ProviderType.VLLM, ProviderType.LOCALAI, ProviderType.OPENAI_COMPATIBLE}
)


class CatalogView(Protocol):
    """What models are and cost, as far as anybody has stated it."""

    def facts(self, type: ProviderType, model: str) -> ModelFacts: ...  # noqa: A002 - the field's name everywhere
    def models(self, type: ProviderType) -> tuple[str, ...]: ...  # noqa: A002
    def embedding_models(self, type: ProviderType) -> tuple[str, ...]: ...  # noqa: A002
    def retired_models(self, type: ProviderType) -> frozenset[str]: ...  # noqa: A002
    def card(self, config: ProviderConfig, model: str) -> PriceCard | None: ...


@dataclass(frozen=True, slots=True)
class _Facts:
    """What does not change about a target while its configuration stands."""

    context_window: int | None
    max_output_tokens: int | None
    capabilities: frozenset[str] | None
    dialect: frozenset[str]
    price: PriceCard | None
    is_reasoning: bool
    data_policy: DataPolicy
    line: str | None
    knowledge_cutoff: date | None


class Pool:
    """Providers and targets.

    `stated` is what the provider file says, `current` what is in force: it may have another strategy. `revision` grows
    by one with each replacement of the configuration, `index` with each change of what is served.
    With `short` the limits are shared with other processes, and it is called when more of them is needed here.
    """

    def __init__(
        self,
        build_adapter: Callable[[ProviderConfig], Adapter],
        catalog: CatalogView,
        *,
        breaker: BreakerRules,
        retry: RetryRules,
        now: Callable[[], float],
        rng: random.Random,
        window: float = 300.0,
        grades: Grades | None = None,
        short: Callable[[], None] | None = None,
    ) -> None:
        self._short = short
        self._build_adapter = build_adapter
        self._catalog = catalog
        self._breaker_rules = breaker
        self._retry_rules = retry
        self._now = now
        self._rng = rng
        self._window = window
        self._grades = grades
        self.stated = self.current = ProviderSet(())
        self._set_strategy: RunTimeStrategy | None = None
        self.revision = 0
        self.index = 0
        self._providers: dict[str, ProviderState] = {}
        self._serving: dict[str, tuple[Target, ...]] = {}
        self._facts: dict[tuple[str, str], _Facts] = {}
        self._facts_since = 0.0
        self._targets: OrderedDict[tuple[str, str, str], TargetState] = OrderedDict()
        self._untouched = self._new_state(Target("", ""), "")

    def replace(self, provider_set: ProviderSet) -> None:
        """Put another configuration in force, all of it or, when an adapter cannot be built, nothing.

        A provider whose configuration did not change keeps its state.
        """
        enabled = sorted((p for p in provider_set.providers if p.enabled), key=lambda config: config.priority)
        providers = {config.name: self._kept_or_new(config) for config in enabled}
        now = self._now()
        for state in providers.values():
            state.limits.change(state.config.rate_limit, state.config.max_concurrent, now)
        kept = {name for name, state in providers.items() if self._providers.get(name) is state}
        self._targets = OrderedDict((key, state) for key, state in self._targets.items() if key[0] in kept)
        self._providers = providers
        self.stated = provider_set
        self.current = self._ruled()
        self.revision += 1
        self._reindex()

    def set_strategy(self, strategy: RunTimeStrategy | None) -> None:
        """Have `auto` go by this one as long as the file says what it was set over; None by the file's."""
        self._set_strategy = strategy
        self.current = self._ruled()

    @property
    def ruling_strategy(self) -> RunTimeStrategy | None:
        """The strategy that was set and is in force; None while the file's is."""
        one = self._set_strategy
        return one if one is not None and one.over == self.stated.failover_strategy else None

    def type_of(self, name: str) -> str | None:
        """The type of an enabled provider; None for no such one."""
        state = self.provider(name)
        return None if state is None else state.config.type.value

    def provider(self, name: str) -> ProviderState | None:
        """The enabled provider of this name."""
        return self._providers.get(name)

    def providers(self) -> tuple[ProviderState, ...]:
        """The enabled providers, in the order of priority, then of the file."""
        return tuple(self._providers.values())

    def models(self, provider: str) -> tuple[str, ...]:
        """What the provider serves: configured, else what the catalog and its own list name; empty when unknown."""
        state = self._providers.get(provider)
        return state.models if state else ()

    def serves(self, provider: str, model: str) -> bool:
        """Whether the model may be asked for there by its full name: served, or retired and not offered any more."""
        state = self._providers.get(provider)
        if state is None:
            return False
        if model in state.models or Target(provider, model) in self.serving(model):
            return True
        return not state.has_configured_models and model in self._catalog.retired_models(state.config.type)

    def default_model(self, provider: str) -> str | None:
        """The model that stands for the provider; None while none is known."""
        state = self._providers.get(provider)
        return state.default_model if state else None

    def serving(self, model: str) -> tuple[Target, ...]:
        """Every target with this model id, in the order of priority."""
        return self._serving.get(model, ())

    def now(self) -> float:
        """The moment that candidates are looked at, in monotonic seconds."""
        return self._now()

    def targets(self) -> tuple[Target, ...]:
        """Every target that can be named."""
        return tuple(target for targets in self._serving.values() for target in targets)

    def set_listed(self, state: ProviderState, models: tuple[str, ...]) -> None:
        """The provider has told which models it has; beyond 5,000 it is not believed."""
        models = models[:_MOST_LISTED]
        if models != state.listed:
            state.listed = models
            self._reindex()

    def state(self, target: Target, credential_id: str) -> TargetState:
        """The target's state with this key; the least recently asked for are forgotten beyond 10,000."""
        key = (target.provider, target.model, credential_id)
        state = self._targets.get(key)
        if state is None:
            state = self._targets[key] = self._new_state(target, credential_id)
            if len(self._targets) > _MOST_TARGETS:
                self._targets.popitem(last=False)
        else:
            self._targets.move_to_end(key)
        return state

    def states(self, provider: str) -> list[TargetState]:
        """Every target of the provider that was used, with each key it was used with."""
        return [state for key, state in self._targets.items() if key[0] == provider]

    def reset(self, provider: str, model: str | None = None) -> list[Target]:
        """Close the circuits of a provider, or of one model there, end its pauses, and let parked keys out.

        Returns the targets that were used before; none of a provider that is not enabled.
        """
        now, state = self._now(), self._providers.get(provider)
        used = [one for one in self.states(provider) if model is None or one.target.model == model]
        for target in used:
            target.breaker.reset(now)
            target.cooldown_until = 0.0
        if state is not None:
            state.release()
        return sorted({one.target for one in used})

    def candidate(
        self,
        target: Target,
        credential: Credential | None = None,
        *,
        with_past: bool = True,
        tokens: int = 1,
        priority: Priority = Priority.NORMAL,
    ) -> Candidate:
        """The target as it stands now, with the agent's key where one is given; without its past on request.

        Whether it has capacity is meant of a request that may take so many `tokens`, at this priority.

        Looking creates no state: names that callers make up cannot push out what is known of real targets.
        """
        provider = self._providers.get(target.provider)
        if provider is None:
            raise NotFound(f"provider {target.provider!r} is not configured", code=Code.UNKNOWN_PROVIDER)
        now = self._now()
        used = credential or self._key_for(provider, target, now)
        state = self._targets.get((target.provider, target.model, used.id), self._untouched)
        if now - self._facts_since > _FACTS_SECONDS:
            self._facts, self._facts_since = {}, now
        facts = self._facts_of(provider.config, target.model)
        circuit = state.breaker.circuit(now)
        cooling = state.cooling(now)
        denial = provider.limits.denial(now, tokens, priority)
        return Candidate(
            target=target,
            credential=used,
            priority=provider.config.priority,
            weight=provider.config.weight,
            circuit=circuit,
            cooling=max(cooling, state.breaker.retry_after(now)) if circuit is Circuit.OPEN else cooling,
            parked=provider.is_parked(used.id, now),
            why_full=None if denial is None else denial.why,
            success_rate=state.window.success_rate(now) if with_past else None,
            p95=state.window.percentile(0.95, now) if with_past else None,
            last_used=state.last_used,
            context_window=facts.context_window,
            max_output_tokens=facts.max_output_tokens,
            capabilities=facts.capabilities,
            dialect=facts.dialect,
            price=facts.price,
            is_reasoning=facts.is_reasoning,
            samples=state.window.count(now) if with_past else 0,
            usual_output=state.habits.output_tokens,
            cached_share=state.habits.cached_share,
            data_policy=facts.data_policy,
            knowledge_cutoff=facts.knowledge_cutoff,
            grade=self._grades.of(target) if with_past and self._grades is not None else None,
        )

    def line_of(self, target: Target) -> str | None:
        """The line of models that the target comes from (`gpt`, `llama`); None where nobody knows."""
        provider = self._providers.get(target.provider)
        return None if provider is None else self._facts_of(provider.config, target.model).line

    def price_of(self, target: Target) -> PriceCard | None:
        """What the target costs; None where nobody knows."""
        provider = self._providers.get(target.provider)
        return None if provider is None else self._facts_of(provider.config, target.model).price

    def share_in_time(self, candidate: Candidate, deadline: float, input_tokens: int) -> float | None:
        """Which share of its recent answers would have met this deadline (monotonic) with such a prompt, if any."""
        now = self._now()
        target = candidate.target
        state = self._targets.get((target.provider, target.model, candidate.credential.id), self._untouched)
        return state.pace.share_within(deadline - now, input_tokens, now)

    def with_next_key(self, failed: Candidate, tried: Collection[str]) -> Candidate | None:
        """The same target with another of its provider's keys, by id not one of those `tried`, that is free there.

        None when none is left, or the failed one was an agent's.
        """
        provider = self._providers.get(failed.target.provider)
        if provider is None or len(provider.credentials) < 2 or not provider.owns(failed.credential.id):
            return None
        now = self._now()
        free = [
            one
            for one in provider.credentials
            if one.id not in tried and not provider.is_parked(one.id, now) and self._is_free(failed.target, one, now)
        ]
        return replace(self.candidate(failed.target, self._drawn(free)), price=failed.price) if free else None

    def last_resort(self, ejected: Sequence[Candidate]) -> Candidate | None:
        """The first of a request's ejected targets that may be asked, with its circuit half-opened early.

        None when it has to wait: all of them together get one request in `last_resort` seconds.
        """
        now = self._now()
        found = [(one, state) for one in ejected if (state := self._targets.get(_key_of(one))) is not None]
        if any(now - state.breaker.resorted_at < self._breaker_rules.last_resort for _, state in found):
            return None
        for candidate, state in found:
            # Who asked to be left alone is not the least bad, however soon its circuit would close.
            if state.cooling(now) == 0:
                reopens = state.breaker.try_last_resort(now)
                again = self.candidate(candidate.target, candidate.credential)
                return replace(again, price=candidate.price) if reopens else None
        return None

    def _key_for(self, provider: ProviderState, target: Target, now: float) -> Credential:
        """The key of the next attempt: by lot among those with a weight, else the first one.

        Keys are parked for all of a provider's targets; one that is only pausing or ejected at this target is left
        alone here while another is free.
        """
        if len(provider.credentials) == 1:
            return provider.credentials[0]
        usable = provider.usable_credentials(now)
        return self._drawn([one for one in usable if self._is_free(target, one, now)] or usable)

    def _drawn(self, credentials: Sequence[Credential]) -> Credential:
        weighted = [one for one in credentials if one.weight is not None]
        if not weighted:
            return credentials[0]
        return self._rng.choices(weighted, [one.weight or 0.0 for one in weighted])[0]

    def _is_free(self, target: Target, credential: Credential, now: float) -> bool:
        state = self._targets.get((target.provider, target.model, credential.id))
        return state is None or (state.cooling(now) == 0 and state.breaker.circuit(now) is not Circuit.OPEN)

    def _kept_or_new(self, config: ProviderConfig) -> ProviderState:
        old = self._providers.get(config.name)
        if old is None:
            limits = Limits(config.rate_limit, config.max_concurrent, short=self._short)
            return ProviderState(config, self._build_adapter(config), window=self._window, limits=limits)
        if old.config == config:
            return old
        # What was asked of a provider still counts when its settings change, its limits among them.
        return ProviderState(config, self._build_adapter(config), window=self._window, limits=old.limits)

    def _ruled(self) -> ProviderSet:
        ruling = self.ruling_strategy
        return self.stated if ruling is None else replace(self.stated, failover_strategy=ruling.policy.value)

    def _reindex(self) -> None:
        serving: dict[str, list[Target]] = {}
        for name, state in self._providers.items():
            state.models = self._models_of(state)
            for model in dict.fromkeys((*state.models, *self._embedding_models_of(state))):
                serving.setdefault(model, []).append(Target(name, model))
        self._serving = {model: tuple(targets) for model, targets in serving.items()}
        self._facts = {}
        self.index += 1

    def _models_of(self, state: ProviderState) -> tuple[str, ...]:
        config, listed = state.config, state.listed or ()
        if state.has_configured_models:
            default = (config.default_model,) if config.default_model else ()
            return tuple(dict.fromkeys((*default, *(model.id for model in config.models))))
        if listed and config.type in _OWN_LIST_DECIDES:
            return tuple(dict.fromkeys(listed))
        return tuple(dict.fromkeys((*self._catalog.models(config.type), *listed)))

    def _embedding_models_of(self, state: ProviderState) -> tuple[str, ...]:
        """Models that only embed: they can be named, though nothing offers them for a chat."""
        own_list_decides = bool(state.listed) and state.config.type in _OWN_LIST_DECIDES
        if state.has_configured_models or own_list_decides:
            return ()
        return self._catalog.embedding_models(state.config.type)

    def knowledge_cutoff(self, target: Target) -> date | None:
        """Until when a target's model knows the world; None where nobody knows."""
        provider = self._providers.get(target.provider)
        return None if provider is None else self._facts_of(provider.config, target.model).knowledge_cutoff

    def _facts_of(self, config: ProviderConfig, model: str) -> _Facts:
        key = (config.name, model)
        facts = self._facts.get(key)
        if facts is None:
            if len(self._facts) >= _MOST_TARGETS:
                self._facts.clear()
            facts = self._facts[key] = self._resolved_facts(config, model)
        return facts

    def _resolved_facts(self, config: ProviderConfig, model: str) -> _Facts:
        known = with_operators_word(config, model, self._catalog.facts(config.type, model))
        return _Facts(
            context_window=known.context_window,
            max_output_tokens=known.max_output_tokens,
            capabilities=known.capabilities,
            dialect=self._providers[config.name].adapter.supports(model),
            price=self._catalog.card(config, model),
            is_reasoning=known.is_reasoning,
            data_policy=data_policy_of(config, model),
            line=known.family,
            knowledge_cutoff=_cutoff_of(config, known),
        )

    def _new_state(self, target: Target, credential_id: str) -> TargetState:
        return TargetState(
            target,
            credential_id,
            breaker=self._breaker_rules,
            retry=self._retry_rules,
            window=self._window,
            rng=self._rng,
        )


def _key_of(candidate: Candidate) -> tuple[str, str, str]:
    return candidate.target.provider, candidate.target.model, candidate.credential.id


def _cutoff_of(config: ProviderConfig, known: ModelFacts) -> date | None:
    """The last day a model knows of. The sandbox has rules and no memory, unless the operator states one."""
    if known.knowledge_cutoff is None and config.type is ProviderType.SANDBOX:
        return date.min
    return known.knowledge_cutoff
