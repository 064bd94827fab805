"""Who sits on a panel and how it votes: a question checked against what is configured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, Protocol

from app.decisions.hindsight import Cutoffs, Guard
from app.decisions.prompts import REPAIR, Prompt, callers_prompt, market_prompt
from app.decisions.question import Question
from app.decisions.samples import MAX_SAMPLES
from app.decisions.seat import Seat
from app.decisions.validation import in_universe
from app.decisions.voting import METHODS, default_quorum
from app.domain.decision import Role
from app.domain.errors import Code, NotAdmitted, NotFound, RequestRejected, Violation
from app.domain.experiment import PromptTemplate
from app.domain.frozen import frozen
from app.domain.provider import PanelConfig
from app.domain.symbols import is_symbol, same_symbol
from app.domain.target import Target

MAX_MEMBERS: Final = 64
MAX_SHADOWS: Final = 8
OFFICERS_METHOD: Final = "risk_officer_veto"
_CHOICES: Final = {
    "settle": ("early", "all"),
    "on_invalid": ("abstain", "repair_once"),
    "on_violation": ("reject", "clamp"),
    "as_of_mode": ("warn", "block", "filter"),
}


class PanelView(Cutoffs, Protocol):
    """What is configured of panels, agents and models."""

    def has_agent(self, agent_id: int) -> bool:
        """Whether there is such an agent, and it is enabled."""
        ...

    def default_members(self) -> Sequence[str]:
        """Model names: every enabled provider's default model."""
        ...

    def configured_members(self, agent_id: int) -> Sequence[tuple[int, str]]:
        """The agent's enabled configurations that are served: each with its model name."""
        ...

    def named(self, panel: str) -> PanelConfig | None: ...

    def known(self, name: str) -> bool:
        """Whether a model name means anything here."""
        ...

    def target(self, name: str) -> Target | None:
        """The one target that a model name stands for; None for names that are routed."""
        ...

    def family(self, target: Target) -> str:
        """Whose models err like this one."""
        ...

    def price(self, name: str) -> Decimal | None:
        """Dollars for a million tokens of prompt and a million of answer together; None where nobody knows."""
        ...


@frozen
class Composition:
    """A panel as it will be asked: the members in their order, the risk officer, if any, behind them.

    `quorum` is of all members, `first_quorum` of those who are asked first. With `is_checked_by_officer` a risk officer
    is asked about the result, after the panel. `shadows` are asked beside it, and change nothing.
    """

    seats: tuple[Seat, ...]
    method: str
    quorum: int
    first_quorum: int
    samples: int = 1
    warnings: tuple[str, ...] = ()
    is_checked_by_officer: bool = False
    shadows: tuple[Seat, ...] = ()

    @property
    def everybody(self) -> tuple[Seat, ...]:
        """Whoever is asked, in the order of the votes."""
        return (*self.seats, *self.shadows)

    @property
    def members(self) -> tuple[str, ...]:
        """The model names of all seats."""
        return tuple(seat.name for seat in self.seats)


def composed(question: Question, panels: PanelView) -> Composition:
    """The panel of a question. Raises RequestRejected with all that is wrong, NotFound, or NotAdmitted."""
    config = _config(question, panels)
    method, members = _method(question, config), _members(question, config, panels)
    wrong = [*_wrong_fields(question), *_wrong_panel(question, config, members, panels)]
    if wrong:
        raise _rejected(wrong)
    check_asked(question.agent_id, None, panels)
    officer = question.risk_officer or (config.risk_officer if config else None)
    is_asked_after = question.risk_check and question.risk_officer is not None and method != OFFICERS_METHOD
    officer = officer if method == OFFICERS_METHOD or is_asked_after else None
    seated = len(members)
    guard, left_out = Guard.of(question, panels), tuple[str, ...]()
    if guard is not None:
        kept, left_out = guard.sifted([*(name for name, _ in members), *([officer] if officer else [])])
        members = [(name, config_id) for name, config_id in members if name in kept]
        officer = officer if officer in kept else None
    stated = question.quorum or (config.quorum if config else None)
    if guard is not None and left_out and stated is not None and len(members) < stated <= seated:
        raise guard.short_of(stated, len(members), left_out)
    if not members:
        raise NotAdmitted(Code.NO_TARGET, "no enabled provider to ask: nobody sits on this panel", retry_after=1.0)
    stages = _stages([name for name, _ in members], config, panels) if method == "two_stage" else [1] * len(members)
    seats = [
        Seat(place, name, config_id, stage)
        for place, ((name, config_id), stage) in enumerate(zip(members, stages, strict=True))
    ]
    if officer is not None and not is_asked_after:
        seats.append(Seat(len(seats), officer, role=Role.RISK_OFFICER))
    first = stages.count(1)
    return Composition(
        tuple(seats),
        method,
        quorum=stated or default_quorum(len(members)),
        first_quorum=stated or default_quorum(first),
        samples=question.samples,
        warnings=(*left_out, *_duplicates(members)),
        is_checked_by_officer=is_asked_after and officer is not None,
        shadows=tuple(
            [Seat(len(seats) + place, name, role=Role.SHADOW) for place, name in enumerate(_shadows(question, config))]
        ),
    )


def wrong_panel(question: Question, panels: PanelView) -> list[Violation]:
    """All that is wrong with who is to be asked, by which method and quorum; what is asked is not looked at."""
    config = _config(question, panels)
    return _wrong_panel(question, config, _members(question, config, panels), panels)


def check_asked(agent_id: int | None, model: str | None, panels: PanelView) -> None:
    """Raises RequestRejected for a model and NotFound for an agent that nobody knows."""
    if model is not None and not panels.known(model):
        raise _rejected([Violation("model", f"no model {model[:100]!r} is known here")])
    if agent_id is not None and not panels.has_agent(agent_id):
        raise NotFound(f"there is no agent {agent_id}", code=Code.UNKNOWN_AGENT, param="agent_id")


def prompted(question: Question) -> Prompt:
    """What the members are asked: our prompt from a market, or the caller's own words with the contract appended."""
    prompt = _prompt(question)
    if question.on_invalid != "repair_once":
        return prompt
    # Who may be asked again may read this too, so it is on record with the rest.
    return replace(prompt, template={**prompt.template, "repair": REPAIR.stamp()})


def prompted_without_news(question: Question) -> Prompt | None:
    """The same without the news, where the caller wants the votes compared and there is news; else None."""
    if not question.news_check or question.market is None or not question.market.news:
        return None
    return _prompt(replace(question, market=question.market.model_copy(update={"news": ()})))


def _prompt(question: Question) -> Prompt:
    if question.messages is not None:
        return callers_prompt(question.symbol, question.messages, question.market)
    if question.prompt is not None:
        return callers_prompt(question.symbol, [{"role": "user", "content": question.prompt}], question.market)
    if question.market is None:
        raise _rejected([Violation("market", "one of market, prompt and messages is needed")])
    market, arm = question.market, question.arm
    if arm is None:
        return market_prompt(question.symbol, market)
    if arm.language is not None:
        market = market.model_copy(update={"language": arm.language})
    return market_prompt(question.symbol, market, has_regime=arm.template is not PromptTemplate.NO_REGIME)


def _config(question: Question, panels: PanelView) -> PanelConfig | None:
    return panels.named(question.panel) if question.panel is not None and question.models is None else None


def _method(question: Question, config: PanelConfig | None) -> str:
    return question.method or (config.method if config else None) or "majority"


def _members(question: Question, config: PanelConfig | None, panels: PanelView) -> list[tuple[str, int | None]]:
    """Who sits: those named, the named panel's, the agent's configurations, else everybody there is."""
    named = question.models or (config.members if config else None)
    if named is not None:
        return [(name, None) for name in named]
    own = panels.configured_members(question.agent_id) if question.agent_id is not None else ()
    if question.arm is not None and question.arm.config_id is not None:
        own = [(config_id, name) for config_id, name in own if config_id == question.arm.config_id]
    if own:
        return [(name, config_id) for config_id, name in own]
    return [(name, None) for name in panels.default_members()]


def _shadows(question: Question, config: PanelConfig | None) -> tuple[str, ...]:
    """Who is asked beside the panel. A run is told again as its panel was: it has none."""
    if question.replay is not None:
        return ()
    of_experiment = question.split.experiment.shadow if question.split is not None else ()
    return tuple(dict.fromkeys((*question.shadow, *(config.shadow if config else ()), *of_experiment)))


def _stages(names: Sequence[str], config: PanelConfig | None, panels: PanelView) -> list[int]:
    """1 or 2 for each member: as the named panel has it, else the cheaper half first, who has no known price last."""
    if config is not None and config.first_stage:
        return [1 if name in config.first_stage else 2 for name in names]
    prices = [panels.price(name) for name in names]
    by_price = sorted(range(len(names)), key=lambda place: (prices[place] is None, prices[place] or 0))
    first = set(by_price[: (len(names) + 1) // 2])
    return [1 if place in first else 2 for place in range(len(names))]


def _duplicates(members: Sequence[tuple[str, int | None]]) -> Iterator[str]:
    """Two configurations of one model differ; one name twice is the same member twice."""
    if len(set(members)) == len(members):
        return
    for (name, _), times in sorted(Counter(members).items(), key=lambda item: item[0][0]):
        if times > 1:
            yield f"duplicate_member: {name} sits {times} times"


def _wrong_fields(question: Question) -> Iterator[Violation]:
    if not is_symbol(question.symbol):
        yield Violation("symbol", "expected up to 32 letters, digits and . _ : / ^ = -, a letter or digit first")
    market = question.market
    if market is None and question.prompt is None and not question.messages:
        yield Violation("market", "one of market, prompt and messages is needed")
    if question.prompt is not None and question.messages is not None:
        yield Violation("prompt", "give prompt or messages, not both")
    if market is not None and market.symbol is not None and not same_symbol(market.symbol, question.symbol):
        yield Violation("market.symbol", f"{market.symbol} is not the symbol asked about, {question.symbol[:40]}")
    if question.as_of_mode in ("block", "filter") and question.as_of is None and market is None:
        yield Violation("as_of_mode", f"{question.as_of_mode} needs x-outcry-as-of or a market")
    if market is not None and not in_universe(question.symbol, market.constraints):
        yield Violation("symbol", f"{question.symbol[:40]} is not in market.constraints.universe")
    for name, choices in _CHOICES.items():
        if getattr(question, name) not in choices:
            yield Violation(name, f"expected {' or '.join(choices)}")
    if not 1 <= question.samples <= MAX_SAMPLES:
        yield Violation("samples", f"expected 1 to {MAX_SAMPLES}")


def _wrong_panel(
    question: Question, config: PanelConfig | None, members: Sequence[tuple[str, int | None]], panels: PanelView
) -> list[Violation]:
    method = _method(question, config)
    wrong = [*_wrong_members(question, panels), *_wrong_method(method)]
    if question.panel is None or config is not None or question.models is not None:
        wrong += _wrong_quorum(question.quorum or (config.quorum if config else None), len(members))
    return [*wrong, *_wrong_officer(question, method)]


def _wrong_members(question: Question, panels: PanelView) -> Iterator[Violation]:
    if question.models is not None and not 1 <= len(question.models) <= MAX_MEMBERS:
        yield Violation("models", f"expected 1 to {MAX_MEMBERS} model names")
    for place, name in enumerate((question.models or ())[:MAX_MEMBERS]):
        if not panels.known(name):
            yield Violation(f"models[{place}]", f"no model {name[:100]!r} is known here")
    if len(question.shadow) > MAX_SHADOWS:
        yield Violation("shadow", f"expected at most {MAX_SHADOWS} model names")
    for place, name in enumerate(question.shadow[:MAX_SHADOWS]):
        if not panels.known(name):
            yield Violation(f"shadow[{place}]", f"no model {name[:100]!r} is known here")
    if question.risk_officer is not None and not panels.known(question.risk_officer):
        yield Violation("risk_officer", f"no model {question.risk_officer[:100]!r} is known here")
    if question.panel is not None and panels.named(question.panel) is None:
        yield Violation("panel", f"no panel {question.panel[:100]!r} is configured")


def _wrong_method(method: str) -> Iterator[Violation]:
    if method not in METHODS:
        yield Violation("method", f"{method[:40]} is no method: expected {' or '.join(METHODS)}")


def _wrong_quorum(quorum: int | None, seated: int) -> Iterator[Violation]:
    # A panel of nobody is another error, whatever its quorum.
    if quorum is not None and seated and not 1 <= quorum <= seated:
        yield Violation("quorum", f"expected 1 to {seated}, the size of the panel")


def _wrong_officer(question: Question, method: str) -> Iterator[Violation]:
    if question.risk_officer is not None and method != OFFICERS_METHOD and not question.risk_check:
        yield Violation("risk_officer", f"is asked only with risk_check: true or method {OFFICERS_METHOD}")


def _rejected(violations: Sequence[Violation]) -> RequestRejected:
    first = violations[0]
    return RequestRejected(
        Code.INVALID_FIELD, f"{first.field}: {first.message}", param=first.field, violations=violations
    )
