"""The gateway calls registered tools itself, in rounds with the model, and puts every call on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviours import Answer, Status, Stream, ToolCall
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, PATIENT, error_of, metrics, provider, streamed, total, within
from tests.tool_server import ToolServer
from tests.upstream import Upstream

SECRET = "Bearer tk-very-secret-0123456789abcdef"
SYMBOL = {"type": "object", "properties": {"symbol": {"type": "string", "maxLength": 20}}, "required": ["symbol"]}
BTC = '{"symbol": "BTC/USDT"}'


class House:
    """A gateway with two providers and a tool server."""

    def __init__(self, gateway: Service, alpha: Upstream, beta: Upstream, tools: ToolServer) -> None:
        self.gateway, self.alpha, self.beta, self.tools = gateway, alpha, beta, tools
        self.client = gateway.client

    def register(self, path: str, **changes: Any) -> str:
        """The tool of a behaviour, by its name; registered when it is not."""
        name = changes.pop("name", f"get_{path}")
        body = {"name": name, "description": "a tool", "parameters": SYMBOL, "url": self.tools.url(path), **changes}
        made = self.client.post("/tools", json=body)
        assert made.status_code in (201, 409), made.text
        return str(name)

    def chat(self, *tools: Any, **extra: Any) -> dict[str, Any]:
        answer = self.client.post("/chat", json={"messages": HELLO, "tools": list(tools), **extra})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def heard(self, request: int = -1) -> list[dict[str, Any]]:
        """The messages of one request that the first provider got."""
        body = self.alpha.requests[request].body
        assert body is not None
        messages: list[dict[str, Any]] = body["messages"]
        return messages

    def calls(self, name: str, **asked: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.client.get(f"/tools/{name}/calls", params=asked).json()["items"]
        return items


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(start_once: StartService, upstream_once: StartUpstream, request: pytest.FixtureRequest) -> Iterator[House]:
    alpha, beta = upstream_once(), upstream_once(models=("beta-1",))
    cost = {"input_per_1m_tokens": 1, "output_per_1m_tokens": 2}
    database = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with ToolServer() as tools:
        gateway = start_once(
            providers=[provider("alpha", alpha, priority=1, cost=cost), provider("beta", beta, priority=2, cost=cost)],
            env={**PATIENT, "OUTCRY_ALLOWED_PRIVATE_HOSTS": tools.host, "OUTCRY_TOOLS__MAX_ROUNDS": "3"},
            database_url=database,
        )
        yield House(gateway, alpha, beta, tools)


@pytest.fixture(autouse=True)
def _fresh(house: House) -> None:
    house.alpha.behave(Answer("alpha answers"))
    house.beta.behave(Answer("beta answers"))
    house.alpha.forget()
    house.beta.forget()
    house.tools.forget()


def calling(*calls: ToolCall) -> Answer:
    """A turn that only calls."""
    return Answer("", tool_calls=calls, finish_reason="tool_calls")


def test_a_tool_is_registered_read_listed_and_deleted(house: House) -> None:
    client = house.client
    name = house.register("price", name="to_delete", headers={"authorization": SECRET}, timeout_ms=2500)

    read = client.get(f"/tools/{name}").json()
    listed = client.get("/tools", params={"limit": 1000}).json()["items"]
    again = client.post("/tools", json={**_body(read), "url": house.tools.url("price")})
    deleted = client.delete(f"/tools/{name}")

    assert (read["header_names"], read["timeout_ms"], read["enabled"]) == (["authorization"], 2500, True)
    assert name in [tool["name"] for tool in listed]
    error_of(again, 409, "caller_conflict")
    assert deleted.status_code == 204
    error_of(client.get(f"/tools/{name}"), 404, "caller_not_found")
    error_of(client.delete(f"/tools/{name}"), 404, "caller_not_found")
    assert SECRET not in json.dumps([read, listed])


def _body(read: dict[str, Any]) -> dict[str, Any]:
    return {name: read[name] for name in ("name", "description", "parameters")}


def test_the_model_calls_a_tool_and_answers_with_what_it_said(house: House) -> None:
    name = house.register("price")
    house.alpha.behave(calling(ToolCall(name, BTC)), Answer("it is at 64231.5"))

    answer = house.chat(name)

    assert answer["content"] == "it is at 64231.5"
    assert [one["status"] for one in answer["tool_calls_made"]] == ["ok"]
    assert answer["tool_calls"] == []
    assert house.tools.asked[0].arguments == {"symbol": "BTC/USDT"}
    *_, said, result = house.heard()
    assert said["tool_calls"][0]["function"]["name"] == name
    assert (result["role"], result["tool_call_id"], json.loads(result["content"])) == (
        "tool",
        "call_1",
        {"price": 64231.5},
    )


def test_usage_cost_and_attempts_are_those_of_all_rounds(house: House) -> None:
    name = house.register("price")
    house.alpha.behave(calling(ToolCall(name, BTC)), Answer("done"))

    answer = house.chat(name)

    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (22, 14)
    assert answer["cost_usd"] == "0.00005"
    assert [one["provider"] for one in answer["attempts"]] == ["alpha", "alpha"]


def test_a_call_says_whose_it_is_and_bears_its_secret(house: House) -> None:
    name = house.register("echo", headers={"authorization": SECRET})
    house.alpha.behave(calling(ToolCall(name, BTC, id="call_7")), Answer("done"))

    house.client.post("/chat", json={"messages": HELLO, "tools": [name]}, headers={"x-request-id": "req-of-mine"})

    headers = house.tools.asked[0].headers
    assert headers["authorization"] == SECRET
    assert (headers["x-outcry-tool"], headers["x-outcry-tool-call-id"]) == (name, "call_7")
    assert (headers["x-outcry-request-id"], headers["x-outcry-hop"]) == ("req-of-mine", "1")
    assert "tk-very-secret" not in json.dumps(house.heard())
    assert "tk-very-secret" not in house.gateway.log


@pytest.mark.parametrize(
    ("path", "status", "code", "http_status", "told"),
    [
        ("fail", "failed", "tool_error", 500, "the tool answered 500: boom with the key [redacted]"),
        ("refuse", "failed", "tool_refused", 404, "the tool answered 404: no such symbol"),
        ("redirect", "failed", "tool_redirected", 302, "the tool answered 302, and no redirect is followed"),
        ("reset", "failed", "tool_bad_answer", None, "the connection broke before the tool had answered"),
        ("slow", "timeout", "tool_timeout", None, "the tool did not answer within 0.2 s"),
    ],
)
def test_a_failing_tool_is_told_to_the_model_and_never_fails_the_request(
    house: House, path: str, status: str, code: str, http_status: int | None, told: str
) -> None:
    name = house.register(path, timeout_ms=200)
    house.alpha.behave(calling(ToolCall(name, BTC)), Answer("never mind"))
    before = total(metrics(house.client), "outcry_tool_calls_total", tool=name, outcome=status)

    answer = house.chat(name)

    made = answer["tool_calls_made"][0]
    assert answer["content"] == "never mind"
    assert (made["status"], made["code"], made["http_status"]) == (status, code, http_status)
    assert json.loads(house.heard()[-1]["content"]) == {"error": told}
    assert len(answer["tool_calls_made"]) == 1
    assert [one.path for one in house.tools.asked] == [f"/{path}"], house.tools.asked
    assert within(5, lambda: bool(house.calls(name)))
    assert house.calls(name)[0]["message"] == told
    assert total(metrics(house.client), "outcry_tool_calls_total", tool=name, outcome=status) == before + 1


def test_a_closed_port_is_told_like_any_failure(house: House) -> None:
    name = house.register("price")
    gone = "gone"
    house.client.post(
        "/tools",
        json={"name": gone, "description": "-", "parameters": SYMBOL, "url": "https://tool.invalid/x"},
    )
    house.alpha.behave(calling(ToolCall(gone, BTC)), Answer("never mind"))

    made = house.chat(gone, name)["tool_calls_made"][0]

    assert (made["status"], made["code"]) == ("failed", "tool_unreachable")


def test_a_huge_answer_is_cut_with_a_note(house: House) -> None:
    name = house.register("huge")
    house.alpha.behave(calling(ToolCall(name, BTC)), Answer("done"))

    answer = house.chat(name)

    text = house.heard()[-1]["content"]
    assert answer["tool_calls_made"][0]["status"] == "ok"
    assert text.startswith("x" * 65_536)
    assert text.endswith("[cut here: the tool said more than 65536 bytes]")


@pytest.mark.parametrize("arguments", ["{", "[]", "{}", '{"symbol": 7}', '{"symbol": "far too long for any symbol"}'])
def test_wrong_arguments_are_told_to_the_model_and_the_tool_is_not_called(house: House, arguments: str) -> None:
    name = house.register("price")
    house.alpha.behave(calling(ToolCall(name, arguments)), Answer("sorry"))

    answer = house.chat(name)

    assert answer["tool_calls_made"][0]["status"] == "invalid_arguments"
    assert "the arguments" in json.loads(house.heard()[-1]["content"])["error"]
    assert house.tools.asked == []


def test_the_calls_of_a_turn_are_made_side_by_side(house: House) -> None:
    name = house.register("together")
    calls = [ToolCall(name, BTC, id=f"call_{number}") for number in range(3)]
    house.alpha.behave(calling(*calls), Answer("done"))

    answer = house.chat(name)

    assert [one["call_id"] for one in answer["tool_calls_made"]] == ["call_0", "call_1", "call_2"]
    assert [message["tool_call_id"] for message in house.heard()[-3:]] == ["call_0", "call_1", "call_2"]
    assert house.tools.together == 3


def test_after_the_last_round_the_model_has_to_answer(house: House) -> None:
    name = house.register("price")
    house.alpha.behave(
        calling(ToolCall(name, BTC)), calling(ToolCall(name, BTC)), calling(ToolCall(name, BTC)), Answer("at last")
    )

    answer = house.chat(name, tool_choice="required")

    choices = [(one.body or {}).get("tool_choice") for one in house.alpha.requests]
    assert choices == ["required", "auto", "auto", "none"]
    assert answer["content"] == "at last"
    assert [one["round"] for one in answer["tool_calls_made"]] == [1, 2, 3]
    assert "after 3 rounds of tools the model had to answer" in answer["warnings"]


def test_a_turn_with_a_call_of_the_callers_own_is_handed_back_whole(house: House) -> None:
    name = house.register("price")
    own = {"type": "function", "function": {"name": "place_order", "parameters": {"type": "object"}}}
    house.alpha.behave(calling(ToolCall(name, BTC, id="call_a"), ToolCall("place_order", "{}", id="call_b")))

    answer = house.chat(name, own)

    assert [call["id"] for call in answer["tool_calls"]] == ["call_a", "call_b"]
    assert answer["finish_reason"] == "tool_calls"
    assert answer["tool_calls_made"] == []
    assert any("the whole turn is yours" in warning for warning in answer["warnings"])
    assert house.tools.asked == []


def test_a_later_round_stays_with_its_target_and_falls_over_when_it_fails(house: House) -> None:
    name = house.register("price")
    house.alpha.behave(Status(500), calling(ToolCall(name, BTC)))
    house.beta.behave(calling(ToolCall(name, BTC)), Answer("still beta"))

    stayed = house.chat(name)
    house.alpha.behave(calling(ToolCall(name, BTC)), Status(500))
    house.beta.behave(Answer("beta took over"))
    moved = house.chat(name)

    assert stayed["content"] == "still beta"
    assert [one["provider"] for one in stayed["attempts"]] == ["alpha", "beta", "beta"]
    assert moved["content"] == "beta took over"
    assert [one["provider"] for one in moved["attempts"]] == ["alpha", "alpha", "beta"]


def test_a_slow_tool_never_takes_a_request_past_its_deadline(house: House) -> None:
    name = house.register("slow", name="very_slow", timeout_ms=60_000)
    house.alpha.behave(calling(ToolCall(name, BTC)), Answer("answered in the time that was left"))

    answer = house.chat(name, deadline_ms=2000)

    assert answer["content"] == "answered in the time that was left"
    assert answer["tool_calls_made"][0]["status"] == "timeout"
    assert answer["latency_ms"] < 2250


def test_a_stream_tells_of_calls_and_shows_no_delta_of_them(house: House) -> None:
    name = house.register("price")
    first = Stream(("let", " me", " see. "), tool_calls=(ToolCall(name, BTC),), finish_reason="tool_calls")
    house.alpha.behave(first, Stream(("it", " is", " up")))

    seen = streamed(house.client, "/chat", {"messages": HELLO, "tools": [name]})

    kinds = [event.name for event in seen if event.name != "delta"]
    deltas = [event.data for event in seen if event.name == "delta"]
    done = seen[-1].data
    assert kinds == ["start", "tool", "usage", "done"]
    assert "".join(delta["text"] for delta in deltas) == "let me see. it is up"
    assert {delta["type"] for delta in deltas} == {"content"}
    assert done["tool_calls"] == []
    assert [one["status"] for one in done["tool_calls_made"]] == ["ok"]
    assert (done["usage"]["input_tokens"], done["cost_usd"]) == (22, "0.00005")
    assert [one["provider"] for one in done["attempts"]] == ["alpha", "alpha"]
    assert house.heard()[-2]["content"] == "let me see. "


def test_a_stream_hands_a_mixed_turn_back_with_every_delta(house: House) -> None:
    name = house.register("price")
    own = {"type": "function", "function": {"name": "place_order", "parameters": {"type": "object"}}}
    mixed = (ToolCall(name, BTC, id="call_a"), ToolCall("place_order", '{"size": 1}', id="call_b"))
    house.alpha.behave(Stream((), tool_calls=mixed, finish_reason="tool_calls"))

    seen = streamed(house.client, "/chat", {"messages": HELLO, "tools": [name, own]})

    done = seen[-1].data
    assert [(call["id"], call["function"]["arguments"]) for call in done["tool_calls"]] == [
        ("call_a", BTC),
        ("call_b", '{"size": 1}'),
    ]
    assert done["finish_reason"] == "tool_calls"
    assert house.tools.asked == []


def test_a_stream_whose_second_round_fails_ends_with_one_error(house: House) -> None:
    name = house.register("price")
    house.alpha.behave(Stream((), tool_calls=(ToolCall(name, BTC),), finish_reason="tool_calls"), Status(400))

    seen = streamed(house.client, "/chat", {"messages": HELLO, "tools": [name]})

    assert [event.name for event in seen] == ["start", "tool", "error"]
    assert seen[-1].data["error"]["code"] == "caller_invalid_request"


def test_a_caller_who_leaves_ends_the_call_of_the_tool(house: House) -> None:
    name = house.register("slow", name="left_alone", timeout_ms=60_000)
    house.alpha.behave(calling(ToolCall(name, BTC)))

    with house.client.stream("POST", "/chat", json={"messages": HELLO, "tools": [name], "stream": True}) as response:
        assert response.status_code == 200
        assert house.tools.wait_until_asked()

    assert within(5, lambda: bool(house.calls(name)))
    assert house.calls(name)[0]["code"] == "caller_cancelled"


def test_unknown_names_are_refused_with_the_closest_ones(house: House) -> None:
    house.register("price")
    tool = {"type": "function", "function": {"name": "get_price"}}

    unknown = house.client.post("/chat", json={"messages": HELLO, "tools": ["get_prise"]})
    twice = house.client.post("/chat", json={"messages": HELLO, "tools": [tool, "get_price"]})
    openai = house.client.post(
        "/v1/chat/completions", json={"model": "auto", "messages": HELLO, "tools": ["get_price"]}
    )

    wrong = error_of(unknown, 422, "caller_invalid_field")["errors"][0]
    assert wrong["field"] == "tools[0]"
    assert "get_price" in wrong["message"]
    assert error_of(twice, 422, "caller_invalid_field")["param"] == "tools[1]"
    error_of(openai, 400, "caller_invalid_request")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "no spaces"}, "name"),
        ({"url": "http://tools.example/x"}, "url"),
        ({"url": "https://127.0.0.1/x"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://2130706433/x"}, "url"),
        ({"url": "https://user:secret@tools.example/x"}, "url"),
        ({"url": "https://tools.example/x?key=1"}, "url"),
        ({"url": "ftp://tools.example/x"}, "url"),
        ({"parameters": {"type": "string"}}, "parameters.type"),
        ({"parameters": {"type": "object", "properties": {"a": {"type": "nonsense"}}}}, "parameters"),
        ({"parameters": {"type": "object", "$ref": "https://elsewhere.example/schema"}}, "parameters"),
        ({"timeout_ms": 0}, "timeout_ms"),
        ({"headers": {"host": "elsewhere"}}, "headers.host"),
        ({"headers": {"x-key": "a\nb"}}, "headers.x-key"),
    ],
)
def test_a_wrong_tool_is_refused_by_its_field(house: House, change: dict[str, Any], field: str) -> None:
    body = {"name": "wrong", "description": "-", "parameters": SYMBOL, "url": "https://tools.example/x", **change}

    error = error_of(house.client.post("/tools", json=body), 422, "caller_invalid_field")

    assert [wrong["field"] for wrong in error["errors"]] == [field]


def test_calls_on_record_come_in_pages_and_outlive_their_tool(house: House) -> None:
    name = house.register("price", name="paged")
    house.alpha.behave(calling(*(ToolCall(name, BTC, id=f"call_{n}") for n in range(3))), Answer("done"))
    house.chat(name)
    assert within(5, lambda: len(house.calls(name)) == 3)

    first = house.client.get(f"/tools/{name}/calls", params={"limit": 2}).json()
    rest = house.client.get(f"/tools/{name}/calls", params={"limit": 2, "cursor": first["next"]}).json()
    house.client.delete(f"/tools/{name}")

    ids = [one["call_id"] for one in (*first["items"], *rest["items"])]
    assert sorted(ids) == ["call_0", "call_1", "call_2"]
    assert rest["next"] is None
    assert len(house.calls(name)) == 3
    error_of(house.client.get("/tools/never_was/calls"), 404, "caller_not_found")


def test_explain_knows_that_tools_are_needed(house: House) -> None:
    name = house.register("price")

    explained = house.client.post("/routing/explain", json={"messages": HELLO, "tools": [name]}).json()

    assert explained["target"] == "alpha/alpha-1"


def test_every_worker_knows_a_tool_within_a_second(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream()
    gateway = start(providers=[provider("alpha", alpha)], env={**PATIENT, "OUTCRY_WORKERS": "2"})
    tool = {"name": "get_price", "description": "-", "parameters": SYMBOL, "url": "https://tools.example/x"}
    chat = {"messages": HELLO, "tools": ["get_price"]}

    def everybody(status: int) -> bool:
        """A connection each, so that both workers are met."""
        statuses = set()
        for _ in range(12):
            with plain_client(gateway.base_url, seconds=10) as client:
                statuses.add(client.post("/chat", json=chat).status_code)
        return statuses == {status}

    assert gateway.client.post("/tools", json=tool).status_code == 201
    assert within(3, lambda: everybody(200))
    assert gateway.client.delete("/tools/get_price").status_code == 204
    assert within(3, lambda: everybody(422))
