"""Every strategy over HTTP: from the file, set at run time, per request and by model name; and task tiers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.behaviours import Answer, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, provider

# Who comes first, once `sick` has failed and `dear` was slow; None where it is somebody's turn.
FIRST: dict[str, str | None] = {
    "priority": "sick/m",
    "round_robin": None,
    "health_based": "dear/m",
    "least_recently_used": None,
    "weighted": "cheap/m",
    "cost_aware": "cheap/m",
    "latency_aware": "cheap/m",
    "accuracy_first": "dear/m",
}
SETTINGS: dict[str, dict[str, Any]] = {
    "sick": {"weight": 0.000001},
    "dear": {"weight": 0.000001, "cost": {"input_per_1m_tokens": 9, "output_per_1m_tokens": 9}},
    "cheap": {"weight": 1000000, "cost": {"input_per_1m_tokens": 1, "output_per_1m_tokens": 1}},
}
TASKS: dict[str, Any] = {
    "quick_decision": {"policy": "cost_aware", "models": ["dear/m", "cheap/m"], "deadline_ms": 3000},
    "market_analysis": {"provider": {"only": ["dear", "cheap"], "max_price": {"prompt": 5}}},
    "report": {"models": ["dear/m", "cheap/m"]},
}


class Desk(NamedTuple):
    """A gateway over the three, and its provider file."""

    service: Service
    file: Path

    def explained(self, **body: Any) -> tuple[str | None, str]:
        told = self.service.client.post("/routing/explain", json={"messages": HELLO, **body}).json()
        return told["target"], told["routing"]["policy"]

    def configure(self, **more: Any) -> None:
        config = json.loads(self.file.read_text()) | more
        self.file.write_text(json.dumps(config))
        assert self.service.client.post("/admin/reload").status_code == 200


@pytest.fixture(scope="module")
def desk(start_once: StartService, upstream_once: StartUpstream, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    behaviours = {"sick": Status(500), "dear": Answer("dear", delay=0.15), "cheap": Answer("cheap")}
    providers = [
        provider(name, upstream_once(behaviours[name]), models=["m"], priority=place, **settings)
        for place, (name, settings) in enumerate(SETTINGS.items())
    ]
    file = tmp_path_factory.mktemp("file") / "outcry.json"
    file.write_text(json.dumps({"providers": providers, "tasks": TASKS}))
    service = start_once(env={**PATIENT, "OUTCRY_CONFIG": str(file)})
    for name in SETTINGS:
        for _ in range(3):
            service.client.post("/chat", json={"model": f"{name}/m", "messages": HELLO, "max_retries": 0})
    return Desk(service, file)


@pytest.mark.parametrize("strategy", FIRST)
def test_a_strategy_means_the_same_wherever_it_is_said(desk: Desk, strategy: str) -> None:
    said: list[tuple[str | None, str]] = [
        desk.explained(policy=strategy),
        desk.explained(model=f"auto:{strategy}"),
        desk.explained(model="m", policy=strategy),
    ]
    headers = {"x-outcry-policy": strategy}
    told = desk.service.client.post("/routing/explain", json={"messages": HELLO}, headers=headers).json()
    said.append((told["target"], told["routing"]["policy"]))
    put = desk.service.client.put("/routing/strategy", json={"strategy": strategy}).json()
    said.append(desk.explained())
    desk.service.client.put("/routing/strategy", json={"strategy": None})
    desk.configure(failover_strategy=strategy)
    said.append(desk.explained())
    desk.configure(failover_strategy="priority")

    assert (put["strategy"], put["source"]) == (strategy, "run_time")
    assert {policy for _, policy in said} == {strategy}
    if FIRST[strategy] is not None:
        assert {target for target, _ in said} == {FIRST[strategy]}


def test_a_task_goes_to_its_tier(desk: Desk) -> None:
    assert desk.explained(task_type="quick_decision") == ("cheap/m", "cost_aware")
    assert desk.explained(model="task:quick_decision") == ("cheap/m", "cost_aware")
    assert desk.explained(task_type="report") == ("dear/m", "given_order")
    assert desk.explained(task_type="market_analysis") == ("cheap/m", "priority")
    assert desk.explained(task_type="report", policy="cost") == ("cheap/m", "cost_aware")
    assert desk.explained(task_type="report", model="sick/m") == ("sick/m", "priority")

    body = {"messages": HELLO, "task_type": "unheard_of"}
    told = desk.service.client.post("/routing/explain", json=body).json()
    assert told["target"] == "sick/m"
    assert any("no configured tier" in warning for warning in told["warnings"])

    answered = desk.service.client.post("/chat", json={"messages": HELLO, "task_type": "quick_decision"}).json()
    assert (answered["provider"], answered["routing"]["policy"]) == ("cheap", "cost_aware")
