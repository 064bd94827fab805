"""What the core needs from the outside, as protocols; `wiring` brings the concrete ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Any, Protocol

from app.domain.agent import Agent, AgentConfig
from app.domain.attempt import AttemptRecord
from app.domain.audit import THE_GATEWAY, Author
from app.domain.budget import Budget, SpendWord, Spent, Window
from app.domain.chat import Call, ChatChunk, ChatResponse, Credential
from app.domain.day import DayUse
from app.domain.decision import Filing
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.experiment import ArmRequests, Experiment
from app.domain.grades import Calibrated, Grade
from app.domain.health import HealthSample, HistoryWindow
from app.domain.idempotency import Claim, Holding, RequestKey, Reservation, Term
from app.domain.kill import Kill, KillEvent
from app.domain.leases import Decide, Held
from app.domain.news import News
from app.domain.outcome import (
    Basis,
    DuePrice,
    GradedOutcome,
    Horizon,
    Measured,
    Outcome,
    PriceBar,
    ScoredVote,
    ScoreWindow,
    StoredBars,
)
from app.domain.payload import Erasure, Payload
from app.domain.replay import Replay, Take, TakeKind
from app.domain.settings import Setting
from app.domain.target import Target
from app.domain.tools import Tool, ToolCall, ToolCallRecord, ToolReply


class Adapter(Protocol):
    """Speaks one API's dialect. Raises ProviderError and nothing else, never retries, lets cancellation through."""

    async def complete(self, call: Call) -> ChatResponse:
        """One whole answer."""
        ...

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[ChatChunk]]:
        """One streamed answer; leaving the context closes the upstream connection.

        The iterator ends only after a finish reason; a stream that ends without one raises STREAM_TRUNCATED.
        """
        ...

    async def models(self, credential: Credential) -> Sequence[str]:
        """The model ids the provider itself lists; empty when it has no such list."""
        ...

    def supports(self, model: str) -> frozenset[str]:
        """What the dialect has words for with this model, in the names of `domain.needs`; quick, asks nobody.

        Whether the model itself is able is the catalog's to say.
        """
        ...

    def unheeded(self, call: Call | EmbedCall) -> tuple[str, ...]:
        """The parameters of this call that the dialect would leave out, change or refuse; asks nobody."""
        ...

    async def embed(self, call: EmbedCall) -> Embeddings:
        """One vector per input; UNSUPPORTED where the provider does not embed."""
        ...

    async def count_tokens(self, call: Call) -> int | None:
        """The provider's own count of a prompt's tokens; None where it has no free one."""
        ...

    async def probe(self, credential: Credential) -> None:
        """A free sign of life, within the connect timeout; raises ProviderError when there is none."""
        ...


class AttemptObserver(Protocol):
    """Hears of every attempt. Must not block or raise; it cannot steer."""

    def attempt_finished(self, record: AttemptRecord) -> None:
        """One attempt has ended, whichever way."""
        ...


class Grades(Protocol):
    """How good answers turned out to be. Read on the way of requests: from memory, without a wait."""

    def of(self, target: Target) -> Grade | None:
        """The target's grade; None while nothing is known."""
        ...


class Confidences(Protocol):
    """What claims are worth by graded votes. Read on the way of decisions: from memory, without a wait."""

    def of_vote(self, target: Target, claimed: float | None) -> Calibrated:
        """A stated confidence by how such claims of this target came true."""
        ...

    def of_panel(self, method: str, agreement: float) -> Calibrated:
        """A panel's agreement by how often panels of this method were right that agreed as much."""
        ...


class AgentRepository(Protocol):
    """Agents and their configurations; one method is one transaction. Raises StorageUnavailable when it cannot."""

    async def create(
        self, name: str, description: str | None, metadata: dict[str, Any], *, by: Author = THE_GATEWAY
    ) -> Agent: ...
    async def get(self, agent_id: int) -> Agent | None: ...
    async def page(self, *, limit: int, after: int = 0) -> list[Agent]: ...
    async def update(self, agent_id: int, changes: dict[str, Any], *, by: Author = THE_GATEWAY) -> Agent | None: ...
    async def delete(self, agent_id: int, *, by: Author = THE_GATEWAY) -> bool: ...
    async def configs(self, agent_id: int) -> list[AgentConfig]: ...
    async def save_config(self, config: AgentConfig, *, by: Author = THE_GATEWAY) -> AgentConfig: ...
    async def delete_config(self, agent_id: int, config_id: int, *, by: Author = THE_GATEWAY) -> bool: ...
    async def everything(self) -> tuple[int, list[Agent], list[AgentConfig]]: ...
    async def revision(self) -> int: ...


class ExperimentRepository(Protocol):
    """Experiments, running and stopped; one method is one transaction. Raises StorageUnavailable when it cannot.

    `create` and `stop` give the experiment as it is stored. `create` raises Conflict where another one splits the same
    traffic; `stop` and `delete` find nothing where there is no such experiment. `everything` is the revision and those
    that run, the oldest first.
    """

    async def create(self, experiment: Experiment) -> Experiment: ...
    async def get(self, experiment_id: str) -> Experiment | None: ...
    async def page(
        self, *, limit: int, cursor: str | None, agent_id: int | None
    ) -> tuple[list[Experiment], str | None]: ...
    async def stop(self, experiment_id: str, by: str) -> Experiment | None: ...
    async def delete(self, experiment_id: str, by: str) -> bool: ...
    async def everything(self) -> tuple[int, list[Experiment]]: ...


class ArmRecords(Protocol):
    """What is on record of one arm's completions. Raises StorageUnavailable."""

    def requests(self, variant: str) -> AsyncGenerator[ArmRequests]:
        """Its completions, some at a time, decisions' not among them."""
        ...


class UsageRepository(Protocol):
    """Attempts on record."""

    async def append(self, records: Sequence[AttemptRecord]) -> None: ...


class UsageRollUps(Protocol):
    """Attempts summed up by the hour, each once. Every method is one short transaction, and says how much it did.

    Raises StorageUnavailable.
    """

    async def roll(self, limit: int) -> int: ...
    async def forget_attempts(self, before: datetime, limit: int) -> int: ...
    async def forget_cells(self, before: datetime) -> int: ...


class DayRepository(Protocol):
    """What each provider was asked per UTC day; every process adds its share. Raises StorageUnavailable."""

    async def of_day(self, day: date) -> Mapping[str, DayUse]: ...
    async def add(self, used: Mapping[str, DayUse], day: date) -> Mapping[str, DayUse]: ...


class SettingsRepository(Protocol):
    """What was changed while the service runs, by name. Raises StorageUnavailable."""

    async def get(self, name: str) -> Setting | None: ...
    async def put(self, name: str, value: Mapping[str, Any], *, by: Author = THE_GATEWAY) -> None: ...
    async def remove(self, name: str, *, by: Author = THE_GATEWAY) -> None: ...


class LeaseRepository(Protocol):
    """What every process holds of the limits they share. Raises StorageUnavailable: what is on record is then unknown.

    The clock is one for all: seconds, by which a claim frees itself that was not renewed in time.
    """

    async def everything(self) -> tuple[Held, float]:
        """What everyone holds, and the clock."""
        ...

    async def exchange(self, decide: Decide, *, forgets: bool) -> None:
        """Put on record what `decide` says after a look at the others', as one step between two others' steps.

        It is called once, and may come to nothing. With `forgets` what has expired is not seen any more.
        """
        ...


class BudgetRepository(Protocol):
    """The budgets that are set; every change counts the configuration's revision up. Raises StorageUnavailable."""

    async def everything(self) -> Sequence[Budget]: ...
    async def put(self, budget: Budget, begins: datetime, ends: datetime, by: Author) -> None:
        """Set this scope's budget of this window; what was spent in the window so far counts towards it."""
        ...

    async def remove(self, scope: str, window: Window | None, by: Author) -> int:
        """Remove one, or all of the scope; how many there were."""
        ...


class SpendRepository(Protocol):
    """What each process spent of each budget. Raises StorageUnavailable."""

    async def everything(self) -> Spent:
        """What everyone spent in the windows that last."""
        ...

    async def exchange(self, decide: Callable[[Spent], SpendWord]) -> None:
        """Put on record what `decide` says, while nobody else does; it is called once for each try."""
        ...


class NewsRepository(Protocol):
    """What processes tell each other of providers' trouble. Raises StorageUnavailable."""

    async def say(self, origin: str, news: Sequence[News]) -> None:
        """Tell the others. A reset takes back what was said before it."""
        ...

    async def heard(self, origin: str) -> list[News]:
        """What all but this one say, as far as it still holds."""
        ...


class FiringRepository(Protocol):
    """Which alerts, by key, fire in which process. Raises StorageUnavailable."""

    async def fired(self, key: str, holder: str) -> bool:
        """It fires here; whether it did nowhere before."""
        ...

    async def resolved(self, key: str, holder: str) -> bool:
        """It does not fire here any more; whether it does nowhere."""
        ...

    async def renew(self, keys: Collection[str], holder: str) -> None:
        """These still fire here."""
        ...


class KillRepository(Protocol):
    """What an operator stopped. Raises StorageUnavailable."""

    async def everything(self) -> Sequence[Kill]: ...
    async def kill(self, scope: str, reason: str, by: Author) -> None: ...
    async def resume(self, scope: str, by: Author) -> None: ...
    async def history(self, limit: int) -> Sequence[KillEvent]: ...


class DecisionRepository(Protocol):
    """Decisions on record; `append` returns once the row is durable. `payloads` are stored in the same transaction.

    `answer` goes in without anybody's words, which are in the payloads, and comes out as its caller got it.
    `update` replaces the answer of a decision whose outstanding votes came in after it went out.
    """

    async def append(
        self, filing: Filing, answer: dict[str, Any], request: dict[str, Any], payloads: Sequence[Payload] = ()
    ) -> None: ...
    async def update(self, decision_id: str, answer: dict[str, Any], payloads: Sequence[Payload] = ()) -> None: ...
    async def get(self, decision_id: str) -> dict[str, Any] | None: ...
    async def page(
        self, *, limit: int, cursor: str | None, symbol: str | None, agent_id: int | None
    ) -> tuple[list[dict[str, Any]], str | None]: ...


class PayloadRepository(Protocol):
    """What was said, by what it belongs to. Raises StorageUnavailable."""

    async def of(self, subject: str) -> Sequence[Payload]: ...
    async def erase(self, subject: str, *, by: Author, reason: str, at: datetime) -> Erasure | None:
        """Erase the contents, leaving the hashes; None for a subject without any payload."""
        ...

    async def forget(self, before: datetime, limit: int, at: datetime) -> int:
        """Erase the contents of at most `limit` payloads from before this moment; how many it were."""
        ...


Measure = Callable[[Basis, Outcome], Measured | None]
"""What an outcome measures; None where it measures nothing. Raises RequestRejected for one that cannot be measured."""


class OutcomeRepository(Protocol):
    """Outcomes of decisions. Raises StorageUnavailable; with an `agent_id`, another agent's decision is not there."""

    async def record(
        self, outcome: Outcome, measure: Measure, *, agent_id: int | None, by: Author = THE_GATEWAY
    ) -> GradedOutcome:
        """Put it on record once, with its grades. Raises NotFound, and what `measure` raises."""
        ...

    async def of(self, decision_id: str, agent_id: int | None) -> tuple[Sequence[GradedOutcome], Horizon] | None:
        """What is known of a decision, the last observed first; None for one that is not there."""
        ...


class PriceRepository(Protocol):
    """Bars, and the decisions that wait for one. Raises StorageUnavailable."""

    async def put(self, bars: Sequence[PriceBar]) -> StoredBars: ...
    async def is_due(self) -> bool:
        """Whether anybody waits whose bar is there."""
        ...

    async def settle(
        self, outcome_at: Callable[[DuePrice], Outcome], measure: Measure, *, limit: int, by: Author = THE_GATEWAY
    ) -> tuple[int, int]:
        """Grade at most `limit` of them, each once: how many those were, and how many outcomes they made."""
        ...

    async def expire(self, now: datetime) -> int:
        """Let go of those whose bar nobody posted in time; how many it were."""
        ...


class Scores(Protocol):
    """Votes with what is known of them. Raises StorageUnavailable."""

    async def scored(self, window: ScoreWindow) -> Sequence[ScoredVote]:
        """Every vote of the window's decisions, in the order they were made; replayed ones are in no statistics."""
        ...


class IdempotencyRepository(Protocol):
    """Keys of requests that may come again, shared by every process. Raises StorageUnavailable."""

    async def claim(self, wanted: Reservation, term: Term) -> Claim:
        """Take the key if it is free, else say how it stands. Saying that an outcome is unknown frees it."""
        ...

    async def look(self, key: RequestKey) -> Holding | None:
        """Who holds the key; None when it is free."""
        ...

    async def give_up(self, lost: Reservation, now: datetime) -> bool:
        """Whether that holder is gone without an outcome; then the key is free from here on."""
        ...

    async def release(self, held: Reservation) -> None:
        """Give back a key for which nothing was decided; one that has its decision keeps it."""
        ...

    async def reopen(self, wanted: Reservation, decision_id: str, term: Term) -> bool:
        """Whether the key was that decision's and is taken now; the decision itself stays on record."""
        ...

    async def renew(self, owners: Collection[str], until: datetime) -> None: ...
    async def forget(self, now: datetime, limit: int) -> int: ...


class TakeRepository(Protocol):
    """Runs on record. Raises StorageUnavailable when it cannot, ValueError for a take it never takes."""

    async def append(self, takes: Sequence[Take], lost: Mapping[tuple[str, str], int]) -> None:
        """Store what is not stored yet, by id; `lost` takes are counted in their runs, by owner and name."""
        ...

    async def nth(
        self, owner: str, run: str, *, kind: TakeKind, member: str, keys: Sequence[str], n: int
    ) -> tuple[Take | None, int]:
        """The n-th take of a question in the order they began, from the first again after the last; and how many."""
        ...

    async def size(self, owner: str, run: str) -> int:
        """Bytes of everything in a run."""
        ...

    async def forget(self, before: datetime) -> int:
        """Delete runs that nothing was recorded in since this moment; how many it were."""
        ...


class Shelf(Protocol):
    """Where runs are kept, behind a bounded queue. `largest` is the size in bytes of a question that is still kept."""

    @property
    def largest(self) -> int: ...
    def put(self, take: Take | str, owner: str, run: str) -> None:
        """Keep a take, without a wait; instead of one, why this run has lost one."""
        ...

    async def find(self, owner: str, replay: Replay, kind: TakeKind, keys: Sequence[str]) -> Take | None:
        """The take of a question; when it was recorded several times, one after the other."""
        ...


class HealthRepository(Protocol):
    """Health samples on record. Raises StorageUnavailable when it cannot, ValueError for a sample it never takes."""

    async def append(self, samples: Sequence[HealthSample]) -> None:
        """Store what is not stored yet, by id."""
        ...

    async def forget(self, before: datetime, limit: int) -> int:
        """Delete at most `limit` samples from before this moment; how many it were."""
        ...

    async def page(
        self, provider: str | None, window: HistoryWindow, *, limit: int, cursor: str | None
    ) -> tuple[list[HealthSample], str | None]: ...
    async def total(self, provider: str, window: HistoryWindow) -> HealthSample | None: ...


class ToolCaller(Protocol):
    """Reaches tools. Raises ToolError and nothing else, asks no tool twice, lets cancellation through."""

    async def call(self, call: ToolCall) -> ToolReply:
        """What the tool answered, of a long answer its beginning."""
        ...


class ToolCallObserver(Protocol):
    """Hears of every call of a tool. Must not block or raise."""

    def tool_called(self, record: ToolCallRecord) -> None: ...


class ToolRepository(Protocol):
    """Registered tools; one method is one transaction. Raises StorageUnavailable when it cannot."""

    async def create(self, tool: Tool, *, by: Author = THE_GATEWAY) -> Tool:
        """Store a new tool; raises Conflict when its name is taken."""
        ...

    async def get(self, name: str) -> Tool | None: ...
    async def page(self, *, limit: int, after: int = 0) -> list[Tool]: ...
    async def delete(self, name: str, *, by: Author = THE_GATEWAY) -> bool: ...
    async def everything(self) -> tuple[int, list[Tool]]:
        """The configuration's revision, and tools that are at least as new."""
        ...


class ToolCallRepository(Protocol):
    """Calls of tools on record, newest first."""

    async def append(self, records: Sequence[ToolCallRecord]) -> None: ...
    async def page(self, tool: str, *, limit: int, cursor: str | None) -> tuple[list[ToolCallRecord], str | None]: ...
