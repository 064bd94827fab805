"""What a caller asks a panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, field
from datetime import datetime
from typing import Any

from app.decisions.context import MarketContext
from app.decisions.prompts import Prompt
from app.decisions.prompts.material import Material
from app.domain.caching import CacheMode
from app.domain.caller import LOCAL_CALLER, Caller
from app.domain.chat import JSON
from app.domain.experiment import Arm, Assignment
from app.domain.frozen import frozen
from app.domain.hindsight import DEFAULT_EMBARGO, AsOf, AsOfMode
from app.domain.idempotency import Reservation
from app.domain.replay import Replay
from app.domain.routing import PolicyName, Priority


@frozen
class Question:
    """One question about one market. One of `market`, `prompt` and `messages` is needed.

    `arrived` and `deadline` are the gateway's monotonic seconds. `method` and `quorum` None mean the panel's own,
    else majority of more than half. `settle` is early or all, `on_invalid` abstain or repair_once, `on_violation`
    reject or clamp. Every member is asked `samples` times (1..10). With `risk_check` the result passes the risk rule,
    and the model `risk_officer` where one is named; neither makes it larger. With the method risk_officer_veto that
    model sits on the panel instead. With `news_check` each member is asked without the news as well. With `as_of` the
    age of the market is not looked at; `as_of_mode` is warn, block or filter, `embargo` whole days. `cache` is off
    unless the caller says otherwise, whatever the provider file says: a market is asked anew. `reservation` is that of
    its idempotency key. `hedge`: whether members that are no pinned target may be asked twice at once; None is the
    default. `replay` is the run that it belongs to. `shadow` are model names that are asked beside the panel and change
    nothing; `split` is its place in an experiment.
    """

    _: KW_ONLY
    symbol: str
    deadline: float
    arrived: float
    request_id: str
    market: MarketContext | None = None
    prompt: str | None = None
    messages: tuple[JSON, ...] | None = None
    agent_id: int | None = None
    models: tuple[str, ...] | None = None
    panel: str | None = None
    method: str | None = None
    quorum: int | None = None
    settle: str = "early"
    on_invalid: str = "abstain"
    on_violation: str = "reject"
    convert_percent_stops: bool = False
    risk_check: bool = False
    risk_officer: str | None = None
    news_check: bool = False
    samples: int = 1
    as_of: datetime | None = None
    as_of_mode: str = "warn"
    embargo: int = DEFAULT_EMBARGO
    policy: PolicyName | None = None
    priority: Priority = Priority.NORMAL
    algo_id: str | None = None
    decision_maker_id: str | None = None
    caller: Caller = LOCAL_CALLER
    metadata: Mapping[str, Any] = field(default_factory=dict)
    cache: CacheMode = CacheMode.OFF
    hedge: bool | None = None
    replay: Replay | None = None
    reservation: Reservation | None = None
    shadow: tuple[str, ...] = ()
    split: Assignment | None = None

    @property
    def arm(self) -> Arm | None:
        """What its experiment changes about it."""
        return None if self.split is None else self.split.arm

    @property
    def variant(self) -> str | None:
        """What it is marked with on record."""
        return None if self.split is None else self.split.variant

    @property
    def hindsight(self) -> AsOf | None:
        """What is demanded of members' memory; None while nothing is asked as of any moment.

        Whoever asks for block or filter without saying as of when means the market's own moment.
        """
        if self.as_of is None and self.as_of_mode == AsOfMode.WARN:
            return None
        mode, moment = AsOfMode(self.as_of_mode), self.as_of
        if moment is None and self.market is not None:
            moment = self.market.as_of
        return None if moment is None else AsOf(moment, mode, self.embargo)

    @property
    def side(self) -> str | None:
        """The side of the position held, where the market says so."""
        return self.market.position.side if self.market is not None and self.market.position is not None else None


def recorded(question: Question, members: tuple[str, ...], prompt: Prompt) -> dict[str, Any]:
    """The question as JSON values, for the record: what was asked, of whom, in which words."""
    return {
        "symbol": question.symbol,
        "market": _plain(question.market, prompt.material),
        "prompt": question.prompt,
        "messages": None if question.messages is None else list(question.messages),
        "sent_messages": list(prompt.messages),
        "agent_id": question.agent_id,
        "members": list(members),
        "panel": question.panel,
        "method": question.method,
        "quorum": question.quorum,
        "settle": question.settle,
        "on_invalid": question.on_invalid,
        "on_violation": question.on_violation,
        "convert_percent_stops": question.convert_percent_stops,
        "risk_check": question.risk_check,
        "risk_officer": question.risk_officer,
        "news_check": question.news_check,
        "samples": question.samples,
        "as_of": None if question.as_of is None else question.as_of.isoformat(),
        "as_of_mode": question.as_of_mode,
        "as_of_embargo_days": question.embargo,
        "algo_id": question.algo_id,
        "decision_maker_id": question.decision_maker_id,
        "key_id": question.caller.key_id,
        "replay": None if question.replay is None else [question.replay.mode.value, question.replay.run],
        "shadow": list(question.shadow),
        "variant": question.variant,
        "metadata": dict(question.metadata),
    }


def _plain(market: MarketContext | None, material: Material | None) -> Mapping[str, Any] | None:
    """The market as JSON values: those that the prompt was made from, unless an experiment had it made from others."""
    if market is None:
        return None
    return material.plain if material is not None and material.market is market else market.plain()
