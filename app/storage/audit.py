"""The record as it is read: for a check of everything, and for one decision's bundle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Row, and_, case, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import GONE, Bad, Checkpoint, Found, Head, Kind, Link, Words
from app.domain.payload import Part, PayloadForm
from app.storage.database import Database, reads
from app.storage.graded import amiss
from app.storage.states import PREFIX, digest_of, digest_of_bytes, states
from app.storage.tables import (
    AUDIT_CHAINS,
    AUDIT_CHECKPOINTS,
    AUDIT_ENTRIES,
    AUDIT_PAYLOADS,
    DECISIONS,
    OUTCOMES,
    PAYLOADS,
)

_E: Final = AUDIT_ENTRIES.c
_P: Final = AUDIT_PAYLOADS.c
_C: Final = AUDIT_CHECKPOINTS.c
_W: Final = PAYLOADS.c
_O: Final = OUTCOMES.c
_LINK: Final = (
    _E.chain,
    _E.seq,
    _E.at,
    _E.kind,
    _E.subject,
    _E.by,
    _E.payload_hash,
    _E.state,
    _E.prev,
    _E.own,
    _E.hash,
)
_BESIDE: Final = and_(_P.chain == _E.chain, _P.seq == _E.seq)
_TELLING: Final = (Kind.DECISION, Kind.LATE_VOTES)
_AT_ONCE: Final = 400


class SqlAuditRepository:
    """The record, read only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    async def links(self, session: AsyncSession, past: tuple[str, int] | None, limit: int) -> list[Found]:
        """Links by chain and place, past one; of their payloads the hashes."""
        digest = digest_of(self._database, _P.body)
        wanted = select(*_LINK, digest).select_from(AUDIT_ENTRIES.outerjoin(AUDIT_PAYLOADS, _BESIDE))
        if past is not None:
            wanted = wanted.where(tuple_(_E.chain, _E.seq) > past)
        rows = await session.execute(wanted.order_by(_E.chain, _E.seq).limit(limit))
        return [Found(Link(*row[:-1]), row[-1]) for row in rows.all()]

    @reads
    async def hashes(self, session: AsyncSession, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
        """The hash of each of these links that there is."""
        found: dict[tuple[str, int], str] = {}
        for start in range(0, len(places), _AT_ONCE):
            some = tuple_(_E.chain, _E.seq).in_(places[start : start + _AT_ONCE])
            rows = await session.execute(select(_E.chain, _E.seq, _E.hash).where(some))
            found |= {(chain, seq): digest for chain, seq, digest in rows}
        return found

    @reads
    async def ends(self, session: AsyncSession) -> dict[str, int]:
        """Of each chain, how many links are past its last checkpoint."""
        return {head.chain: head.seq - sealed for head, sealed in await unsealed(session)}

    @reads
    async def checkpoints(self, session: AsyncSession, past: int, limit: int) -> list[Checkpoint]:
        """Checkpoints past a number, in order."""
        rows = await session.execute(select(AUDIT_CHECKPOINTS).where(_C.number > past).order_by(_C.number).limit(limit))
        return [checkpoint_of(row) for row in rows]

    @reads
    async def payload(self, session: AsyncSession, chain: str, seq: int) -> dict[str, Any] | None:
        """What a payload says; None where it is erased or no object."""
        body = await session.scalar(select(_P.body).where(_P.chain == chain, _P.seq == seq))
        found = None if body is None else orjson.loads(body)
        return found if isinstance(found, dict) else None

    @reads
    async def states(self, session: AsyncSession, subjects: Sequence[str]) -> dict[str, str]:
        """The state of each subject's own row, where it has one."""
        ids = sorted({subject.removeprefix(PREFIX) for subject in subjects})
        found: dict[str, str] = {}
        for start in range(0, len(ids), _AT_ONCE):
            found |= await states(self._database, session, ids[start : start + _AT_ONCE])
        return {f"{PREFIX}{one}": state for one, state in found.items()}

    @reads
    async def is_erased(self, session: AsyncSession, link: Link) -> bool:
        """Whether somebody has put on record that he erased entries' payloads of this subject, after this link."""
        later = [one for at, one in await _erasures(session, link.subject) if at > link.at]
        return any(one.get("erased") == "payload" for one in later)

    @reads
    async def said(
        self, session: AsyncSession, places: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], dict[str, tuple[str, str | None]]]:
        """What these links say was said: each part with its hash, and how it is kept."""
        found: dict[tuple[str, int], dict[str, tuple[str, str | None]]] = {}
        for start in range(0, len(places), _AT_ONCE):
            some = tuple_(_P.chain, _P.seq).in_(places[start : start + _AT_ONCE])
            for chain, seq, body in await session.execute(select(_P.chain, _P.seq, _P.body).where(some)):
                told = _object(body)
                parts, forms = told.get("payloads"), told.get("forms") or {}
                if isinstance(parts, dict):
                    found[chain, seq] = {part: (digest, forms.get(part)) for part, digest in parts.items()}
        return found

    @reads
    async def words(self, session: AsyncSession, subjects: Sequence[str]) -> dict[str, list[Words]]:
        """What is stored of what was said, by subject; of what is not encrypted with the hash of what stands there."""
        ids = sorted({subject.removeprefix(PREFIX) for subject in subjects})
        found: dict[str, list[Words]] = defaultdict(list)
        # Encrypted content is not made a hash of: that of what it says is the only one that is known.
        digest = case((_W.form == PayloadForm.PLAIN.value, digest_of_bytes(self._database, _W.content)), else_=None)
        columns = (_W.subject, _W.part, _W.form, _W.sha256, _W.content.is_not(None), digest)
        for start in range(0, len(ids), _AT_ONCE):
            rows = await session.execute(select(*columns).where(_W.subject.in_(ids[start : start + _AT_ONCE])))
            for subject, *row in rows:
                found[f"{PREFIX}{subject}"].append(Words(*row))
        return found

    @reads
    async def erased_parts(self, session: AsyncSession, subject: str) -> frozenset[str]:
        """The parts of which somebody has put on record that he erased them, and those that came too late for it."""
        parts = {part for _, one in await _erasures(session, subject) for part in one.get("parts") or ()}
        return frozenset(parts | {Part.LATE.value} if parts else parts)

    async def amiss(self, links: Sequence[Link]) -> dict[tuple[str, int], str]:
        """What is wrong with what these links say became of a decision, as its rows have it, or with its grades."""
        found = await self._amiss(links)
        # Nobody locks anything for a check: what changed while it was read is in order at the second look.
        return await self._amiss([link for link in links if (link.chain, link.seq) in found]) if found else found

    @reads
    async def _amiss(self, session: AsyncSession, links: Sequence[Link]) -> dict[tuple[str, int], str]:
        bodies: dict[tuple[str, int], dict[str, Any]] = {}
        places = [(link.chain, link.seq) for link in links]
        for start in range(0, len(places), _AT_ONCE):
            some = tuple_(_P.chain, _P.seq).in_(places[start : start + _AT_ONCE])
            rows = await session.execute(select(_P.chain, _P.seq, _P.body).where(some))
            bodies |= {(chain, seq): told for chain, seq, body in rows if (told := _object(body))}
        told = defaultdict[str, list[tuple[tuple[str, int], dict[str, Any]]]](list)
        for link in links:
            place = (link.chain, link.seq)
            if place in bodies:
                told[link.subject.removeprefix(PREFIX)].append((place, bodies[place]))
        wrong = await amiss(session, {one: [body for _, body in outcomes] for one, outcomes in told.items()})
        return {told[one][number][0]: reason for one, some in wrong.items() for number, reason in some.items()}

    @reads
    async def sealed(self, session: AsyncSession) -> dict[str, int]:
        """Of each chain, how far checkpoints are said to cover it."""
        rows = await session.execute(select(AUDIT_CHAINS.c.chain, AUDIT_CHAINS.c.sealed))
        return {row.chain: row.sealed for row in rows}

    @reads
    async def is_superseded(self, session: AsyncSession, link: Link, state: str) -> bool:
        """Whether a later link says what the subject's row holds, or that some row is in this state.

        A state is the hash of an id with all else, so that no link has this row's without being about it: where its
        subject says otherwise, it is the one that was changed, and is named when its turn comes.
        """
        # Within a chain the place says what is later, whatever was made of a moment; between chains only moments do.
        here = or_(
            and_(_E.chain == link.chain, _E.seq > link.seq),
            and_(_E.chain != link.chain, tuple_(_E.at, _E.chain) > (link.at, link.chain)),
        )
        speaks_of_it = and_(_E.subject == link.subject, _E.state.is_not(None))
        if await session.scalar(select(exists().where(speaks_of_it, here))):
            return True
        # No index leads there: nobody looks but for the one row that is about to be named.
        return state != GONE and bool(await session.scalar(select(exists().where(_E.state == state, here))))

    @reads
    async def orphan(self, session: AsyncSession) -> Bad | None:
        """What is stored and on no record: a decision since there is one, an outcome, votes that came late."""
        # The list of chains says it, too, but nothing holds that fast.
        first_at = await session.scalar(select(_E.at).where(_E.seq == 1).order_by(_E.chain).limit(1))
        if first_at is None:
            return None
        since = datetime.fromisoformat(first_at)
        on_record = exists().where(_E.subject == PREFIX + DECISIONS.c.id)
        first = select(DECISIONS.c.id).where(DECISIONS.c.created_at > since, ~on_record)
        found = await session.scalar(first.order_by(DECISIONS.c.created_at).limit(1))
        if found is not None:
            return Bad(None, None, f"{PREFIX}{found}", "is stored, and not on record")
        # They would be told in the place of the answer that is on record.
        about = [exists().where(_E.subject == PREFIX + _W.subject, _E.kind == kind.value) for kind in _TELLING]
        late = select(_W.subject).where(_W.part == Part.LATE.value, about[0], ~about[1])
        found = await session.scalar(late.order_by(_W.subject).limit(1))
        if found is not None:
            return Bad(None, None, f"{PREFIX}{found}", "has late votes that are not on record")
        return await _orphaned_outcome(session)

    @reads
    async def of_subject(self, session: AsyncSession, subject: str) -> list[Link]:
        """Every link about a subject."""
        rows = await session.execute(select(*_LINK).where(_E.subject == subject).order_by(_E.chain, _E.seq))
        return [Link(*row) for row in rows]

    @reads
    async def segment(self, session: AsyncSession, chain: str, first: int, last: int) -> list[Link]:
        """The links of a chain from one place to another."""
        part = and_(_E.chain == chain, _E.seq.between(first, last))
        return [Link(*row) for row in await session.execute(select(*_LINK).where(part).order_by(_E.seq))]

    @reads
    async def covering(self, session: AsyncSession, chain: str, since: str, past: int, limit: int) -> list[Checkpoint]:
        """Signed checkpoints that name a chain, from a moment on and past a number, in order."""
        names = _C.body.contains(f'"chain":"{chain}"', autoescape=True)
        wanted = select(AUDIT_CHECKPOINTS).where(_C.at >= since, _C.number > past, _C.signature.is_not(None), names)
        return [checkpoint_of(row) for row in await session.execute(wanted.order_by(_C.number).limit(limit))]

    @reads
    async def bodies(
        self, session: AsyncSession, places: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], str | None]:
        """The text of these payloads, where it is there."""
        rows = await session.execute(select(_P.chain, _P.seq, _P.body).where(tuple_(_P.chain, _P.seq).in_(places)))
        return {(chain, seq): body for chain, seq, body in rows}


async def _orphaned_outcome(session: AsyncSession) -> Bad | None:
    """A decision on record with an outcome that is not: each that is has its row by then, so that more are too many."""
    told = select(_E.subject, func.count().label("count")).where(_E.kind == Kind.OUTCOME.value).group_by(_E.subject)
    told_by = told.subquery()
    is_known = exists().where(_E.subject == PREFIX + _O.decision_id, _E.kind == Kind.DECISION.value)
    stored = select(_O.decision_id, func.count().label("count")).where(is_known).group_by(_O.decision_id).subquery()
    beside = stored.outerjoin(told_by, told_by.c.subject == PREFIX + stored.c.decision_id)
    more = stored.c.count > func.coalesce(told_by.c.count, 0)
    wanted = select(stored.c.decision_id).select_from(beside).where(more).order_by(stored.c.decision_id).limit(1)
    found = await session.scalar(wanted)
    return None if found is None else Bad(None, None, f"{PREFIX}{found}", "has an outcome that is not on record")


async def _erasures(session: AsyncSession, subject: str) -> list[tuple[str, dict[str, Any]]]:
    """When something of a subject was erased, and what that says."""
    beside = AUDIT_ENTRIES.outerjoin(AUDIT_PAYLOADS, _BESIDE)
    erased = and_(_E.subject == subject, _E.kind == Kind.ERASURE.value)
    rows = await session.execute(select(_E.at, _P.body).select_from(beside).where(erased))
    return [(at, _object(body)) for at, body in rows]


def _object(body: str | None) -> dict[str, Any]:
    """What a payload says; nothing where it is erased, or is no object."""
    try:
        found = None if body is None else orjson.loads(body)
    except (TypeError, ValueError):
        found = None
    return found if isinstance(found, dict) else {}


async def unsealed(session: AsyncSession) -> list[tuple[Head, int]]:
    """The end of each chain that has grown since its last checkpoint, and how far that covers it."""
    end = select(func.max(_E.seq)).where(_E.chain == AUDIT_CHAINS.c.chain).scalar_subquery()
    ends = select(AUDIT_CHAINS.c.chain, AUDIT_CHAINS.c.sealed, end.label("end")).subquery()
    joined = ends.join(AUDIT_ENTRIES, and_(_E.chain == ends.c.chain, _E.seq == ends.c.end))
    wanted = select(ends.c.chain, ends.c.end, _E.hash, ends.c.sealed).select_from(joined)
    rows = await session.execute(wanted.where(ends.c.end > ends.c.sealed).order_by(ends.c.chain))
    return [(Head(chain, seq, digest), sealed) for chain, seq, digest, sealed in rows]


def checkpoint_of(row: Row[Any]) -> Checkpoint:
    """A stored checkpoint."""
    return Checkpoint(row.number, row.at, row.body, row.hash, row.key_id, row.public_key, row.signature)
