"""Decisions and what is learned of them: panels, their idempotency keys, outcomes, scores, experiments."""

from __future__ import annotations

from dataclasses import dataclass

from app.agents.service import AgentService
from app.agents.trials import Trials
from app.decisions.idempotency import Idempotency
from app.decisions.seating import Seating
from app.decisions.service import DecisionService
from app.domain.horizons import Horizons
from app.ledger.spill import Spill
from app.outcomes.board import Boards
from app.outcomes.refreshing import ScoreReader
from app.outcomes.service import OutcomeService
from app.storage.decisions import SqlDecisionRepository
from app.storage.experiments import SqlArmRecords, SqlExperimentRepository
from app.storage.idempotency import SqlIdempotencyRepository
from app.storage.outcomes import SqlOutcomeRepository
from app.storage.prices import SqlPriceRepository
from app.storage.scores import SqlScores
from app.wiring.asking import Asking, each_told
from app.wiring.ground import Ground, score_rules
from app.wiring.recording import Recording


@dataclass(frozen=True, slots=True)
class Deciding:
    """One of each; `reader` brings the record's grades into the book that panels and routing read."""

    decisions: DecisionService
    idempotency: Idempotency
    outcomes: OutcomeService
    boards: Boards
    reader: ScoreReader
    trials: Trials


def deciding(ground: Ground, way: Asking, record: Recording, agents: AgentService) -> Deciding:
    """Panels over this way of asking, put on record like this."""
    clock, metrics, database = ground.clock, ground.metrics, ground.database
    decisions, scores = _panels(ground, way, record), SqlScores(database)
    idempotency = Idempotency(
        SqlIdempotencyRepository(database, record.sealer),
        now=clock.now,
        wall=clock.wall,
        stops=way.kills,
        spilled=decisions.held_on_disk,
    )
    outcomes = OutcomeService(
        SqlOutcomeRepository(database, clock.wall),
        SqlPriceRepository(database, clock.wall),
        decisions.get,
        now=clock.now,
        wall=clock.wall,
        recorded=metrics.outcomes_recorded,
    )
    trials = Trials(
        SqlExperimentRepository(database),
        way.experiments,
        agents,
        scores,
        SqlArmRecords(database),
        known=Seating(ground.pool, way.directory).known,
        wall=clock.wall,
    )
    reader = ScoreReader(scores, ground.book, score_rules(ground.settings), clock.wall)
    boards = Boards(scores, ground.book, wall=clock.wall)
    return Deciding(decisions, idempotency, outcomes, boards, reader, trials)


def _panels(ground: Ground, way: Asking, record: Recording) -> DecisionService:
    settings, clock = ground.settings, ground.clock
    return DecisionService(
        way.gateway,
        Seating(ground.pool, way.directory),
        SqlDecisionRepository(ground.database, record.sealer, Horizons(**settings.outcomes.model_dump())),
        now=clock.now,
        wall=clock.wall,
        decided=each_told(ground.metrics.decision_finished, ground.validity.decided),
        stops=way.kills,
        grades=ground.book,
        confidences=ground.book,
        spill=Spill(settings.ledger.decision_spill_path, settings.ledger.spill_max_bytes),
        shelf=way.tapes,
        sealer=record.sealer,
        payloads=record.payloads,
        witness=way.witness,
        made_by=record.made_by,
        billing=way.billing,
        experiments=way.experiments,
    )
