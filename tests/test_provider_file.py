from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import SecretStr

from app.domain.alerts import DEFAULT_RULES, AlertKind, AlertPlan, AlertRule, WebhookFormat
from app.domain.catalog import ModelMode
from app.domain.chat import Credential
from app.domain.data_policy import DataDemand, DataPolicy
from app.domain.provider import (
    CallerLimit,
    LimitStrategy,
    ProviderConfig,
    ProviderSet,
    ProviderType,
    RateLimit,
    TimeoutOverrides,
)
from app.domain.routing import MaxPrice
from app.provider_file import ConfigurationError, load_providers

SEEDS = Path(__file__).parent / "configuration" / "files"
KEYS = {
    "OPENAI_API_KEY": "sk-openai-0123456789",
    "ANTHROPIC_API_KEY": "sk-ant-0123456789",
    "DEEPSEEK_API_KEY": "sk-deepseek-012345",
    "GROQ_API_KEY": "gsk_0123456789",
}


class Load(Protocol):
    def __call__(self, text: str, name: str = "outcry.yaml", **environ: str) -> ProviderSet: ...


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str, name: str = "outcry.yaml", **environ: str) -> ProviderSet:
        path = tmp_path / name
        path.write_text(text)
        return load_providers(path, environ)

    return loaded


def secrets(provider: ProviderConfig) -> list[str | None]:
    return [None if c.secret is None else c.secret.get_secret_value() for c in provider.credentials]


def test_the_second_seeds_development_file_works_as_it_is() -> None:
    found = load_providers(SEEDS / "development.json", KEYS)

    ollama, openai = found.providers
    assert (ollama.name, ollama.type, ollama.base_url, ollama.priority) == (
        "ollama_local",
        ProviderType.OLLAMA,
        "http://localhost:11434",
        1,
    )
    assert ollama.enabled
    assert (openai.rate_limit.requests_per_minute, openai.rate_limit.burst_limit) == (1000, 50)
    assert openai.rate_limit.strategy is LimitStrategy.SLIDING_WINDOW
    assert secrets(openai) == ["sk-openai-0123456789"]
    assert (found.global_timeout, found.failover_strategy, openai.health_check_interval) == (30.0, "priority", 60.0)


def test_azures_address_may_say_its_version(load: Load) -> None:
    url = "https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21"
    text = f"providers:\n  - name: a\n    provider_type: azure\n    base_url: {url}\n    api_key: k\n"
    assert load(text).providers[0].base_url == url


def test_the_second_seeds_production_file_works_as_it_is() -> None:
    found = load_providers(SEEDS / "production.json", KEYS)

    assert [p.name for p in found.providers] == ["openai_primary", "anthropic_primary", "ollama_local"]
    assert found.failover_strategy == "health_based"
    assert [p.health_check_interval for p in found.providers] == [30, 30, 120]
    assert [p.enable_caching for p in found.providers] == [True, True, None]
    assert found.source.endswith("production.json")


def test_the_first_seeds_mapping_form_works_as_it_is() -> None:
    found = load_providers(SEEDS / "models.yaml", KEYS)

    by_name = {p.name: p for p in found.providers}
    deepseek = by_name["deepseek"]
    assert (deepseek.type, deepseek.base_url, deepseek.default_model) == (
        ProviderType.DEEPSEEK,
        "https://api.deepseek.com/v1",
        "deepseek-chat",
    )
    assert deepseek.timeouts == TimeoutOverrides(total=30)
    assert dict(deepseek.parameters) == {"temperature": 0.7, "max_tokens": 2000}
    assert (deepseek.input_per_1m_tokens, deepseek.output_per_1m_tokens) == (Decimal("0.14"), Decimal("0.28"))
    assert by_name["groq"].input_per_1m_tokens == 0
    assert [m.id for m in by_name["anthropic"].models] == ["claude-sonnet-4-5-20250929"]
    assert {n: p.priority for n, p in by_name.items()} == {"deepseek": 1, "groq": 2, "openai": 3, "anthropic": 4}
    assert all(p.enabled for p in found.providers)
    assert secrets(by_name["groq"]) == ["gsk_0123456789"]


def test_the_first_seeds_limits_in_calls_per_minute_are_requests() -> None:
    found = load_providers(SEEDS / "rate_limits.yaml", KEYS)

    assert {p.name: p.rate_limit.requests_per_minute for p in found.providers} == {
        "openai": 60,
        "deepseek": 100,
        "groq": 120,
        "anthropic": 50,
    }


WHOLE = """
providers:
  - name: alpha
    provider_type: openai_compatible
    api_keys: ["env:ALPHA_KEY", literal-key-1, env:ALPHA_KEY]
    base_url: http://10.0.0.5:9000/v1/
    models:
      - alpha-1
      - {id: alpha-2, context_window: 8000, capabilities: [tools, json_mode], cost: {input_per_1m_tokens: 0.1}}
    model: alpha-3
    weight: 2
    enabled: yes
    rate_limit: &limits {requests_per_minute: 5, requests_per_day: 50, strategy: token_bucket, burst_limit: 2}
    timeouts: {connect: 1, first_token: 2.5, idle: 3, total: 4}
    parameters: {temperature: 1e-1, drill: "[[slow=5]]"}
  - {name: beta, provider_type: google, api_key: k-beta, rate_limit: *limits, timeout: 9}
  - {name: home, provider_type: sandbox}
health_check_interval: 15
global_timeout: 20
failover_strategy: round_robin
aliases: {fast: beta/gemini-3.8-flash, best: [alpha/alpha-2, beta/x]}
tasks: {quick_decision: {policy: latency, models: [alpha/alpha-1]}, slow: {policy: accuracy_first}}
panels: {core: {members: [alpha/alpha-1, beta/x, home/trend], method: majority, quorum: 2}}
alerts:
  webhooks: ["https://ops.example/hook", {url: env:SLACK_URL, format: slack}, env:NOT_SET]
  rules: [provider_down, {when: success_rate, threshold: 0.8, for_seconds: 5, minimum: 3, providers: [alpha]}]
"""


def test_every_key_of_the_contract_is_read(load: Load) -> None:
    found = load(WHOLE, ALPHA_KEY="alpha-secret", SLACK_URL="https://hooks.slack.example/T/B/secret")

    alpha, beta, home = found.providers
    assert secrets(alpha) == ["alpha-secret", "literal-key-1"]
    assert alpha.base_url == "http://10.0.0.5:9000/v1/"
    assert [m.id for m in alpha.models] == ["alpha-3", "alpha-1", "alpha-2"]
    assert alpha.default_model == "alpha-3"
    assert alpha.models[2].capabilities == frozenset({"tools", "json_object"})
    assert alpha.models[2].input_per_1m_tokens == Decimal("0.1")
    assert alpha.models[1].capabilities is None
    assert alpha.timeouts == TimeoutOverrides(1, 2.5, 3, 4)
    assert alpha.parameters["temperature"] == 0.1
    assert alpha.rate_limit == beta.rate_limit
    assert alpha.rate_limit.strategy is LimitStrategy.TOKEN_BUCKET
    assert (beta.type, beta.timeouts.total, beta.health_check_interval) == (ProviderType.GEMINI, 9, 15)
    assert (home.type, home.enabled, home.base_url) == (ProviderType.SANDBOX, True, "")
    assert found.aliases == {"fast": ("beta/gemini-3.8-flash",), "best": ("alpha/alpha-2", "beta/x")}
    assert found.tasks["quick_decision"].models == ("alpha/alpha-1",)
    assert (found.panels["core"].quorum, found.panels["core"].members[2]) == (2, "home/trend")
    ops, slack = found.alerts.webhooks
    assert (ops.url.get_secret_value(), ops.format) == ("https://ops.example/hook", WebhookFormat.JSON)
    assert (slack.url.get_secret_value()[-6:], slack.format) == ("secret", WebhookFormat.SLACK)
    down, rate = found.alerts.rules
    assert down == AlertRule.of(AlertKind.PROVIDER_DOWN)
    assert (rate.kind, rate.threshold) == (AlertKind.SUCCESS_RATE, 0.8)
    assert rate.clear == pytest.approx(0.9)
    assert (rate.for_seconds, rate.clear_seconds, rate.minimum, rate.providers) == (5, 60, 3, ("alpha",))
    assert any("webhook 3 is off" in warning and "NOT_SET" in warning for warning in found.warnings)


ALERTING = "providers: [{name: home, provider_type: sandbox}]\nalerts:\n"


def test_without_alerts_the_log_and_the_metrics_are_told_by_the_default_rules(load: Load) -> None:
    assert load("providers: [{name: home, provider_type: sandbox}]").alerts == AlertPlan(DEFAULT_RULES, ())
    assert load(ALERTING + "  rules: []").alerts == AlertPlan((), ())


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        ("  rules: [provider_don]", "alerts.rules[0]: expected one of provider_down"),
        ("  rules: [{when: provider_down, threshold: 1}]", "alerts.rules[0].threshold: provider_down has none"),
        ("  rules: [{when: success_rate, threshold: 90}]", "alerts.rules[0].threshold: expected a share"),
        ("  rules: [{when: success_rate, threshold: 0.9, clear: 0.8}]", "alerts.rules[0].clear: expected at or above"),
        ("  rules: [{when: p95_ms, threshold: 100, clear: 200}]", "alerts.rules[0].clear: expected at or below"),
        ("  rules: [{when: p95_ms, providers: [hom]}]", "alerts.rules[0].providers: 'hom' is no provider"),
        ("  rules: [{when: p95_ms, treshold: 5}]", "did you mean 'threshold'"),
        ("  webhooks: [ftp://sk-secret@x]", "alerts.webhooks[0]"),
        ("  webhooks: [{url: 'https://user:sk-secret@x/'}]", "alerts.webhooks[0].url: expected a URL like"),
        ("  webhooks: [{url: 'https://x/', format: teams}]", "alerts.webhooks[0].format: expected one of json, slack"),
    ],
)
def test_wrong_alerts_stop_the_start_with_line_and_key_and_without_a_secret(load: Load, alerts: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(ALERTING + alerts)

    assert said in str(raised.value)
    assert "outcry.yaml:3" in str(raised.value)
    assert "sk-secret" not in str(raised.value)


def test_an_operator_may_state_all_that_the_catalog_knows_of_a_model(load: Load) -> None:
    cost = (
        "{input_per_1m_tokens: 1, output_per_1m_tokens: 2, "
        "cached_input_per_1m_tokens: 0.1, cache_write_per_1m_tokens: 1.25}"
    )
    stated = f"{{id: y, max_output_tokens: 500, knowledge_cutoff: 2025-02, mode: chat, cost: {cost}}}"
    found = load(ENTRY + f"    models: [{{id: v, mode: embedding, knowledge_cutoff: 2025-02-03}}, {stated}]\n")

    vectors, chat = found.providers[0].models
    assert (vectors.mode, vectors.knowledge_cutoff) == (ModelMode.EMBEDDING, date(2025, 2, 3))
    assert (chat.mode, chat.max_output_tokens, chat.knowledge_cutoff) == (ModelMode.CHAT, 500, date(2025, 2, 28))
    assert (chat.cached_input_per_1m_tokens, chat.cache_write_per_1m_tokens) == (Decimal("0.1"), Decimal("1.25"))
    assert found.providers[0].default_model == "y"


def test_a_day_may_be_a_text_as_json_has_it(load: Load) -> None:
    entry = '{"name": "a", "provider_type": "sandbox", "models": [{"id": "y", "knowledge_cutoff": "2025-02-03"}]}'

    assert load(f'{{"providers": [{entry}]}}', "outcry.json").providers[0].models[0].knowledge_cutoff == date(
        2025, 2, 3
    )


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("rate_limit: {requests_per_minute: 99, burst_limit: 10}", "rate_limit.burst_limit: has no effect without"),
        ("rate_limit: {burst_limit: 10, strategy: token_bucket}", "rate_limit.burst_limit: has no effect without"),
    ],
)
def test_what_is_read_and_not_acted_on_is_warned_of(load: Load, setting: str, named: str) -> None:
    (warning,) = load(f"providers: [{{name: a, provider_type: sandbox, {setting}}}]").warnings

    assert warning.startswith(f"a: {named}")


@pytest.mark.parametrize(
    "setting",
    [
        "rate_limit: {requests_per_minute: 5, requests_per_day: 9}",
        "rate_limit: {tokens_per_minute: 1000, tokens_per_day: 9000, strategy: fixed_window}",
        "rate_limit: {calls_per_minute: 5, burst_limit: 2, strategy: token_bucket}",
        "max_concurrent: 4",
        "enable_caching: true",
    ],
)
def test_limits_that_are_kept_are_not_warned_of(load: Load, setting: str) -> None:
    assert () == load(f"providers: [{{name: a, provider_type: sandbox, {setting}}}]").warnings


def test_how_many_calls_at_once_is_a_setting_of_the_provider(load: Load) -> None:
    found = load("providers: [{name: a, provider_type: sandbox, max_concurrent: 4}, {name: b, provider_type: sandbox}]")

    assert [provider.max_concurrent for provider in found.providers] == [4, None]


def test_credentials_have_a_public_name_and_never_show_themselves(load: Load) -> None:
    found = load("providers: [{name: a, provider_type: openai, api_key: sk-verysecret}]")

    assert len(found.providers[0].credentials[0].id) == 8
    assert "verysecret" not in repr(found)


def test_a_tier_says_what_a_request_of_its_task_would_have_to_say(load: Load) -> None:
    wants = "{order: a, ignore: [b], max_price: {prompt: 0.5}, zdr: true, region: eu}"
    found = load(f"{ENTRY}tasks: {{quick: {{provider: {wants}, deadline_ms: 1500}}}}\n")

    tier = found.tasks["quick"]
    assert tier.preferences is not None
    assert (tier.models, tier.policy, tier.deadline) == ((), None, 1.5)
    assert (tier.preferences.order, tier.preferences.only, tier.preferences.ignore) == (("a",), None, ("b",))
    assert tier.preferences.max_price == MaxPrice(prompt=Decimal("0.5"))
    assert (tier.preferences.data.retention_days, tier.preferences.data.regions) == (0, ("eu",))


def test_what_becomes_of_prompts_is_stated_per_provider_and_model_and_demanded_of_all(load: Load) -> None:
    found = load(
        "providers:\n  - name: a\n    provider_type: openai\n    api_key: k\n"
        "    data_policy: {training: false, retention_days: 30, region: us}\n"
        "    models: [{id: x, data_policy: {retention_days: 0}}, y]\n"
        "data_policy: {training: false, retention_days: 30, region: eu}\n"
    )

    assert found.providers[0].data_policy == DataPolicy(training=False, retention_days=30, region="us")
    assert found.providers[0].models[0].data_policy == DataPolicy(retention_days=0)
    assert found.data_demand == DataDemand(no_training=True, retention_days=30, regions=("eu",))


ENTRY = "providers:\n  - name: a\n    provider_type: openai_compatible\n    base_url: http://x/v1\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (ENTRY + "    prioritty: 1\n", 5, ["providers[0].prioritty", "unknown key", "'priority'"]),
        (ENTRY + "    data_policy: {trainin: false}\n", 5, ["data_policy.trainin", "did you mean 'training'"]),
        (ENTRY + "    data_policy: {training: 'no'}\n", 5, ["data_policy.training", "true or false", "got a text"]),
        (ENTRY + "    data_policy:\n      retention_days: -1\n", 6, ["data_policy.retention_days", "0"]),
        (ENTRY + "    data_policy: {region: e u}\n", 5, ["data_policy.region", "a region's name"]),
        (ENTRY + "    models: [{id: y, data_policy: {zdr: true}}]\n", 5, ["models[0].data_policy.zdr", "unknown key"]),
        (ENTRY + "data_policy: {training: true}\n", 5, ["data_policy.training", "expected false"]),
        (ENTRY + "data_policy: {region: []}\n", 5, ["data_policy.region", "at least one entry"]),
        (ENTRY + "    priority: high\n", 5, ["providers[0].priority", "a whole number", "got a text"]),
        (ENTRY + "    priority: '1'\n", 5, ["a whole number", "got a text"]),
        (ENTRY + "    priority: true\n", 5, ["a whole number", "got true or false"]),
        (ENTRY + "    enabled: 1\n", 5, ["true or false", "got a number"]),
        (ENTRY + "    weight: .nan\n", 5, ["providers[0].weight"]),
        (ENTRY + "    weight: 0\n", 5, ["greater than 0"]),
        (ENTRY + "    timeout: -1\n", 5, ["greater than 0"]),
        (ENTRY + "    rate_limit:\n      request_per_minute: 5\n", 6, ["rate_limit", "'requests_per_minute'"]),
        (ENTRY + "    rate_limit: {strategy: sliding}\n", 5, ["strategy", "did you mean 'sliding_window'"]),
        (ENTRY + "    rate_limit: {requests_per_minute: 0}\n", 5, ["greater than or equal to 1"]),
        (ENTRY + "    rate_limit: {requests_per_minute: 1, calls_per_minute: 2}\n", 5, ["calls_per_minute"]),
        (ENTRY + "    timeout: 1\n    timeouts: {total: 2}\n", 6, ["timeouts.total", "'timeout'"]),
        (ENTRY + "    timeouts: {first_tokn: 2}\n", 5, ["'first_token'"]),
        (ENTRY + "    models: [x, {id: y, context: 5}]\n", 5, ["models[1].context", "'context_window'"]),
        (ENTRY + "    models: [x, x]\n", 5, ["models[1]", "twice"]),
        (ENTRY + "    models: [{id: y, capabilities: [tool]}]\n", 5, ["capabilities", "'tools'"]),
        (ENTRY + "    cost: {input_per_1m_tokens: much}\n", 5, ["input_per_1m_tokens", "dollars"]),
        (ENTRY + "    cost: {input_per_1m_tokens: -1}\n", 5, ["0 dollars or more"]),
        (ENTRY + "    cost: {cached_input_per_1m_tokens: 1}\n", 5, ["cached_input_per_1m_tokens", "beside it"]),
        (
            ENTRY
            + "    models:\n    - id: y\n      cost:\n        {input_per_1m_tokens: 1, cache_write_per_1m_tokens: 2}\n",
            8,
            ["models[0].cost.cache_write_per_1m_tokens", "output_per_1m_tokens"],
        ),
        (ENTRY + "    models: [{id: y, max_output_tokens: 0}]\n", 5, ["max_output_tokens", "or equal to 1"]),
        (ENTRY + "    models: [{id: y, mode: embeddings}]\n", 5, ["models[0].mode", "did you mean 'embedding'"]),
        (ENTRY + "    models: [{id: y, knowledge_cutoff: 2024-13}]\n", 5, ["knowledge_cutoff", "expected a day"]),
        (ENTRY + "    models: [{id: y, knowledge_cutoff: 2024}]\n", 5, ["knowledge_cutoff", "expected a day"]),
        (ENTRY + "    parameters: {model: x}\n", 5, ["parameters", "'model'"]),
        (ENTRY + "    api: {model: x}\n", 5, ["unknown key 'api'", "'api_key'"]),
        (ENTRY + "    name: b\n", 5, ["providers[0].name", "twice"]),
        (ENTRY + "  - name: a\n    provider_type: sandbox\n", 5, ["providers[1].name", "twice"]),
        ("providers:\n  - provider_type: openai\n", 2, ["providers[0].name", "is required"]),
        ("providers:\n  - name: a\n", 2, ["provider_type", "is required"]),
        ("providers:\n  - name: a/b\n    provider_type: openai\n", 2, ["name", "1 to 64 letters"]),
        ("providers:\n  - name: a:b\n    provider_type: openai\n", 2, ["name", "1 to 64 letters"]),
        ('providers:\n  - name: "a\\n"\n    provider_type: openai\n', 2, ["name", "1 to 64 letters"]),
        ("providers:\n  - name: a\n    provider_type: opanai\n", 3, ["provider type 'opanai'", "'openai'"]),
        ("providers:\n  - name: a\n    provider_type: azure\n", 2, ["base_url", "required"]),
        (ENTRY.replace("http://x/v1", "ftp://x"), 4, ["base_url", "https://host:port"]),
        (ENTRY.replace("http://x/v1", "http://u:p@x/"), 4, ["base_url", "without user"]),
        (ENTRY.replace("http://x/v1", "http://x/?key=1"), 4, ["base_url", "query"]),
        (ENTRY.replace("http://x/v1", "http://x/?api-version=1&key=1"), 4, ["base_url", "query"]),
        (ENTRY + "failover_strategy: fastest\n", 5, ["failover_strategy", "round_robin"]),
        (ENTRY + "failover_stratgy: priority\n", 5, ["'failover_strategy'"]),
        (ENTRY + "aliases: {auto: a/x}\n", 5, ["aliases.auto"]),
        (ENTRY + "aliases: {b: []}\n", 5, ["aliases.b", "at least one"]),
        (ENTRY + "panels: {p: {members: [a/x], quorum: 2}}\n", 5, ["panels.p.quorum", "at most 1"]),
        (ENTRY + "panels: {p: {members: [a/x, a/y], method: two_stage, stages: [[a/x]]}}\n", 5, ["panels.p.stages"]),
        (ENTRY + "panels: {p: {members: [a/x, a/y], stages: [[a/x], [a/y]]}}\n", 5, ["panels.p.stages", "two_stage"]),
        (ENTRY + "panels: {p: {members: [a/x], risk_officer: a/y}}\n", 5, ["panels.p.risk_officer"]),
        (ENTRY + "panels: {p: {members: [a/x], method: majorty}}\n", 5, ["did you mean 'majority'"]),
        (ENTRY + "tasks: {t: {policy: cheap}}\n", 5, ["tasks.t.policy", "cost"]),
        (
            ENTRY + "tasks: {t: {provider: {max_prise: {prompt: 1}}}}\n",
            5,
            ["tasks.t.provider.max_prise", "'max_price'"],
        ),
        (ENTRY + "tasks: {t: {provider: {max_price: {prompt: -1}}}}\n", 5, ["max_price.prompt", "0 dollars or more"]),
        (ENTRY + "tasks: {t: {provider: {data_collection: none}}}\n", 5, ["data_collection", "allow, deny"]),
        (ENTRY + "tasks: {t: {deadline_ms: 0}}\n", 5, ["tasks.t.deadline_ms", "1"]),
        ("models:\n  openai:\n    api:\n      modell: x\n", 4, ["models.openai.api.modell", "'model'"]),
        ("models:\n  somebody: {enabled: true}\n", 2, ["provider type 'somebody'"]),
        ("providers: 5\n", 1, ["providers", "a list", "got a number"]),
        ("providers:\n  - 5\n", 2, ["providers[0]", "a mapping", "got a number"]),
        ("providers: []\n", 1, ["names no provider"]),
        ("", 1, ["mapping"]),
        ("- a\n- b\n", 1, ["mapping", "got a list"]),
        ("providers: [\n  {name: a\n", 3, ["expected"]),
        ("a: 1\nproviders: {\n\tb: 1}\n", 3, []),
        ("? [x]\n: y\n", 1, ["expected a text as key"]),
    ],
)
def test_a_wrong_file_is_refused_with_line_key_and_what_was_expected(
    load: Load, text: str, line: int, words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(text)

    assert f"outcry.yaml:{line}: " in refused.value.message
    assert [word for word in words if word not in refused.value.message] == []


@pytest.mark.parametrize(
    "text",
    [
        ENTRY + "    api_key: [sk-secret-0123456789]\n",
        ENTRY + '    api_key: "sk-secret-0123456789\\n"\n    priority: sk-secret-0123456789\n',
        ENTRY + "    api_key: 'sk secret-0123456789'\n",
        ENTRY + "    base_url2: sk-secret-0123456789\n",
        ENTRY.replace("http://x/v1", "http://u:sk-secret-0123456789@x/"),
        ENTRY + "failover_strategy: sk-secret-0123456789\n",
        "api_key: 'sk-secret-0123456789\n",
    ],
)
def test_no_refusal_repeats_a_value(load: Load, text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(text)

    assert "secret-0123456789" not in f"{refused.value!r} {refused.value.__context__!r}"


def test_json_may_be_indented_with_tabs_and_say_one_million_as_1e6(load: Load) -> None:
    text = '{\n\t"providers": [\n\t\t{"name": "a", "provider_type": "sandbox", "timeout": 1e2}\n\t]\n}'

    assert load(text, "outcry.json").providers[0].timeouts.total == 100


def test_json_errors_have_lines_too(load: Load) -> None:
    with pytest.raises(ConfigurationError, match=r"outcry\.json:3: providers\[0\]\.nam: unknown key 'nam'"):
        load('{"providers": [\n  {"provider_type": "sandbox",\n   "nam": "a"}\n]}', "outcry.json")


def test_a_missing_variable_turns_the_provider_off_and_says_which(load: Load) -> None:
    found = load("providers: [{name: a, provider_type: openai, api_key: 'env:NOWHERE'}]", OPENAI_API_KEY="sk-other")

    assert not found.providers[0].enabled
    assert any("NOWHERE" in warning for warning in found.warnings)


def test_one_key_of_two_is_enough(load: Load) -> None:
    found = load("providers: [{name: a, provider_type: openai, api_keys: ['env:NOWHERE', key-two]}]")

    assert found.providers[0].enabled
    assert secrets(found.providers[0]) == ["key-two"]


def test_keys_may_have_weights(load: Load) -> None:
    keys = "[{key: sk-a-0123456789, weight: 3}, sk-b-0123456789]"
    (found,) = load(f"providers:\n  - {{name: a, provider_type: openai, api_keys: {keys}}}\n").providers

    assert [(one.id, one.weight) for one in found.credentials] == [
        (Credential.of(SecretStr(secret)).id, weight)
        for secret, weight in (("sk-a-0123456789", 3.0), ("sk-b-0123456789", None))
    ]


@pytest.mark.parametrize("weight", ["0", "-1", ".inf", "heavy"])
def test_a_keys_weight_is_a_share_and_its_error_shows_no_key(load: Load, weight: str) -> None:
    keys = f"[{{key: sk-a-0123456789, weight: {weight}}}]"

    with pytest.raises(ConfigurationError, match=r"api_keys\[0\]\.weight") as caught:
        load(f"providers:\n  - {{name: a, provider_type: openai, api_keys: {keys}}}\n")

    assert "sk-a" not in str(caught.value)


def test_an_alias_with_weights_is_a_split(load: Load) -> None:
    found = load(ENTRY + "aliases: {canary: {a/x: 95, a/y: 5}, plain: [a/x, a/y]}\n")

    assert found.aliases == {"canary": ("a/x", "a/y"), "plain": ("a/x", "a/y")}
    assert found.splits == {"canary": (95.0, 5.0)}


@pytest.mark.parametrize(
    "alias", ["{a/x: heavy}", "{a/x: -1}", "{a/x: .inf}", "{a/x: 0, a/y: 0}", "{a/x: 1, a/y: null}", "{}", "[1]"]
)
def test_a_split_without_sense_is_refused(load: Load, alias: str) -> None:
    with pytest.raises(ConfigurationError, match=r"aliases\.canary"):
        load(ENTRY + f"aliases: {{canary: {alias}}}\n")


def test_callers_may_be_limited_by_key_and_agent(load: Load) -> None:
    limits = "{default: {calls_per_minute: 60}, 'key:1a2b3c4d': {tokens_per_day: 9, max_concurrent: 2}, 'agent:7': {}}"
    loaded = load(f"providers: [{{name: a, provider_type: sandbox}}]\ncaller_limits: {limits}")

    assert loaded.caller_limits == {
        "default": CallerLimit(RateLimit(requests_per_minute=60)),
        "key:1a2b3c4d": CallerLimit(RateLimit(tokens_per_day=9), max_concurrent=2),
        "agent:7": CallerLimit(),
    }
    assert not loaded.warnings


@pytest.mark.parametrize("whose", ["key:sk-something-secret", "agent:0", "agent:seven", "everybody", "key:"])
def test_a_limit_of_nobody_is_refused(load: Load, whose: str) -> None:
    with pytest.raises(ConfigurationError, match=r"caller_limits.*expected default, key:") as refused:
        load(f"providers: [{{name: a, provider_type: sandbox}}]\ncaller_limits: {{'{whose}': {{max_concurrent: 1}}}}")
    assert "outcry.yaml:2" in str(refused.value)


def test_the_types_own_variable_fills_in_where_the_file_gives_no_key(load: Load) -> None:
    text = "providers: [{name: a, provider_type: grok}, {name: b, provider_type: xai, api_key: own-key}]"

    found = load(text, GROK_API_KEY="xai-standard")

    assert [secrets(p) for p in found.providers] == [["xai-standard"], ["own-key"]]


def test_a_vendor_without_any_key_is_off_but_a_place_of_ones_own_is_on(load: Load) -> None:
    text = "providers: [{name: a, provider_type: openai}, {name: b, provider_type: openai, base_url: 'http://x:1'}]"

    found = load(text)

    assert [p.enabled for p in found.providers] == [False, True]
    assert any("a is off" in warning for warning in found.warnings)


def test_addresses_may_come_from_the_environment(load: Load) -> None:
    text = "providers: [{name: a, provider_type: vllm, base_url: 'env:WHERE'}, {name: b, provider_type: ollama}]"

    found = load(text, WHERE="http://gpu:8000", OLLAMA_URL="http://box:11434")

    assert [p.base_url for p in found.providers] == ["http://gpu:8000", "http://box:11434"]


def test_with_a_file_only_its_providers_exist(load: Load) -> None:
    found = load("providers: [{name: home, provider_type: sandbox}]", **KEYS)

    assert [p.name for p in found.providers] == ["home"]


def test_a_bomb_of_aliases_is_refused_before_it_goes_off(load: Load) -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))

    with pytest.raises(ConfigurationError, match="repeated by aliases"):
        load("a0: &a0 [x]\n" + levels)


def test_a_value_inside_itself_is_refused(load: Load) -> None:
    with pytest.raises(ConfigurationError):
        load("providers: &p [*p]\n")


def test_deep_nesting_is_refused(load: Load) -> None:
    with pytest.raises(ConfigurationError, match="nested deeper than 32"):
        load("providers: " + "[" * 100_000)


def test_a_huge_file_is_refused(load: Load) -> None:
    with pytest.raises(ConfigurationError, match="larger than"):
        load("# " + "x" * 1024 * 1024)


def test_yaml_cannot_make_objects(load: Load) -> None:
    with pytest.raises(ConfigurationError):
        load("providers: !!python/object/apply:os.getcwd []\n")


def test_what_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_providers(tmp_path / "nowhere.yaml", {})
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_providers(tmp_path, {})
    (tmp_path / "latin.yaml").write_bytes(b"a: b\nc: \xe4\n")
    with pytest.raises(ConfigurationError, match=r"latin\.yaml:2: not UTF-8"):
        load_providers(tmp_path / "latin.yaml", {})
