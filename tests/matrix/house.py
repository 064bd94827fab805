"""The service with one judging provider behind it: a real gateway, adapter and edge, without sockets."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import orjson
from fastapi import FastAPI

from app.adapters.build import build_adapter
from app.agents.directory import AgentDirectory
from app.catalog.tokens import Estimator
from app.domain.chat import Credential
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet
from app.domain.provider import ProviderType as T
from app.gateway.attempt import Clock
from app.gateway.gateway import Gateway
from app.gateway.planning import Planner
from app.gateway.timers import TimerRules
from app.main import create_app
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.retry import RetryRules
from app.routing.policies import build_policies
from app.routing.router import Router
from tests.fakes import FakeClock
from tests.fakes_edge import fake_services
from tests.fakes_providers import FakeCatalog
from tests.golden import golden_bytes
from tests.matrix.features import PNG, Kind
from tests.matrix.upstreams import UPSTREAMS, Upstream, Wire

JSON = dict[str, Any]
FORMED = '{"age":22,"available":false}'


@dataclass
class Provider:
    """What a provider was sent, over which of its wires, and what it is to answer next."""

    upstream: Upstream
    clock: FakeClock
    kind: Kind = Kind.TEXT
    sent: list[tuple[Wire, JSON]] = field(default_factory=list)

    def expect(self, kind: Kind) -> None:
        """Forget what was, circuits too."""
        self.kind = kind
        self.sent.clear()
        self.clock.advance(10_000)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """A golden file; JSON as a call where a call was forced for it."""
        wire = next(wire for path, wire in self.upstream.wires.items() if path in request.url.path)
        body = orjson.loads(request.content)
        self.sent.append((wire, body))
        is_streamed = bool(body.get("stream")) or "streamGenerateContent" in request.url.path
        kind = {Kind.TEXT: "text", Kind.CALLS: "calls", Kind.FORM: "form"}[self.kind]
        content = golden_bytes(wire.answers[f"stream {kind}" if is_streamed else kind])
        if self.kind is Kind.FORM:
            content = _formed(content, body)
        framing = "application/x-ndjson" if self.upstream.type is T.OLLAMA else "text/event-stream"
        head = {"content-type": framing if is_streamed else "application/json"}
        return httpx.Response(200, headers=head, content=content)


def _formed(content: bytes, body: JSON) -> bytes:
    """The answer as JSON: in the call that was forced for it, or as the text."""
    answer = orjson.loads(content)
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and "function" in choice:
        call = {
            "id": "call_f",
            "type": "function",
            "function": {"name": choice["function"]["name"], "arguments": FORMED},
        }
        answer["choices"][0] |= {"message": {"role": "assistant", "content": None, "tool_calls": [call]}}
    for item in answer.get("output", ()):
        for part in item.get("content", ()):
            part["text"] = FORMED
    return orjson.dumps(answer)


class Pictures:
    """Every address shows the same picture."""

    async def fetch(self, url: str, *, until: float, taken: Callable[[int], None]) -> tuple[str, bytes]:
        return "image/png", base64.b64decode(PNG)


@cache
def served(name: str) -> tuple[FastAPI, Provider]:
    """The service in front of one provider that is called `there`."""
    upstream = UPSTREAMS[name]
    clock = FakeClock()
    provider = Provider(upstream, clock)
    rules = RetryRules(base=0.0, cap=0.0)
    config = ProviderConfig(
        "there",
        upstream.type,
        upstream.url,
        credentials=(Credential("k", None),),
        models=(ModelConfig(upstream.model),),
        default_model=upstream.model,
    )
    pool = Pool(
        lambda config: build_adapter(config, httpx.MockTransport(provider.answer), Pictures()),
        FakeCatalog(),
        breaker=BreakerRules(),
        retry=rules,
        now=clock.now,
        rng=random.Random(1),
    )
    pool.replace(ProviderSet((config,), aliases={"there/model": (f"there/{upstream.model}",)}))
    directory = AgentDirectory()
    directory.load(0, [], [])
    gateway = Gateway(
        pool,
        Planner(pool, Router(build_policies(random.Random(1))), directory),
        [],
        retry=rules,
        timers=TimerRules(),
        counter=Estimator(),
        clock=Clock(clock.now, clock.wall),
        rng=random.Random(1),
    )
    return create_app(fake_services(gateway=gateway, now=clock.now)), provider
