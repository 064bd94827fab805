"""Callers who leave, at every moment: what is done for them stops at once, and nobody is blamed for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.behaviours import Answer, Drip, Silent, Stream
from tests.e2e.markets import vote
from tests.e2e.nursery import Nursery
from tests.faults.caller import Caller, head, request
from tests.faults.reception import ROUTES, STREAMS, Reception, reception

Leave = Callable[[Caller], None]
TICKS = ("tick",) * 2_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[Reception]:
    with reception(tmp_path_factory.mktemp("leaving"), nursery=gateway_nursery) as one:
        yield one


@pytest.fixture(autouse=True)
def _well_afterwards(place: Reception) -> Iterator[None]:
    yield
    place.assert_well()


def each_way(paths: Iterable[str]) -> pytest.MarkDecorator:
    """Each of these paths left in good order, and one of them with a reset."""
    ways: list[tuple[str, Leave]] = [("/chat", Caller.vanish), *((path, Caller.leave) for path in paths)]
    return pytest.mark.parametrize(("path", "leave"), ways, ids=[f"{path}-{way.__name__}" for path, way in ways])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_way(ROUTES)
def test_a_caller_who_leaves_before_the_first_byte_stops_the_call(
    place: Reception, path: str, stream: bool, leave: Leave
) -> None:
    before, closed = place.aftermath.samples(), place.expects(Silent())
    caller = place.caller()
    asked = caller.ask(path, {**ROUTES[path], "stream": stream})
    assert place.is_asked()

    leave(caller)

    place.seconds_until_closed(closed)
    place.assert_cancelled(before, path, asked)


@each_way(STREAMS)
def test_a_caller_who_leaves_within_a_stream_stops_the_call(place: Reception, path: str, leave: Leave) -> None:
    before, closed = place.aftermath.samples(), place.expects(Stream(TICKS, gap=0.01))
    caller = place.caller()
    asked = caller.ask(path, {**ROUTES[path], "stream": True})
    for _ in range(3):
        caller.until(b"tick")

    leave(caller)

    place.seconds_until_closed(closed)
    place.assert_cancelled(before, path, asked)


@each_way(STREAMS)
def test_a_caller_who_leaves_between_the_last_word_and_the_end_stops_the_call(
    place: Reception, path: str, leave: Leave
) -> None:
    before, closed = place.aftermath.samples(), place.expects(Stream(("one", " last"), stall_after=2))
    caller = place.caller()
    asked = caller.ask(path, {**ROUTES[path], "stream": True})
    caller.until(b"last")

    leave(caller)

    place.seconds_until_closed(closed)
    place.assert_cancelled(before, path, asked)


def test_a_caller_who_leaves_between_two_votes_stops_the_one_that_is_missing(place: Reception) -> None:
    before, closed = place.aftermath.samples(), place.expects(Answer(vote("BUY")), Silent())
    caller = place.caller()
    asked = caller.ask(
        "/decisions", {**ROUTES["/decisions"], "models": ["alpha/alpha-1", "alpha/alpha-2"], "stream": True}
    )
    assert place.is_asked(2)
    caller.until(b"event: vote")

    caller.leave()

    place.seconds_until_closed(closed)
    place.assert_cancelled(before, "/decisions", asked)


@pytest.mark.parametrize("path", ROUTES)
def test_a_caller_who_leaves_while_the_provider_drips_its_answer_stops_the_call(place: Reception, path: str) -> None:
    before, closed = place.aftermath.samples(), place.expects(Drip(gap=0.05))
    caller = place.caller()
    asked = caller.ask(path, ROUTES[path])
    assert place.is_asked()

    caller.leave()

    place.seconds_until_closed(closed)
    place.assert_cancelled(before, path, asked)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each_way(ROUTES)
def test_a_caller_who_leaves_with_the_answer_on_its_way_leaves_nothing_behind(
    place: Reception, path: str, stream: bool, leave: Leave
) -> None:
    before = place.aftermath.samples()
    place.expects(Answer("to nobody"))
    caller = place.caller()
    caller.ask(path, {**ROUTES[path], "stream": stream})
    assert place.is_asked()

    leave(caller)

    place.aftermath.assert_moved(before, "outcry_requests_total", route=path)
    place.assert_unharmed(before)


@each_way(ROUTES)
def test_a_caller_who_leaves_within_the_body_is_counted_and_asks_nothing(
    place: Reception, path: str, leave: Leave
) -> None:
    before = place.aftermath.samples()
    place.expects(Answer())
    caller = place.caller()
    said, _, body = request(path, ROUTES[path], {"expect": "100-continue"}).partition(b"\r\n\r\n")
    caller.say(said + b"\r\n\r\n")
    caller.until(b"100 Continue")  # so it is being read: what a reset overtakes was never there
    caller.say(body[:-5])

    leave(caller)

    place.aftermath.assert_moved(before, "outcry_requests_total", route=path, status="499", code="caller_cancelled")
    assert place.alpha.calls == 0


@pytest.mark.parametrize("leave", [Caller.leave, Caller.vanish], ids=["leave", "vanish"])
@pytest.mark.parametrize(
    "said",
    [b"", b"P", b"POST /chat HTTP/1.1\r\nho", head("POST", "/chat", {"host": "localhost", "content-length": "9"})[:-2]],
    ids=["nothing", "a-letter", "half-a-head", "no-blank-line"],
)
def test_a_caller_who_leaves_within_the_head_leaves_nothing_behind(place: Reception, said: bytes, leave: Leave) -> None:
    place.expects(Answer())
    caller = place.caller()
    caller.say(said)

    leave(caller)

    place.aftermath.assert_given_back()
    assert place.alpha.calls == 0


def test_a_caller_who_leaves_with_more_requests_behind_the_first_stops_them_all(place: Reception) -> None:
    before, closed = place.aftermath.samples(), place.expects(Silent())
    caller = place.caller()
    asked = caller.ask("/chat", ROUTES["/chat"])
    assert place.is_asked()
    for _ in range(3):
        caller.ask("/chat", ROUTES["/chat"])

    caller.leave()

    place.seconds_until_closed(closed)
    place.assert_cancelled(before, "/chat", asked)
    assert place.alpha.calls == 1


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_caller_who_only_stops_sending_still_gets_the_answer(place: Reception, path: str, stream: bool) -> None:
    place.expects(Answer("the whole answer", delay=0.6))
    with place.caller() as caller:
        caller.ask(path, {**ROUTES[path], "stream": stream, **_patient(path)})
        caller.half_close()
        assert place.is_asked()

        reply = caller.reply()

        assert reply.status == 200, reply
        assert b"answer" in reply.body or path == "/decisions"
        assert caller.is_closed()


def test_a_caller_who_stops_sending_before_a_quiet_stream_ends_is_not_cut(place: Reception) -> None:
    place.expects(Stream(("one", " two", " three"), gap=0.3))
    with place.caller() as caller:
        caller.ask("/v1/chat/completions", {**ROUTES["/v1/chat/completions"], "stream": True})
        caller.until(b"one")
        caller.half_close()

        told = caller.rest()

    assert b"two" in told
    assert b"three" in told
    assert b"[DONE]" in told
    assert b": keep-alive" in told  # what finds out whether somebody still listens


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_caller_who_stops_sending_and_leaves_later_stops_the_call(place: Reception, stream: bool) -> None:
    before = place.aftermath.samples()
    closed = place.expects(Stream(("one", " two"), stall_after=1) if stream else Silent())
    caller = place.caller()
    asked = caller.ask("/chat", {**ROUTES["/chat"], "stream": stream})
    caller.half_close()
    assert place.is_asked()
    caller.until(b"one" if stream else b"100 Continue")

    caller.leave()

    place.seconds_until_closed(closed)
    place.assert_cancelled(before, "/chat", asked)


@pytest.mark.parametrize("said", [0.2, 0.8], ids=["early", "late"])
def test_a_caller_who_stops_sending_within_the_body_is_let_go(place: Reception, said: float) -> None:
    place.expects(Answer())
    whole = request("/chat", ROUTES["/chat"])
    with place.caller() as caller:
        caller.say(whole[: int(len(whole) * said)])
        caller.half_close()

        assert caller.is_closed(2)

    assert place.alpha.calls == 0


def test_pipelined_requests_are_all_answered_to_a_caller_who_has_stopped_sending(place: Reception) -> None:
    place.expects(Answer("each"))
    with place.caller() as caller:
        caller.say(request("/chat", ROUTES["/chat"]) * 5)
        caller.half_close()

        said = [caller.reply().json["content"] for _ in range(5)]

        assert said == ["each"] * 5
        assert caller.is_closed()


def _patient(path: str) -> dict[str, Any]:
    return {"deadline_ms": 20_000} if path == "/decisions" else {}
