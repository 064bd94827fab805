from __future__ import annotations

import pytest

from app.domain.chat import ChatRequest, Credential, NativeBody, Wire
from app.domain.routing import Candidate, Plan, RoutingQuery
from app.domain.target import Target
from app.gateway.planning import Itinerary
from app.gateway.reasoning import ReasoningMemory
from app.gateway.rendition import Renderer, Rendition
from tests.fakes import FakeClock, ScriptedAdapter
from tests.gateway.conftest import ask, house

USER = {"role": "user", "content": "hello"}


def rendered(request: ChatRequest, most: int | None) -> Rendition:
    step = Candidate(Target("alpha", "m"), Credential(), max_output_tokens=most)
    itinerary = Itinerary(Plan((step,), "priority", "only"), request, None, {}, RoutingQuery(), deadline=60.0)
    way = house(alpha=ScriptedAdapter("x"))
    return Renderer(ReasoningMemory(FakeClock().now)).rendition(ask(way, request=request), itinerary, step)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_no_more_is_asked_for_than_the_model_can_write(name: str) -> None:
    rendition = rendered(ChatRequest([USER], {name: 100_000}), 8_192)

    assert rendition.request.parameters == {name: 8_192}
    assert rendition.warnings == (f"{name} was cut to 8192, the most that alpha/m writes",)


@pytest.mark.parametrize(("stated", "most"), [(8_192, 8_192), (100_000, None)])
def test_what_is_possible_or_unknown_stays(stated: int, most: int | None) -> None:
    request = ChatRequest([USER], {"max_tokens": stated})

    assert rendered(request, most) == Rendition(request)


def test_the_callers_own_wire_is_cut_alike() -> None:
    native = NativeBody(Wire.MESSAGES, {"max_tokens": 100_000, "system": "x"})

    sent = rendered(ChatRequest([USER], {"max_tokens": 100_000}, native), 8_192).request.native

    assert sent == NativeBody(Wire.MESSAGES, {"max_tokens": 8_192, "system": "x"})
