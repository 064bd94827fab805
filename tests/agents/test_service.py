"""Agents and configurations as callers manage them."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from decimal import Decimal
from typing import Any

import anyio
import pytest
from pydantic import SecretStr

from app.agents.changes import ConfigChange
from app.agents.hints import hint_of
from app.domain.errors import Code, NotFound, RequestRejected, StorageUnavailable
from tests.agents.conftest import House

ALPHA_1 = ConfigChange(provider="alpha", model_name="alpha-1")
KEY = SecretStr("sk-proj-0123456789-4f2a")


async def _agent(house: House) -> int:
    return (await house.service.create("desk", None, {})).id


async def _wrong_fields(house: House, change: ConfigChange) -> set[str]:
    with pytest.raises(RequestRejected) as raised:
        await house.service.add_config(await _agent(house), change)
    assert raised.value.code is Code.INVALID_FIELD
    assert raised.value.status == 422
    return {violation.field for violation in raised.value.violations}


async def test_a_change_is_in_the_directory_when_the_call_returns(house: House) -> None:
    agent_id = await _agent(house)
    config, _ = await house.service.put_primary(agent_id, replace(ALPHA_1, api_key=KEY))
    assert house.config_fields(agent_id) == [{"id": config.id, "model": "alpha-1", "key": KEY}]

    await house.service.patch_config(agent_id, config.id, ConfigChange(model_name="alpha-2"))
    assert house.config_fields(agent_id) == [{"id": config.id, "model": "alpha-2", "key": KEY}]

    await house.service.update(agent_id, {"name": "other", "enabled": False})
    entry = house.directory.get(agent_id)
    assert entry is not None
    assert (entry.agent.name, entry.agent.enabled) == ("other", False)

    await house.service.delete_config(agent_id, config.id)
    assert house.config_fields(agent_id) == []

    await house.service.delete(agent_id)
    assert house.directory.get(agent_id) is None


async def test_a_put_creates_once_and_then_replaces(house: House) -> None:
    agent_id = await _agent(house)

    first, first_is_new = await house.service.put_primary(agent_id, replace(ALPHA_1, temperature=0.7, max_tokens=5))
    second, second_is_new = await house.service.put_primary(agent_id, ALPHA_1)

    assert (first_is_new, second_is_new) == (True, False)
    assert (second.id, second.temperature, second.max_tokens) == (first.id, None, None)


async def test_a_put_replaces_the_enabled_one_with_the_lowest_priority(house: House) -> None:
    agent_id = await _agent(house)
    await house.service.add_config(agent_id, replace(ALPHA_1, priority=1, enabled=False))
    await house.service.add_config(agent_id, replace(ALPHA_1, priority=9))
    primary = await house.service.add_config(agent_id, replace(ALPHA_1, priority=3))

    put, is_new = await house.service.put_primary(agent_id, ConfigChange(provider="beta", model_name="beta-1"))

    assert (put.id, put.priority, is_new) == (primary.id, 3, False)


async def test_repeating_a_put_that_disables_adds_nothing(house: House) -> None:
    agent_id = await _agent(house)

    for _ in range(3):
        await house.service.put_primary(agent_id, replace(ALPHA_1, enabled=False))

    assert len(await house.service.configs(agent_id)) == 1


async def test_puts_at_once_make_one_configuration(house: House) -> None:
    agent_id = await _agent(house)

    async with anyio.create_task_group() as callers:
        for _ in range(10):
            callers.start_soon(house.service.put_primary, agent_id, ALPHA_1)

    assert len(await house.service.configs(agent_id)) == 1


async def test_an_absent_key_keeps_the_stored_one_and_null_removes_it(house: House) -> None:
    agent_id = await _agent(house)
    stored, _ = await house.service.put_primary(agent_id, replace(ALPHA_1, api_key=KEY))
    kept, _ = await house.service.put_primary(agent_id, ALPHA_1)
    removed, _ = await house.service.put_primary(agent_id, replace(ALPHA_1, api_key=None))

    assert (stored.api_key, stored.api_key_hint) == (KEY, "sk-…4f2a")
    assert (kept.api_key, kept.api_key_hint, kept.key_origin) == (KEY, "sk-…4f2a", "https://a.test")
    assert (removed.api_key, removed.api_key_hint, removed.key_origin) == (None, None, None)


async def test_a_stored_key_does_not_follow_to_another_origin(house: House) -> None:
    agent_id = await _agent(house)
    config, _ = await house.service.put_primary(agent_id, replace(ALPHA_1, api_key=KEY))

    with pytest.raises(RequestRejected) as raised:
        await house.service.patch_config(agent_id, config.id, ConfigChange(provider="beta", model_name="beta-1"))

    assert [violation.field for violation in raised.value.violations] == ["api_key"]
    assert house.config_fields(agent_id) == [{"id": config.id, "model": "alpha-1", "key": KEY}]


async def test_a_stored_key_does_not_follow_a_provider_that_moved(house: House) -> None:
    agent_id = await _agent(house)
    await house.service.put_primary(agent_id, replace(ALPHA_1, api_key=KEY))
    house.providers.origins["alpha"] = "https://elsewhere.test"

    with pytest.raises(RequestRejected, match="api_key"):
        await house.service.put_primary(agent_id, replace(ALPHA_1, temperature=0.1))


async def test_a_key_needs_encryption_keys_and_nothing_else_does(house: House) -> None:
    agent_id = (await house.without_keys.create("desk", None, {})).id

    with pytest.raises(StorageUnavailable, match="ENCRYPTION_KEYS"):
        await house.without_keys.put_primary(agent_id, replace(ALPHA_1, api_key=KEY))
    await house.without_keys.put_primary(agent_id, ALPHA_1)

    assert [field["model"] for field in house.config_fields(agent_id)] == ["alpha-1"]


async def test_an_unreadable_key_is_red_kept_by_other_changes_and_removed_by_null(house: House) -> None:
    agent_id = await _agent(house)
    config, _ = await house.service.put_primary(agent_id, replace(ALPHA_1, api_key=KEY))

    await house.without_keys.patch_config(agent_id, config.id, ConfigChange(priority=4))
    assert house.directory.undecryptable == 1
    await house.service.refresh()
    assert house.config_fields(agent_id)[0]["key"] == KEY

    await house.without_keys.patch_config(agent_id, config.id, ConfigChange(api_key=None))
    assert house.directory.undecryptable == 0


async def test_prices_that_nobody_states_come_from_the_catalog(house: House) -> None:
    agent_id = await _agent(house)

    listed = await house.service.add_config(agent_id, ALPHA_1)
    stated = await house.service.add_config(agent_id, replace(ALPHA_1, cost_per_1k_input_tokens=Decimal("0.5")))
    unknown = await house.service.add_config(agent_id, ConfigChange(provider="beta", model_name="beta-1"))

    assert listed.cost_per_1k_input_tokens == Decimal("0.00015")
    assert listed.cost_per_1k_output_tokens == Decimal("0.0006")
    assert stated.cost_per_1k_input_tokens == Decimal("0.5")
    assert unknown.cost_per_1k_input_tokens is None


async def test_prices_of_a_model_do_not_follow_to_another(house: House) -> None:
    agent_id = await _agent(house)
    config = await house.service.add_config(agent_id, ALPHA_1)

    same = await house.service.patch_config(agent_id, config.id, ConfigChange(model_name="alpha-1", priority=2))
    moved = await house.service.patch_config(agent_id, config.id, ConfigChange(model_name="alpha-2"))

    assert same.cost_per_1k_input_tokens == Decimal("0.00015")
    assert moved.cost_per_1k_input_tokens is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"priority": 2**31}, "priority"),
        ({"cost_per_1k_input_tokens": Decimal(-1)}, "cost_per_1k_input_tokens"),
        ({"cost_per_1k_output_tokens": Decimal("NaN")}, "cost_per_1k_output_tokens"),
        ({"metadata": {"x": "y" * 16_384}}, "metadata"),
        ({"metadata": {"x": float("inf")}}, "metadata"),
        ({"provider": "nobody"}, "provider"),
        ({"provider": "a\x00"}, "provider"),
        ({"model_name": "alpha-9"}, "model_name"),
        ({"model_name": ""}, "model_name"),
        ({"fallback_provider": "nobody"}, "fallback_provider"),
        ({"fallback_provider": "beta", "fallback_model": "alpha-1"}, "fallback_model"),
        ({"api_key": SecretStr("two words")}, "api_key"),
        ({"api_key": SecretStr("")}, "api_key"),
    ],
)
async def test_each_wrong_field_is_named(house: House, changes: dict[str, Any], field: str) -> None:
    assert await _wrong_fields(house, replace(ALPHA_1, **changes)) == {field}


async def test_all_wrong_fields_are_named_together(house: House) -> None:
    change = replace(ALPHA_1, temperature=9.0, top_p=9.0, api_key=SecretStr("a b"))

    assert await _wrong_fields(house, change) == {"temperature", "top_p", "api_key"}


async def test_a_new_configuration_needs_a_provider_and_a_model(house: House) -> None:
    assert await _wrong_fields(house, ConfigChange()) == {"provider", "model_name"}


async def test_limits_themselves_are_allowed(house: House) -> None:
    agent_id = await _agent(house)

    for change in ({"temperature": 0.0, "top_p": 1.0, "max_tokens": 1}, {"temperature": 2.0, "top_p": 0.001}):
        await house.service.add_config(agent_id, replace(ALPHA_1, **change))  # type: ignore[arg-type]


async def test_a_model_that_nobody_knows_about_is_accepted(house: House) -> None:
    config = await house.service.add_config(
        await _agent(house), ConfigChange(provider="openai", model_name="unlisted-model")
    )

    assert config.model_name == "unlisted-model"


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\x00b", "a\nb", "\ud800"])
async def test_a_name_that_is_none_is_refused(house: House, name: str) -> None:
    with pytest.raises(RequestRejected) as raised:
        await house.service.create(name, None, {})

    assert [violation.field for violation in raised.value.violations] == ["name"]


async def test_who_is_not_there_is_not_found(house: House) -> None:
    agent_id = await _agent(house)

    without_agent: list[Coroutine[Any, Any, object]] = [
        house.service.get(404),
        house.service.update(404, {"name": "x"}),
        house.service.delete(404),
        house.service.configs(404),
        house.service.put_primary(404, ALPHA_1),
        house.service.validate_config(404),
    ]
    for call in without_agent:
        with pytest.raises(NotFound) as raised:
            await call
        assert raised.value.code is Code.UNKNOWN_AGENT
    without_config: list[Coroutine[Any, Any, object]] = [
        house.service.patch_config(agent_id, 404, ALPHA_1),
        house.service.delete_config(agent_id, 404),
        house.service.validate_config(agent_id),
    ]
    for call in without_config:
        with pytest.raises(NotFound):
            await call


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("sk-proj-0123456789-4f2a", "sk-…4f2a"),
        ("gsk_0123456789abcdef", "gsk_…cdef"),
        ("0123456789abcdef", "…cdef"),
        ("short", "…"),
    ],
)
def test_a_hint_shows_the_vendor_and_the_end(key: str, hint: str) -> None:
    assert hint_of(SecretStr(key)) == hint
