"""The answer that callers rely on."""

from __future__ import annotations

import json
import time

from app.adapters.sandbox import SandboxAdapter
from app.decisions.parsing import Answer, parse_answer
from app.decisions.service import DecisionService
from app.decisions.wire import rendered
from app.domain.attempt import Ask, Completion
from app.domain.chat import Call
from app.domain.decision import Action
from app.domain.provider import ProviderConfig, ProviderType
from tests.decisions.fakes import NOON, Panels, Shelf, completion, market, question

ANSWER_KEYS = {
    "id",
    "symbol",
    "action",
    "actionable",
    "confidence",
    "reasoning",
    "entry",
    "stop_loss",
    "take_profit",
    "size",
    "status",
    "consensus",
    "votes",
    "cost_usd",
    "latency_ms",
    "contamination",
    "risk",
    "template",
    "warnings",
}
CONSENSUS_KEYS = {
    "method",
    "agreement",
    "effective_votes",
    "quorum",
    "settled_reason",
    "settled_at_ms",
    "dissent",
    "calibration",
}
VOTE_KEYS = {
    "provider",
    "model",
    "status",
    "reason",
    "action",
    "confidence",
    "calibrated_confidence",
    "reasoning",
    "violations",
    "latency_ms",
    "cost_usd",
    "usage",
    "parse",
}
TRADERS = ["sandbox/trend", "sandbox/reversion", "sandbox/breakout"]


class SandboxGateway:
    """The sandbox as a gateway of its own."""

    def __init__(self) -> None:
        self._adapter = SandboxAdapter(ProviderConfig("sandbox", ProviderType.SANDBOX, ""))

    async def complete(self, ask: Ask) -> Completion:
        response = await self._adapter.complete(Call(ask.model.partition("/")[2], ask.chat))
        return completion(ask, response.text, warnings=response.warnings)


def traders() -> DecisionService:
    return DecisionService(SandboxGateway(), Panels(TRADERS), Shelf(), now=time.monotonic, wall=lambda: NOON)


async def test_every_key_of_the_contract_is_always_there() -> None:
    decided = rendered(await traders().decide(question()))
    failed = rendered(await traders().decide(question(prompt="[[nonsense]]", market=None)))

    for answer in (decided, failed):
        assert set(answer) >= ANSWER_KEYS
        assert set(answer["consensus"]) == CONSENSUS_KEYS
        assert all(set(vote) >= VOTE_KEYS for vote in answer["votes"])
        json.dumps(answer, allow_nan=False)
    assert [vote["action"] for vote in failed["votes"]] == [None, None, None]
    assert [vote["status"] for vote in failed["votes"]] == ["invalid"] * 3
    assert (failed["status"], failed["actionable"]) == ("no_quorum", False)


async def test_the_three_traders_read_what_our_prompt_renders() -> None:
    decision = await traders().decide(question())

    actions = [vote.opinion.action if vote.opinion else None for vote in decision.votes]
    assert actions == [Action.BUY, Action.HOLD, Action.HOLD]
    assert (decision.action, decision.actionable) == (Action.HOLD, False)
    assert decision.warnings == ("answered by the offline sandbox, a rule-based stand-in: not a model",)


async def test_an_oversold_market_is_bought_within_the_rules() -> None:
    oversold = market(
        price={"last": 63850.0},
        indicators={"rsi": 20.0, "atr": 78.4, "bollinger": {"upper": 64350.0, "lower": 63870.0}},
        levels={},
    )

    decision = await traders().decide(question(market=oversold, models=("sandbox/reversion",)))

    assert (decision.action, decision.actionable, decision.violations) == (Action.BUY, True, ())


async def test_without_a_market_the_traders_abstain() -> None:
    answer = rendered(await traders().decide(question(prompt="what now?", market=None)))

    assert [vote["status"] for vote in answer["votes"]] == ["abstained"] * 3


async def test_parsing_a_rendered_decision_gives_it_back() -> None:
    decision = await traders().decide(question(models=("sandbox/trend",)))

    parsed = parse_answer(Answer(json.dumps(rendered(decision))), "BTC/USDT")

    assert parsed.opinion is not None
    read = parsed.opinion
    assert (read.action, read.confidence, read.reasoning) == (decision.action, decision.confidence, decision.reasoning)
    assert (read.stop_loss, read.take_profit, read.size) == (decision.stop_loss, decision.take_profit, decision.size)
    assert read.entry == decision.entry
