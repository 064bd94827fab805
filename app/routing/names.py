"""What a model name means: pinned targets, bare ids, aliases, `auto`, `task:`, `agent:`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Final, Protocol

from app.domain.errors import Code, NotFound, RequestRejected, Violation
from app.domain.frozen import frozen
from app.domain.provider import ProviderConfig, ProviderSet, ProviderType, TaskConfig
from app.domain.routing import PolicyName, Tier
from app.domain.target import Target

_SHORT_FORMS: Final = {
    "latency": PolicyName.LATENCY_AWARE,
    "cost": PolicyName.COST_AWARE,
    "accuracy": PolicyName.ACCURACY_FIRST,
    "health": PolicyName.HEALTH_BASED,
}
_POLICIES: Final = {**{policy.value: policy for policy in PolicyName}, **_SHORT_FORMS}
_TYPES: Final = {
    **{type_.value: type_ for type_ in ProviderType},
    "google": ProviderType.GEMINI,
    "grok": ProviderType.XAI,
}
# Beyond these a name is no typing error, and comparing it with every known one would cost more than it tells.
_LONGEST_NAME: Final = 120
_MOST_COMPARED: Final = 2000
_MOST_KEPT: Final = 2000


@frozen
class Selection:
    """The targets a name stands for.

    `policy` orders them, None being the request's or the configured one; `keep_order` says that their order is meant.
    `weights` are those of a split, in place of the providers' own.
    With `agent_id` there are no targets: the agent's configurations decide; so they do for the agent that asks when
    `is_auto`. `tier` is what the operator wants of providers for a task, `deadline` the seconds it has at most.
    """

    targets: tuple[Target, ...]
    policy: PolicyName | None = None
    agent_id: int | None = None
    keep_order: bool = False
    warnings: tuple[str, ...] = ()
    weights: Mapping[Target, float] = field(default_factory=dict)
    is_auto: bool = False
    tier: Tier | None = None
    deadline: float | None = None


class ProviderView(Protocol):
    """An enabled provider, as far as names are concerned."""

    @property
    def config(self) -> ProviderConfig: ...


class PoolView(Protocol):
    """The enabled providers and what each serves."""

    @property
    def current(self) -> ProviderSet: ...

    def provider(self, name: str) -> ProviderView | None: ...
    def providers(self) -> Sequence[ProviderView]: ...
    def models(self, provider: str) -> tuple[str, ...]: ...
    def serves(self, provider: str, model: str) -> bool: ...
    def default_model(self, provider: str) -> str | None: ...
    def serving(self, model: str) -> tuple[Target, ...]: ...


class IndexedPool(PoolView, Protocol):
    """A pool that tells when names may mean something else: `index` grows, or `current` is another one."""

    @property
    def index(self) -> int: ...


class Names:
    """What names mean, each found out once for as long as the configuration and the lists of models stand."""

    def __init__(self, pool: IndexedPool) -> None:
        self._pool = pool
        self._index = pool.index
        self._current = pool.current
        self._known: dict[str, Selection] = {}

    def resolve(self, name: str) -> Selection:
        """The selection a model name means; raises NotFound as `resolve` does."""
        pool = self._pool
        if self._index != pool.index or self._current is not pool.current:
            self._index, self._current, self._known = pool.index, pool.current, {}
        known = self._known.get(name)
        if known is None:
            known = resolve(name, pool)
            # At a provider that lists nothing every name means something, whoever makes it up.
            if len(name) <= _LONGEST_NAME and len(self._known) < _MOST_KEPT:
                self._known[name] = known
        return known


def resolve(name: str, pool: PoolView) -> Selection:
    """The selection a model name means; raises NotFound that names the closest known ones."""
    return _resolved(name, pool, frozenset())


def policy_of(name: str) -> PolicyName:
    """The policy of this name or short form; raises RequestRejected."""
    policy = _POLICIES.get(name)
    if policy is None:
        expected = f"expected one of {', '.join(_POLICIES)}"
        raise RequestRejected(
            Code.INVALID_FIELD,
            f"policy {_shown(name)} is not known; {expected}",
            param="policy",
            violations=[Violation("policy", expected)],
        )
    return policy


def providers_called(name: str, pool: PoolView) -> tuple[str, ...]:
    """The enabled providers of this name, else of this type, in the order of priority; letter case is no matter."""
    word = name.strip().lower()
    named = tuple(view.config.name for view in pool.providers() if view.config.name.lower() == word)
    type_ = _TYPES.get(word)
    return named or tuple(view.config.name for view in pool.providers() if view.config.type is type_)


def known_models(pool: PoolView) -> list[str]:
    """Every name worth listing: `auto*`, aliases, tasks, `provider/model`, bare ids."""
    pinned = [f"{view.config.name}/{model}" for view in pool.providers() for model in pool.models(view.config.name)]
    served = (model for view in pool.providers() for model in pool.models(view.config.name))
    bare = [model for model in served if not is_hidden(model, pool)]
    automatic = ["auto", *(f"auto:{policy}" for policy in _POLICIES)]
    tasks = [f"task:{task}" for task in pool.current.tasks]
    return list(dict.fromkeys([*automatic, *pool.current.aliases, *tasks, *pinned, *bare]))


def is_hidden(model: str, pool: PoolView) -> bool:
    """Whether a bare id begins with a configured provider's name: then it means a model there, whoever serves it."""
    provider, slash, _ = model.partition("/")
    return bool(slash) and pool.provider(provider) is not None


def closest(name: str, known: Sequence[str]) -> str:
    """The end of an error about an unknown name: the closest names, or a few where none comes near."""
    close: list[str] = []
    if len(name) <= _LONGEST_NAME:
        # What is wrong may be no more than the case, which for difflib is every letter.
        folded = {one.lower(): one for one in reversed(known[:_MOST_COMPARED])}
        near = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)
        close = [folded[one] for one in near]
    if close:
        return f"; closest: {', '.join(close)}"
    some = [one for one in known if not one.startswith("auto:")][:4]
    return f"; known are {', '.join(some)}" if some else ""


def _resolved(name: str, pool: PoolView, seen: frozenset[str]) -> Selection:
    """`seen` are the aliases on the way here: one that leads back to itself leads nowhere."""
    if name == "auto":
        return _auto(pool)
    prefix, colon, rest = name.partition(":")
    if colon:
        if prefix == "auto":
            return _auto_by(rest, name, pool)
        if prefix == "task":
            return _task(rest, pool)
        if prefix == "agent":
            return _agent(rest)
    if name in pool.current.aliases and name not in seen:
        return _alias(name, pool, seen | {name})
    return _named(name, pool)


def _alias(name: str, pool: PoolView, seen: frozenset[str]) -> Selection:
    members, shares = pool.current.aliases[name], pool.current.splits.get(name)
    targets, warnings = _merged(members, pool, seen)
    if not targets:
        raise _unknown(name, pool)
    if shares is None:
        return Selection(targets, keep_order=True, warnings=warnings)
    weights = _weights(members, shares, pool, seen)
    return Selection(targets, policy=PolicyName.WEIGHTED, warnings=warnings, weights=weights)


def _weights(
    members: Sequence[str], shares: Sequence[float], pool: PoolView, seen: frozenset[str]
) -> dict[Target, float]:
    """Each name's share, divided among its targets: evenly, or as a split of its own says."""
    weights: dict[Target, float] = {}
    for member, share in zip(members, shares, strict=True):
        try:
            selection = _resolved(member, pool, seen)
        except NotFound:
            continue
        inner = selection.weights or dict.fromkeys(selection.targets, 1.0)
        whole = sum(inner.values()) or 1.0
        for target, weight in inner.items():
            weights[target] = weights.get(target, 0.0) + share * weight / whole
    return weights


def _auto(pool: PoolView, policy: PolicyName | None = None) -> Selection:
    defaults = [(view.config.name, pool.default_model(view.config.name)) for view in pool.providers()]
    targets = tuple(Target(provider, model) for provider, model in defaults if model is not None)
    return Selection(targets, policy=policy or policy_of(pool.current.failover_strategy), is_auto=policy is None)


def _auto_by(policy: str, name: str, pool: PoolView) -> Selection:
    if policy not in _POLICIES:
        raise _unknown(name, pool)
    return _auto(pool, _POLICIES[policy])


def _task(task: str, pool: PoolView) -> Selection:
    tier = pool.current.tasks.get(task)
    if tier is None:
        automatic = _auto(pool)
        warning = f"task {_shown(task)} has no configured tier: auto was used"
        return replace(automatic, warnings=(warning,))
    wanted = None if tier.preferences is None else Tier(task, tier.preferences)
    return replace(_models_of(tier, task, pool), tier=wanted, deadline=tier.deadline)


def _models_of(tier: TaskConfig, task: str, pool: PoolView) -> Selection:
    policy = policy_of(tier.policy) if tier.policy else None
    if not tier.models:
        # A tier that names no models is about the ones that would be asked anyway.
        return _auto(pool, policy)
    targets, warnings = _merged(tier.models, pool, frozenset())
    if not targets:
        raise _unknown(f"task:{task}", pool)
    return Selection(targets, policy=policy, keep_order=policy is None, warnings=warnings)


def _agent(text: str) -> Selection:
    # Digits of any script pass isdigit(), and an identifier of more digits than a database's is nobody's.
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound(f"agent {_shown(text)} is not known", code=Code.UNKNOWN_AGENT, param="model")
    return Selection((), agent_id=int(text))


def _merged(names: Iterable[str], pool: PoolView, seen: frozenset[str]) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """The targets of several names in their order, each once; a name that leads nowhere is a warning."""
    targets: dict[Target, None] = {}
    warnings: list[str] = []
    for name in names:
        try:
            selection = _resolved(name, pool, seen)
        except NotFound as error:
            warnings.append(error.message)
            continue
        targets.update(dict.fromkeys(selection.targets))
        warnings.extend(selection.warnings)
    return tuple(targets), tuple(warnings)


def _named(name: str, pool: PoolView) -> Selection:
    provider, slash, model = name.partition("/")
    targets: tuple[Target, ...]
    if slash and pool.provider(provider) is not None:
        targets = _at((provider,), model, pool)
    elif slash and provider in _TYPES:
        # An id such as openai/gpt-oss-120b begins like a type: where no provider of that type has it, it is an id.
        of_type = [view.config.name for view in pool.providers() if view.config.type is _TYPES[provider]]
        targets = _at(of_type, model, pool) or pool.serving(name)
    else:
        targets = pool.serving(name)
    if not targets:
        raise _unknown(name, pool)
    guessed = [target for target in targets if not pool.models(target.provider)]
    warnings = tuple([f"whether {target} exists is not known: it was asked" for target in guessed])
    return Selection(targets, warnings=warnings)


def _at(providers: Iterable[str], model: str, pool: PoolView) -> tuple[Target, ...]:
    """The model at each provider that serves it, listed or not; at one that lists nothing, any might be there."""
    if not model:
        return ()
    return tuple([Target(name, model) for name in providers if pool.serves(name, model) or not pool.models(name)])


def _unknown(name: str, pool: PoolView) -> NotFound:
    message = f"model {_shown(name)} is not known{closest(name, known_models(pool))}"
    return NotFound(message, code=Code.MODEL_NOT_FOUND, param="model")


def _shown(name: str) -> str:
    return repr(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…")
