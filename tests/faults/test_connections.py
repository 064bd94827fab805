"""Providers that cannot be connected to, or only wrongly: a typed reply in time, or another provider's answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

from app.domain.errors import CONSEQUENCES, Code
from tests.behaviours import Answer, Behaviour, HangUp, Redirect, Refuse, Stream
from tests.e2e.nursery import Nursery
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, provider
from tests.faults.aftermath import Aftermath, ask, assert_typed
from tests.faults.certificates import Authority
from tests.faults.house import CHAT, DEADLINE, ENVIRONMENT, TIMEOUTS, House
from tests.upstream import Upstream

UNREACHABLE, TIMEOUT, BAD = {"provider_unreachable"}, {"provider_timeout"}, {"provider_bad_answer"}
PLACES: Final[Mapping[str, set[str]]] = {
    "a full backlog": TIMEOUT,
    "an unknown name": UNREACHABLE | TIMEOUT,  # as fast as the machine's own name server is
    "a certificate of nobody's": UNREACHABLE,
    "an expired certificate": UNREACHABLE,
    "another's certificate": UNREACHABLE,
    "no TLS where TLS is wanted": UNREACHABLE | TIMEOUT,
    "TLS where none is wanted": UNREACHABLE | BAD,
}
WELL = "good TLS"


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that listens and whose queue is full: connecting to it hangs."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


class Street:
    """A gateway with a provider at each of the places, one with good TLS, and a healthy one behind them all."""

    def __init__(self, gateway: Service, upstreams: list[Upstream], names: Mapping[str, str]) -> None:
        self.gateway, self.names = gateway, names
        for place in (WELL, WELL):
            assert ask(gateway.client, CHAT, {"model": f"{names[place]}/m", "messages": HELLO}).status == 200
        self.aftermath = Aftermath(gateway, upstreams)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("street")
    ours, nobodys = Authority(folder), Authority(folder, "nobody")
    with ExitStack() as stack:

        def upstream(**options: object) -> Upstream:
            return stack.enter_context(Upstream(Answer("well"), models=("m",), **options))  # type: ignore[arg-type]

        well = upstream(tls=ours.server())
        plain = upstream()
        expired, foreign = upstream(tls=ours.server(days=(-9, -2))), upstream(tls=ours.server(host="127.0.0.2"))
        unknown = upstream(tls=nobodys.server())
        urls = {
            WELL: well.url,
            "a full backlog": f"http://127.0.0.1:{stack.enter_context(full_backlog())}",
            "an unknown name": "http://nowhere.invalid",
            "a certificate of nobody's": unknown.url,
            "an expired certificate": expired.url,
            "another's certificate": foreign.url,
            "no TLS where TLS is wanted": plain.url.replace("http:", "https:"),
            "TLS where none is wanted": well.url.replace("https:", "http:"),
        }
        names = {place: f"place{number}" for number, place in enumerate(urls)}
        rows = [
            {**provider(names[place], plain, priority=1, models=["m", place], timeouts=TIMEOUTS), "base_url": url}
            for place, url in urls.items()
        ]
        rows.append(provider("beta", plain, priority=2, models=list(urls)))
        env = {**ENVIRONMENT, "SSL_CERT_FILE": str(ours.trusted)}
        gateway = stack.enter_context(Service(folder, providers=rows, env=env, nursery=gateway_nursery))
        yield Street(gateway, [well, plain, expired, foreign, unknown], names)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_where_no_connection_is_possible_there_is_a_typed_reply_in_time(
    street: Street, place: str, stream: bool
) -> None:
    name, before = street.names[place], street.aftermath.samples()

    reply = ask(street.gateway.client, CHAT, {"model": f"{name}/m", "messages": HELLO, "stream": stream})

    assert_typed(reply, within=TIMEOUTS["total"])
    assert reply.code in PLACES[place], reply
    assert reply.status == CONSEQUENCES[Code(reply.code)].status
    street.aftermath.assert_moved(before, "outcry_attempts_total", provider=name, code=reply.code)
    street.aftermath.assert_given_back()


@pytest.mark.parametrize("place", PLACES)
def test_where_no_connection_is_possible_another_answers(street: Street, place: str) -> None:
    reply = ask(street.gateway.client, CHAT, {"model": place, "messages": HELLO})

    assert_typed(reply, within=DEADLINE)
    assert (reply.status, reply.headers["x-outcry-provider"]) == (200, "beta"), reply
    assert reply.headers["x-outcry-fallback"] == "true"
    street.aftermath.assert_given_back()


def test_a_certificate_of_a_trusted_authority_is_taken(street: Street) -> None:
    street.aftermath.assert_serves(CHAT, {"model": f"{street.names[WELL]}/m"}, "well")


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_redirect_inward_is_not_followed(shared_house: House, dialect: str, stream: bool) -> None:
    inward = f"{shared_house.beta.url}/v1/chat/completions"
    upstream = shared_house.script(dialect, Redirect(inward))

    reply = shared_house.ask(dialect, alone=True, stream=stream)

    assert (reply.status, reply.code) == (502, "provider_bad_answer")
    assert (upstream.calls, shared_house.beta.calls) == (1, 0)
    assert inward not in reply.text
    shared_house.assert_recovers(dialect)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("lost", [HangUp(), Stream(reset_after=None)], ids=["hang-up", "idle"])
def test_a_kept_connection_that_its_server_gave_up_is_nobodys_failure(
    shared_house: House, lost: Behaviour, stream: bool
) -> None:
    upstream = shared_house.script("openai", Answer("one"), lost, Answer("two"))
    assert shared_house.ask("openai", alone=True).status == 200

    replies = [shared_house.ask("openai", alone=True, stream=stream) for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200]
    assert [reply.headers["x-outcry-attempts"] for reply in replies] == ["1", "1"]
    assert upstream.calls >= 3
    shared_house.assert_recovers("openai")


@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_was_started_again_is_found_again(shared_house: House, stream: bool) -> None:
    upstream = shared_house.script("openai", Answer("one"))
    assert shared_house.ask("openai", alone=True).status == 200
    upstream.behave(Refuse())
    assert shared_house.ask("openai", alone=True).code == "provider_unreachable"
    upstream.behave(Answer("two"))

    reply = shared_house.ask("openai", alone=True, stream=stream)

    assert (reply.status, reply.headers["x-outcry-attempts"]) == (200, "1")
    shared_house.assert_recovers("openai")
