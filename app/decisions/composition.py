"""Who sits on a panel and how it votes: a question checked against what is configured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from app.decisions.hindsight import Cutoffs, Guard
from app.decisions.prompts import REPAIR, Prompt, callers_prompt, market_prompt
from app.decisions.question import Question
from app.decisions.symbols import is_symbol, same_symbol
from app.decisions.validation import in_universe
from app.decisions.voting import METHODS, default_quorum
from app.domain.errors import Code, NotAdmitted, NotFound, RequestRejected, Violation
from app.domain.provider import PanelConfig

MAX_MEMBERS: Final = 64
_KNOWN_METHODS: Final = (
    *("majority", "confidence_weighted", "performance_weighted"),
    *("unanimous", "risk_officer_veto", "two_stage"),
)
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

    def default_members(self, agent_id: int | None) -> Sequence[str]:
        """Model names: the agent's enabled configurations, else every enabled provider's default model."""
        ...

    def named(self, panel: str) -> PanelConfig | None: ...

    def known(self, name: str) -> bool:
        """Whether a model name means anything here."""
        ...


@dataclass(frozen=True, slots=True)
class Composition:
    """A panel as it will be asked."""

    members: tuple[str, ...]
    method: str
    quorum: int
    warnings: tuple[str, ...] = ()


def composed(question: Question, panels: PanelView) -> Composition:
    """The panel of a question. Raises RequestRejected with all that is wrong, NotFound, or NotAdmitted."""
    wrong = [*_wrong_fields(question), *_wrong_members(question, panels)]
    if wrong:
        raise _rejected(wrong)
    check_asked(question.agent_id, None, panels)
    config = panels.named(question.panel) if question.panel is not None and question.models is None else None
    members = question.models or (config.members if config else tuple(panels.default_members(question.agent_id)))
    guard = Guard.of(question, panels)
    members, left_out = (tuple(members), ()) if guard is None else guard.sifted(members)
    if not members:
        raise NotAdmitted(Code.NO_TARGET, "no enabled provider to ask: nobody sits on this panel", retry_after=1.0)
    method = question.method or (config.method if config else None) or "majority"
    quorum = question.quorum or (config.quorum if config else None) or default_quorum(len(members))
    limits = [*_wrong_method(method), *_wrong_quorum(quorum, members)]
    if limits:
        raise _rejected(limits)
    repeated = sorted({name for name in members if members.count(name) > 1})
    warnings = tuple(f"duplicate_member: {name} sits {members.count(name)} times" for name in repeated)
    return Composition(members, method, quorum, (*left_out, *warnings))


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
    return market_prompt(question.symbol, question.market)


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


def _wrong_members(question: Question, panels: PanelView) -> Iterator[Violation]:
    if question.models is not None and not 1 <= len(question.models) <= MAX_MEMBERS:
        yield Violation("models", f"expected 1 to {MAX_MEMBERS} model names")
    for place, name in enumerate((question.models or ())[:MAX_MEMBERS]):
        if not panels.known(name):
            yield Violation(f"models.{place}", f"no model {name[:100]!r} is known here")
    if question.risk_officer is not None and not panels.known(question.risk_officer):
        yield Violation("risk_officer", f"no model {question.risk_officer[:100]!r} is known here")
    if question.panel is not None and panels.named(question.panel) is None:
        yield Violation("panel", f"no panel {question.panel[:100]!r} is configured")


def _wrong_method(method: str) -> Iterator[Violation]:
    if method in METHODS:
        return
    missing = "is not available yet" if method in _KNOWN_METHODS else "is no method"
    yield Violation("method", f"{method[:40]} {missing}: expected {' or '.join(METHODS)}")


def _wrong_quorum(quorum: int, members: Sequence[str]) -> Iterator[Violation]:
    if not 1 <= quorum <= len(members):
        yield Violation("quorum", f"expected 1 to {len(members)}, the size of the panel")


def _rejected(violations: Sequence[Violation]) -> RequestRejected:
    first = violations[0]
    return RequestRejected(
        Code.INVALID_FIELD, f"{first.field}: {first.message}", param=first.field, violations=violations
    )
