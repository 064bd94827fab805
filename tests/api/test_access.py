"""Default deny: every operation has a row, and every row is held."""

from __future__ import annotations

from itertools import product

import pytest
from pydantic import SecretStr

from app.api.access import ACCESS, Open
from app.domain.caller import Scope
from app.main import create_app
from app.services import GatewayKey
from tests.api.conftest import client_of
from tests.api.speaking import error_of
from tests.fakes_edge import fake_services

KEYS = {scope: f"key-for-{scope.value}-0123456789" for scope in Scope}
CONFIGURED = tuple(GatewayKey.of(SecretStr(key), frozenset({scope})) for scope, key in KEYS.items())
BESIDE = ({Scope.READ}, {Scope.READ, Scope.DECISIONS}, {Scope.DECISIONS})
GUARDED = [(operation, row) for operation, row in ACCESS.items() if isinstance(row, Scope)]


def served() -> set[tuple[str, str]]:
    routes = [route for route in create_app(fake_services()).routes if hasattr(route, "path")]
    assert all(hasattr(route, "methods") for route in routes)
    return {(m, str(getattr(r, "path", ""))) for r in routes for m in getattr(r, "methods", None) or () if m != "HEAD"}


def test_every_route_and_method_has_a_row_and_every_row_a_route() -> None:
    app = create_app(fake_services())

    assert all(hasattr(route, "path") and getattr(route, "methods", None) for route in app.routes)
    assert served() == set(ACCESS)


@pytest.mark.parametrize(("operation", "row"), GUARDED)
async def test_without_a_key_nothing_but_the_open_operations_is_served(operation: tuple[str, str], row: Scope) -> None:
    async with client_of(fake_services(keys=CONFIGURED)) as client:
        bare = await client.request(operation[0], concrete(operation[1]))
        wrong = await client.request(operation[0], concrete(operation[1]), headers={"x-api-key": "not-a-key-at-all"})

    error_of(bare, 401, "caller_unauthenticated")
    error_of(wrong, 401, "caller_unauthenticated")
    assert bare.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(("guarded", "scope"), list(product(GUARDED, Scope)))
async def test_a_key_opens_what_its_scope_names_and_nothing_else(
    guarded: tuple[tuple[str, str], Scope], scope: Scope
) -> None:
    (method, path), wanted = guarded
    async with client_of(fake_services(keys=CONFIGURED)) as client:
        response = await client.request(method, concrete(path), headers={"authorization": f"Bearer {KEYS[scope]}"})

    if scope in (wanted, Scope.ADMIN):
        assert response.status_code not in (401, 403)
    else:
        error_of(response, 403, "caller_not_permitted")


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
async def test_a_key_may_come_in_three_headers(header: str) -> None:
    value = KEYS[Scope.READ] if header != "authorization" else f"Bearer {KEYS[Scope.READ]}"
    async with client_of(fake_services(keys=CONFIGURED)) as client:
        assert (await client.get("/providers", headers={header: value})).status_code == 200


@pytest.mark.parametrize("value", ["Basic abc", "Bearer", "Bearer ", "bearer wrong", "\xff"])
async def test_a_wrong_authorization_header_is_a_401(value: str) -> None:
    async with client_of(fake_services(keys=CONFIGURED)) as client:
        response = await client.get("/providers", headers={b"authorization": value.encode("latin-1")})

    error_of(response, 401, "caller_unauthenticated")


async def test_health_is_open_and_metrics_are_for_this_machine_or_a_reader() -> None:
    services = fake_services(keys=CONFIGURED)
    reader = {"x-api-key": KEYS[Scope.READ]}
    async with client_of(services, peer="10.1.2.3") as far, client_of(services) as near:
        assert (await far.get("/health/live")).status_code == 200
        assert (await far.get("/health/ready")).status_code == 200
        assert (await near.get("/metrics")).text == "up 1\n"
        error_of(await far.get("/metrics"), 401, "caller_unauthenticated")
        error_of(await far.get("/metrics", headers={"x-api-key": KEYS[Scope.CHAT]}), 403, "caller_not_permitted")
        error_of(await near.get("/metrics", headers={"x-forwarded-for": "1.1.1.1"}), 401, "caller_unauthenticated")
        assert (await far.get("/metrics", headers=reader)).status_code == 200


async def test_nobody_without_a_key_learns_which_routes_there_are() -> None:
    async with client_of(fake_services(keys=CONFIGURED)) as client:
        error_of(await client.get("/no/such/route"), 401, "caller_unauthenticated")
        error_of(await client.get("/chat"), 401, "caller_unauthenticated")


async def test_with_keys_a_foreign_origin_and_a_proxy_are_served() -> None:
    headers = {"x-api-key": KEYS[Scope.READ], "x-forwarded-for": "1.1.1.1", "origin": "https://desk.test"}
    async with client_of(fake_services(keys=CONFIGURED), peer="10.1.2.3") as client:
        response = await client.get("https://gateway.test/providers", headers=headers)

    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


async def test_the_words_in_a_bundle_want_the_scope_of_decisions_as_well() -> None:
    keys = {scopes: f"key-for-{'-and-'.join(sorted(scopes))}-0123456789" for scopes in map(frozenset, BESIDE)}
    services = fake_services(keys=tuple(GatewayKey.of(SecretStr(key), scopes) for scopes, key in keys.items()))
    async with client_of(services) as client:
        reader, both, decider = ({"x-api-key": key} for key in keys.values())
        path = "/audit/dec-1/bundle"

        assert (await client.get(path, headers=reader)).json() == {"decision_id": "dec-1"}
        assert (await client.get(f"{path}?words=false", headers=reader)).status_code == 200
        refused = error_of(await client.get(f"{path}?words=true", headers=reader), 403, "caller_not_permitted")
        assert "the scope decisions" in refused["message"]
        assert (await client.get(f"{path}?words=true", headers=both)).json()["words"] == []
        error_of(await client.get(f"{path}?words=true", headers=decider), 403, "caller_not_permitted")
        wrong = error_of(await client.get(f"{path}?words=all", headers=both), 422, "caller_invalid_field")
        assert wrong["param"] == "words"


def test_a_key_is_in_no_representation() -> None:
    assert "key-for" not in repr(CONFIGURED)


def test_open_rows_are_few() -> None:
    assert {operation for operation, row in ACCESS.items() if isinstance(row, Open)} == {
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
    }


def concrete(path: str) -> str:
    """A path of this template."""
    return (
        path.replace("{agent_id}", "1")
        .replace("{config_id}", "1")
        .replace("{decision_id}", "d1")
        .replace("{model_id:path}", "alpha/alpha-1")
    )
