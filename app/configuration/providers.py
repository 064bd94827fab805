"""From the provider file's shapes to the providers, aliases, tasks and panels of the domain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from app.configuration.alert_plan import alert_plan
from app.configuration.discovery import credential, standard_key, standard_url
from app.configuration.document import Document, Place
from app.configuration.errors import unknown
from app.configuration.schema import (
    CAPABILITY_ALIASES,
    ENV_PREFIX,
    TYPE_NAMES,
    CommonShape,
    CostShape,
    FileShape,
    ModelShape,
    NamedShape,
    RateLimitShape,
    TaskShape,
    check_base_url,
    provider_type,
)
from app.configuration.validation import wrong
from app.domain.catalog import CAPABILITIES, ModelMode
from app.domain.chat import Credential
from app.domain.provider import (
    TUNABLE,
    CallerLimit,
    DialectSettings,
    LimitStrategy,
    ModelConfig,
    PanelConfig,
    ProviderConfig,
    ProviderSet,
    ProviderType,
    RateLimit,
    TaskConfig,
    TimeoutOverrides,
)

# The vendor's servers answer nobody without a key, so a provider that has none is off, unless it is a plain-http
# address: a mock or a server of one's own.
_KEYED = frozenset(ProviderType) - {
    ProviderType.OLLAMA,
    ProviderType.VLLM,
    ProviderType.LOCALAI,
    ProviderType.OPENAI_COMPATIBLE,
    ProviderType.SANDBOX,
}
_NEEDS_URL = frozenset({ProviderType.AZURE, ProviderType.OPENAI_COMPATIBLE})
_CALLER = re.compile(r"default|key:[0-9a-f]{8}|key:local|agent:[1-9][0-9]{0,17}")
_RESERVED_ALIASES = ("auto:", "task:", "agent:")
_Value = TypeVar("_Value", int, float, str)


@dataclass(slots=True)
class ProviderFile:
    """One reading of one file: the document, what the environment adds, the warnings so far."""

    document: Document
    shape: FileShape
    environ: Mapping[str, str]
    warnings: list[str] = field(default_factory=list)

    def provider_set(self) -> ProviderSet:
        """All of it; raises ConfigurationError at the first thing that cannot be."""
        providers = tuple(self._providers())
        if not providers:
            raise wrong(self.document, (), "names no provider, expected 'providers' or 'models' with at least one")
        names = [provider.name for provider in providers]
        alerts, warnings = alert_plan(self.document, self.shape.alerts, names, self.environ)
        self.warnings += warnings
        if not any(provider.enabled for provider in providers):
            self.warnings.append("no provider is enabled")
        return ProviderSet(
            providers,
            failover_strategy=self.shape.failover_strategy,
            global_timeout=self.shape.global_timeout,
            aliases=self._aliases(),
            splits=self._splits(),
            tasks={name: _task(shape) for name, shape in self.shape.tasks.items()},
            panels=self._panels(),
            alerts=alerts,
            data_demand=self.shape.data_policy.demand(),
            caller_limits=self._caller_limits(),
            source=self.document.name,
            warnings=tuple(self.warnings),
        )

    def _providers(self) -> Iterator[ProviderConfig]:
        seen: set[str] = set()
        listed: list[tuple[str, Place, CommonShape]] = [
            (shape.name, ("providers", position), shape) for position, shape in enumerate(self.shape.providers)
        ]
        listed += [(name, ("models", name), shape) for name, shape in self.shape.models.items()]
        for name, place, shape in listed:
            if name in seen:
                raise wrong(self.document, (*place, "name"), f"{name!r} is there twice")
            seen.add(name)
            yield self._provider(name, place, shape)

    def _provider(self, name: str, place: Place, shape: CommonShape) -> ProviderConfig:
        kind = self._type(name, place, shape)
        model, models = self._models(place, shape)
        timeouts = self._timeouts(place, shape)
        url, url_missing = self._base_url(name, place, shape, kind)
        self.warnings += [f"{name}: {warning}" for warning in _idle(shape)]
        credentials, key_missing = self._credentials(name, place, shape, kind, is_vendor=not url.startswith("http://"))
        return ProviderConfig(
            name=name,
            type=kind,
            base_url=url,
            credentials=credentials,
            models=models,
            default_model=model,
            priority=shape.priority,
            weight=shape.weight,
            enabled=shape.enabled and not url_missing and not key_missing,
            rate_limit=self._rate_limit((*place, "rate_limit"), shape.rate_limit),
            max_concurrent=shape.max_concurrent,
            timeouts=timeouts,
            parameters=dict(shape.parameters),
            input_per_1m_tokens=self._cost(place, shape.cost).input_per_1m_tokens,
            output_per_1m_tokens=shape.cost.output_per_1m_tokens,
            cached_input_per_1m_tokens=shape.cost.cached_input_per_1m_tokens,
            cache_write_per_1m_tokens=shape.cost.cache_write_per_1m_tokens,
            health_check_interval=shape.health_check_interval or self.shape.health_check_interval or 60.0,
            enable_caching=shape.enable_caching,
            headers=dict(shape.headers),
            dialect=self._dialect(place, shape, kind),
            data_policy=shape.data_policy.policy(),
        )

    def _type(self, name: str, place: Place, shape: CommonShape) -> ProviderType:
        # In the mapping form the name says the type, unless it is written beside it.
        stated = shape.provider_type
        if stated is None and isinstance(shape, NamedShape):
            stated = name
        if stated is None:
            raise wrong(self.document, (*place, "provider_type"), "is required")
        kind = provider_type(stated)
        if kind is None:
            raise wrong(self.document, (*place, "provider_type"), unknown("provider type", stated, TYPE_NAMES))
        return kind

    def _models(self, place: Place, shape: CommonShape) -> tuple[str | None, tuple[ModelConfig, ...]]:
        api = shape.api.model if isinstance(shape, NamedShape) else None
        model = self._once(place, "model", shape.model, "api.model", api)
        models = [self._model((*place, "models", position), entry) for position, entry in enumerate(shape.models)]
        ids = [entry.id for entry in models]
        for position, model_id in enumerate(ids):
            if model_id in ids[:position]:
                raise wrong(self.document, (*place, "models", position), f"{model_id!r} is there twice")
        if model is not None and model not in ids:
            models.insert(0, ModelConfig(model))
        # What stands for the provider is asked to chat.
        first = next((entry.id for entry in models if entry.mode is not ModelMode.EMBEDDING), None)
        return model or first, tuple(models)

    def _model(self, place: Place, entry: ModelShape) -> ModelConfig:
        names = entry.capabilities
        for name in names or ():
            if name not in CAPABILITIES and name not in CAPABILITY_ALIASES:
                raise wrong(self.document, (*place, "capabilities"), unknown("capability", name, CAPABILITIES))
        cost = self._cost(place, entry.cost)
        return ModelConfig(
            entry.id,
            entry.context_window,
            None if names is None else frozenset(CAPABILITY_ALIASES.get(name, name) for name in names),
            cost.input_per_1m_tokens,
            cost.output_per_1m_tokens,
            cost.cached_input_per_1m_tokens,
            cost.cache_write_per_1m_tokens,
            entry.max_output_tokens,
            entry.knowledge_cutoff,
            None if entry.mode is None else ModelMode(entry.mode),
            entry.data_policy.policy(),
        )

    def _cost(self, place: Place, shape: CostShape) -> CostShape:
        """The prices, if they are a whole: a cache's price alone would leave a model without any."""
        for name in ("cached_input_per_1m_tokens", "cache_write_per_1m_tokens"):
            if getattr(shape, name) is not None and None in (shape.input_per_1m_tokens, shape.output_per_1m_tokens):
                message = "expected input_per_1m_tokens and output_per_1m_tokens beside it"
                raise wrong(self.document, (*place, "cost", name), message)
        return shape

    def _dialect(self, place: Place, shape: CommonShape, kind: ProviderType) -> DialectSettings | None:
        if shape.dialect is None:
            return None
        if kind not in TUNABLE:
            allowed = ", ".join(sorted(TUNABLE))
            raise wrong(self.document, (*place, "dialect"), f"is for servers of one's own ({allowed}), not for {kind}")
        return shape.dialect.settings()

    def _timeouts(self, place: Place, shape: CommonShape) -> TimeoutOverrides:
        api = shape.api.timeout if isinstance(shape, NamedShape) else None
        stated = self._once(place, "timeout", shape.timeout, "api.timeout", api)
        own = shape.timeouts
        total = self._once(place, "timeout", stated, "timeouts.total", own.total)
        return TimeoutOverrides(own.connect, own.first_token, own.idle, total)

    def _rate_limit(self, place: Place, shape: RateLimitShape) -> RateLimit:
        requests, calls = shape.requests_per_minute, shape.calls_per_minute
        return RateLimit(
            requests_per_minute=self._once(place, "requests_per_minute", requests, "calls_per_minute", calls),
            tokens_per_minute=shape.tokens_per_minute,
            requests_per_day=shape.requests_per_day,
            tokens_per_day=shape.tokens_per_day,
            burst_limit=shape.burst_limit,
            strategy=LimitStrategy(shape.strategy),
        )

    def _caller_limits(self) -> dict[str, CallerLimit]:
        limits = {}
        for whose, shape in self.shape.caller_limits.items():
            if not _CALLER.fullmatch(whose):
                expected = "expected default, key:<the key's 8 hex digits> or agent:<its number>"
                raise wrong(self.document, ("caller_limits", whose), expected)
            self.warnings += [f"caller_limits: {whose}: {warning}" for warning in _idle_limits(shape)]
            rate = self._rate_limit(("caller_limits", whose), shape)
            limits[whose] = CallerLimit(rate, shape.max_concurrent)
        return limits

    def _once(
        self, place: Place, name: str, value: _Value | None, other_name: str, other: _Value | None
    ) -> _Value | None:
        """The one of two spellings that is there; two that differ contradict each other."""
        if value is not None and other is not None and value != other:
            raise wrong(self.document, (*place, *other_name.split(".")), f"says something else than {name!r}")
        return other if value is None else value

    def _base_url(self, name: str, place: Place, shape: CommonShape, kind: ProviderType) -> tuple[str, bool]:
        """The address as it is written, `""` for the type's own; and whether a variable that it names is missing."""
        api = shape.api.base_url if isinstance(shape, NamedShape) else None
        stated = self._once(place, "base_url", shape.base_url, "api.base_url", api) or standard_url(kind, self.environ)
        where = (*place, "base_url") if shape.base_url else (*place, "api", "base_url")
        if stated.startswith(ENV_PREFIX):
            found = self._from_environment(name, "base_url", stated)
            if found is None:
                return "", True
            try:
                return check_base_url(found), False
            except ValueError as error:
                raise wrong(self.document, where, f"{stated}: {error}") from None
        if not stated and kind in _NEEDS_URL:
            raise wrong(self.document, (*place, "base_url"), f"is required for provider type {kind.value!r}")
        return stated, False

    def _credentials(
        self, name: str, place: Place, shape: CommonShape, kind: ProviderType, *, is_vendor: bool
    ) -> tuple[tuple[Credential, ...], bool]:
        """The keys in the order to use them, and whether the provider cannot work for want of one."""
        keys = _stated_keys(place, shape)
        found: dict[str, tuple[Place, float | None]] = {}
        for where, key, weight in keys:
            secret = self._secret(name, key)
            if secret:
                found.setdefault(secret, (where, weight))
        if not keys:
            own = standard_key(kind, self.environ)
            if own is not None:
                found = {own[1]: ((*place, "api_key"), None)}
            elif is_vendor and kind in _KEYED:
                if shape.enabled:
                    self.warnings.append(f"{name} is off: it has no api_key and its variable is not set")
                return (Credential(),), True
        if keys and not found:
            return (Credential(),), True
        credentials = tuple(
            replace(self._credential(where, secret), weight=weight) for secret, (where, weight) in found.items()
        )
        return credentials or (Credential(),), False

    def _secret(self, name: str, key: str) -> str | None:
        return self._from_environment(name, "api_key", key) if key.startswith(ENV_PREFIX) else key.strip()

    def _from_environment(self, name: str, key: str, reference: str) -> str | None:
        variable = reference.removeprefix(ENV_PREFIX).strip()
        value = self.environ.get(variable, "").strip()
        if not value:
            self.warnings.append(f"{name}: {key} names the variable {variable}, which is not set")
        return value or None

    def _credential(self, place: Place, secret: str) -> Credential:
        try:
            return credential(secret)
        except ValueError as error:
            raise wrong(self.document, place, str(error)) from None

    def _aliases(self) -> dict[str, tuple[str, ...]]:
        for alias in self.shape.aliases:
            if alias == "auto" or alias.startswith(_RESERVED_ALIASES):
                raise wrong(self.document, ("aliases", alias), "is a name of the gateway's own")
        return {alias: tuple(targets) for alias, targets in self.shape.aliases.items()}

    def _splits(self) -> dict[str, tuple[float, ...]]:
        """The weights of those aliases that have them."""
        for alias, targets in self.shape.aliases.items():
            for target, weight in targets.items():
                if weight is None and any(other is not None for other in targets.values()):
                    raise wrong(self.document, ("aliases", alias, target), "expected a weight, as the others have")
        return {
            alias: tuple(weight for weight in targets.values() if weight is not None)
            for alias, targets in self.shape.aliases.items()
            if None not in targets.values()
        }

    def _panels(self) -> dict[str, PanelConfig]:
        for name, panel in self.shape.panels.items():
            if panel.quorum is not None and panel.quorum > len(panel.members):
                raise wrong(self.document, ("panels", name, "quorum"), f"expected at most {len(panel.members)}")
            if panel.stages is not None and not _divides(panel.stages, panel.members):
                raise wrong(
                    self.document, ("panels", name, "stages"), "expected two lists with each member in one of them"
                )
            if panel.risk_officer is not None and panel.method != "risk_officer_veto":
                raise wrong(
                    self.document, ("panels", name, "risk_officer"), "expected only with method risk_officer_veto"
                )
            if panel.stages is not None and panel.method != "two_stage":
                raise wrong(self.document, ("panels", name, "stages"), "expected only with method two_stage")
        return {
            name: PanelConfig(
                tuple(panel.members),
                panel.method,
                panel.quorum,
                panel.risk_officer,
                tuple(panel.stages[0]) if panel.stages else (),
                tuple(panel.shadow),
            )
            for name, panel in self.shape.panels.items()
        }


def _divides(stages: Sequence[Sequence[str]], members: Sequence[str]) -> bool:
    """Whether these are two groups with everybody in one of them."""
    named = [name for stage in stages for name in stage]
    return len(stages) == 2 and len(named) == len(set(named)) and set(named) == set(members)


def _task(shape: TaskShape) -> TaskConfig:
    return TaskConfig(
        tuple(shape.models or ()),
        shape.policy,
        None if shape.provider is None else shape.provider.preferences(),
        None if shape.deadline_ms is None else shape.deadline_ms / 1000,
    )


def _stated_keys(place: Place, shape: CommonShape) -> list[tuple[Place, str, float | None]]:
    """Where each key stands, the key or the name of its variable, and its weight."""
    keys: list[tuple[Place, str | None, float | None]] = [((*place, "api_key"), shape.api_key, None)]
    if isinstance(shape, NamedShape):
        keys.append(((*place, "api", "api_key"), shape.api.api_key, None))
    keys += [((*place, "api_keys", position), one.key, one.weight) for position, one in enumerate(shape.api_keys)]
    return [(where, key, weight) for where, key, weight in keys if key]


def _idle(shape: CommonShape) -> Iterator[str]:
    """What is stated and has no effect: an operator must not rely on a limit that nobody keeps."""
    yield from (f"rate_limit.{warning}" for warning in _idle_limits(shape.rate_limit))


def _idle_limits(limits: RateLimitShape) -> Iterator[str]:
    requests = limits.calls_per_minute if limits.requests_per_minute is None else limits.requests_per_minute
    if limits.burst_limit is not None and (limits.strategy != LimitStrategy.TOKEN_BUCKET.value or requests is None):
        yield "burst_limit: has no effect without strategy token_bucket and requests_per_minute"
