"""A check of the whole record, page by page: every link, payload and row, then every checkpoint, to the first bad one.

Chains come in the order in which they were begun. Only a page is in memory at a time, and of payloads their hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from app.domain.audit import GONE, Bad, Checkpoint, Findings, Found, Head, Kind, Link, Words
from app.domain.payload import PayloadForm
from app.ledger.chain import after, content_of, sha256
from app.ledger.checkpoints import complaint, heads_of

PAGE: Final = 2_000
_CHECKPOINTS: Final = 200
_LATE: Final = "late"
_ERASED: Final = "is erased, and nobody has put that on record"
_TELLING: Final = frozenset((Kind.DECISION.value, Kind.LATE_VOTES.value))
_BEFORE_ALL: Final = -(2**62)
_Said = tuple[str, str | None]


class Shelf(Protocol):
    """Where the record is read. Raises StorageUnavailable. Everything comes as it is stored, whatever that is."""

    async def links(self, past: tuple[str, int] | None, limit: int) -> Sequence[Found]:
        """Links by chain and place, past one."""
        ...

    async def hashes(self, places: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], str]:
        """The hash of each of these links that there is."""
        ...

    async def ends(self) -> Mapping[str, int]:
        """The last place of each chain that is not sealed to its end."""
        ...

    async def checkpoints(self, past: int, limit: int) -> Sequence[Checkpoint]: ...
    async def payload(self, chain: str, seq: int) -> Mapping[str, Any] | None: ...
    async def states(self, subjects: Sequence[str]) -> Mapping[str, str]: ...
    async def is_erased(self, link: Link) -> bool: ...
    async def said(self, places: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], Mapping[str, _Said]]:
        """What these links say was said: each part with its hash, and how it is kept, where they say that."""
        ...

    async def words(self, subjects: Sequence[str]) -> Mapping[str, Sequence[Words]]:
        """What is stored of what was said, by subject."""
        ...

    async def erased_parts(self, subject: str) -> frozenset[str]:
        """The parts of which somebody has put on record that he erased them."""
        ...

    async def amiss(self, links: Sequence[Link]) -> Mapping[tuple[str, int], str]:
        """What is wrong with what these links say became of a decision, or with what follows from it."""
        ...

    async def sealed(self) -> Mapping[str, int]:
        """How far each chain is said to be covered by checkpoints."""
        ...

    async def is_superseded(self, link: Link, state: str) -> bool:
        """Whether a later link says what the subject's row holds, or that some row is in this state."""
        ...

    async def orphan(self) -> Bad | None: ...


@dataclass(slots=True)
class _Count:
    rows: int = 0
    chains: set[str] = field(default_factory=set)
    checkpoints: int = 0
    signed: int = 0
    unsealed: int = 0

    def verdict(self, bad: Bad | None) -> Findings:
        return Findings(self.rows, bad, len(self.chains), self.checkpoints, self.signed, self.unsealed)


async def verified(shelf: Shelf, trusted: frozenset[str], kept: Sequence[Checkpoint] = ()) -> Findings:
    """What is wrong first. `trusted` are public keys; `kept` are checkpoints that were exported before."""
    count = _Count()
    bad = await _chains(shelf, count)
    if bad is None:
        bad = await _sealed(shelf, trusted, count, kept)
    if bad is None:
        bad = await shelf.orphan()
    return count.verdict(bad)


async def _chains(shelf: Shelf, count: _Count) -> Bad | None:
    last: Link | None = None
    while page := await shelf.links(None if last is None else (last.chain, last.seq), PAGE):
        good: list[Found] = []
        wrong: Bad | None = None
        for found in page:
            is_first = last is None or last.chain != found.link.chain
            wrong = about_link(found.link, None if is_first else last)
            if wrong is not None:
                break
            good.append(found)
            count.chains.add(found.link.chain)
            last = found.link
        # What a link speaks of is looked up only once the link itself is in order.
        stated = [found.link.subject for found in good if found.link.state is not None]
        states = await shelf.states(stated) if stated else {}
        words = await _Words.beside(shelf, [found.link for found in good])
        results = [found.link for found in good if found.link.kind == Kind.OUTCOME]
        amiss = await shelf.amiss(results) if results else {}
        for found in good:
            count.rows += 1
            if bad := await _beside(shelf, found, states) or await words.about(found.link):
                return bad
            if reason := amiss.get((found.link.chain, found.link.seq)):
                return _bad(found.link, reason)
        if wrong is not None:
            count.rows += 1
            return wrong
    return None


def about_link(link: Link, before: Link | None) -> Bad | None:
    """What is wrong with a link after the one before it, None for a chain's first; of its payload nothing."""
    seq, prev = (1, GONE) if before is None else (before.seq + 1, before.hash)
    if link.seq != seq:
        is_later = _number(link.seq) is not None and link.seq > seq
        return Bad(link.chain, seq, None, "is missing") if is_later else _bad(link, "is not where it was")
    try:
        own = sha256(content_of(link))
    except TypeError:
        return _bad(link, "holds what no entry can hold")
    if own != link.own:
        return _bad(link, "was changed: its own hash does not fit")
    if link.prev != prev:
        return _bad(link, "does not follow the entry before it")
    if after(link.prev, link.own) != link.hash:
        return _bad(link, "was changed: its hash does not fit")
    return None


async def _beside(shelf: Shelf, found: Found, states: Mapping[str, str]) -> Bad | None:
    """What is wrong with what a link speaks of: its payload, its subject's row, what its chain follows."""
    link = found.link
    if found.payload_found != link.payload_hash and not (found.payload_found is None and await shelf.is_erased(link)):
        return _bad(link, "has lost its payload" if found.payload_found is None else "its payload was changed")
    state = states.get(link.subject, GONE)
    if link.state not in (None, state) and not await shelf.is_superseded(link, state):
        return _bad(link, f"the row it is about {'was changed' if link.subject in states else 'is gone'}")
    return await _about_start(shelf, link) if link.kind == Kind.START else None


@dataclass(frozen=True, slots=True)
class _Words:
    """What a page of links says was said, and what is stored of it."""

    shelf: Shelf
    said: Mapping[tuple[str, int], Mapping[str, _Said]]
    stored: Mapping[str, Sequence[Words]]

    @classmethod
    async def beside(cls, shelf: Shelf, links: Sequence[Link]) -> _Words:
        telling = [link for link in links if link.kind in _TELLING]
        if not telling:
            return cls(shelf, {}, {})
        said = await shelf.said([(link.chain, link.seq) for link in telling])
        return cls(shelf, said, await shelf.words([link.subject for link in telling]))

    async def about(self, link: Link) -> Bad | None:
        """What is wrong with the words of which this link has the hashes."""
        said = self.said.get((link.chain, link.seq))
        if said is None:
            return None
        stored = {one.part: one for one in self.stored.get(link.subject, ())}
        unsaid = [part for part in stored if part not in said and (part == _LATE) == (link.kind == Kind.LATE_VOTES)]
        for part in (*sorted(said), *unsaid):
            wrong = _about_words(said.get(part), stored.get(part))
            if wrong == _ERASED and part in await self.shelf.erased_parts(link.subject):
                continue
            if wrong is not None:
                return _bad(link, f"what was said in it ({part}) {wrong}")
        return None


def _about_words(said: _Said | None, stored: Words | None) -> str | None:
    if said is None:
        return "is not on record"
    if stored is None:
        return "is gone"
    digest, form = said
    if stored.sha256 != digest or stored.found not in (None, digest):
        return "was changed"
    if stored.form == PayloadForm.ERASED:
        return _ERASED
    if form not in (None, stored.form):
        return "is not kept as it was"
    return "is gone" if not stored.is_stored and stored.form != PayloadForm.HASHED else None


async def _about_start(shelf: Shelf, link: Link) -> Bad | None:
    payload = await shelf.payload(link.chain, link.seq) or {}
    follows, checkpoint = payload.get("follows"), payload.get("checkpoint")
    seen = f"is not there as the chain {link.chain} found it"
    try:
        if follows is not None:
            place = (str(follows["chain"]), int(follows["seq"]))
            if (await shelf.hashes([place])).get(place) != follows["hash"]:
                return Bad(*place, None, seen)
        if checkpoint is not None:
            number = int(checkpoint["number"])
            found = await shelf.checkpoints(number - 1, 1)
            if not found or (found[0].number, found[0].hash) != (number, checkpoint["hash"]):
                return Bad(None, None, f"checkpoint:{number}", seen)
    except (KeyError, TypeError, ValueError):
        return _bad(link, "is no beginning of a chain")
    return None


async def _sealed(shelf: Shelf, trusted: frozenset[str], count: _Count, kept: Sequence[Checkpoint]) -> Bad | None:
    """Whether every checkpoint is in order, and whether the chains go as far as it says."""
    wanted = {checkpoint.number: checkpoint for checkpoint in kept}
    last: Checkpoint | None = None
    # Before the checkpoints: what is drawn up meanwhile covers more, never less.
    claimed, covered = await shelf.sealed(), dict[str, int]()
    while page := await shelf.checkpoints(_BEFORE_ALL if last is None else last.number, _CHECKPOINTS):
        for checkpoint in page:
            wrong = complaint(checkpoint, last, trusted)
            mine = wanted.pop(checkpoint.number, None)
            if wrong is None and mine is not None and mine.hash != checkpoint.hash:
                wrong = "is not the one that was exported"
            if wrong is not None:
                return Bad(None, None, f"checkpoint:{checkpoint.number}", wrong)
            last = checkpoint
        count.checkpoints += len(page)
        count.signed += sum(checkpoint.signature is not None for checkpoint in page)
        covered |= {head.chain: head.seq for checkpoint in page for head in heads_of(checkpoint)}
        if bad := await _about_heads(shelf, page):
            return bad
    if wanted:
        return Bad(None, None, f"checkpoint:{min(wanted)}", "was exported, and is not there any more")
    if bad := _about_list(count.chains, claimed, covered):
        return bad
    count.unsealed = sum((await shelf.ends()).values())
    return None


def _about_list(chains: set[str], claimed: Mapping[str, int], covered: Mapping[str, int]) -> Bad | None:
    """What is wrong with the list of chains, by which the next checkpoint knows what to cover."""
    for chain in sorted(chains - claimed.keys()):
        return Bad(_shown(chain), None, None, "is missing in the list of chains: no checkpoint would cover it")
    for chain, sealed in claimed.items():
        if _number(sealed) is None or sealed > covered.get(chain, 0):
            return Bad(_shown(chain), None, None, "is said to be sealed further than any checkpoint goes")
    return None


async def _about_heads(shelf: Shelf, page: Sequence[Checkpoint]) -> Bad | None:
    heads = [(checkpoint.number, head) for checkpoint in page for head in heads_of(checkpoint)]
    found = await shelf.hashes([(head.chain, head.seq) for _, head in heads])
    for number, head in heads:
        stored = found.get((head.chain, head.seq))
        if stored is None:
            return Bad(head.chain, await _end(shelf, head) + 1, None, f"is cut off: checkpoint {number} has {head.seq}")
        if stored != head.hash:
            return Bad(head.chain, head.seq, None, f"is not what checkpoint {number} has")
    return None


async def _end(shelf: Shelf, head: Head) -> int:
    """The last place before a head that is there; the links up to it are in order by then."""
    low, high = 0, head.seq
    while high - low > 1:
        middle = (low + high) // 2
        if await shelf.hashes([(head.chain, middle)]):
            low = middle
        else:
            high = middle
    return low


def _bad(link: Link, reason: str) -> Bad:
    return Bad(_shown(link.chain), _number(link.seq), _shown(link.subject), reason)


def _number(value: object) -> int | None:
    """By now anything may stand there, also what is no number."""
    return value if isinstance(value, int) else None


def _shown(value: object) -> str:
    return str(value).encode("utf-8", "replace").decode()
