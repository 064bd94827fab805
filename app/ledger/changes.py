"""What a change looks like on record: the fields that differ, before and after, and never a secret.

A key is told by what happened to it and by its hint, headers by their names, an address without its query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from app.domain.agent import Agent, AgentConfig
from app.domain.audit import Author, Change, Entry, Kind, Link, change
from app.domain.budget import Budget
from app.domain.tools import Tool
from app.ledger.chain import payload_text, sha256
from app.ledger.plain import plain

_OF_CONFIG: Final = (
    *("provider", "model_name", "temperature", "max_tokens", "top_p", "fallback_provider", "fallback_model"),
    *("priority", "cost_per_1k_input_tokens", "cost_per_1k_output_tokens", "enabled", "metadata"),
)


def changed(
    subject: str, by: Author, *, what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Entry | None:
    """The entry of a change; None for one that changes nothing. None before for what is new, after for what is gone."""
    if before is not None and after is not None:
        before, after = differing(before, after)
    if not before and not after:
        return None
    return change(subject, by, what=what, before=before, after=after)


def noted(subject: str, by: Author, *, before: Mapping[str, Any] | None, found: Mapping[str, Any]) -> Entry | None:
    """The entry of what was found where nobody says what changed: `before` is what was found last, None if nothing.

    The whole of it is in the entry, with the hash of its canonical JSON: the next look has something to compare with.
    """
    entry = changed(subject, by, what="found", before=before, after=found)
    if entry is None or entry.payload is None:
        return None
    return replace(entry, payload={**entry.payload, "found": found, "hash": sha256(payload_text(found).encode())})


def found_in(payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was found, by the payload of an entry that `noted` made."""
    found = payload.get("found")
    return found if isinstance(found, dict) else None


def change_in(link: Link, payload: Mapping[str, Any]) -> Change:
    """An entry as it is told; of one whose payload is gone only that it is there."""
    is_erasure = link.kind == Kind.ERASURE.value
    return Change(
        link.chain,
        link.seq,
        link.at,
        Kind(link.kind),
        link.subject,
        link.by,
        link.hash,
        request_id=payload.get("request_id"),
        what=f"{payload.get('erased')}_erased" if is_erasure and payload else payload.get("what"),
        before=payload.get("parts" if is_erasure else "before"),
        after=payload.get("after"),
        reason=payload.get("reason"),
    )


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is not the same in the two, as it is in each; of mappings again only that."""
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if name in before and name in after and one == other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            one, other = differing(one, other)
        if name in before:
            old[name] = one
        if name in after:
            new[name] = other
    return old, new


def agent_fields(agent: Agent) -> dict[str, Any]:
    """An agent as it is told."""
    told: dict[str, Any] = plain(
        {
            "name": agent.name,
            "description": agent.description,
            "metadata": agent.metadata,
            "enabled": agent.enabled,
        }
    )
    return told


def config_changed(by: Author, *, before: AgentConfig | None, after: AgentConfig | None) -> Entry | None:
    """The entry of a configuration that is new, changed or gone; its agent is the subject."""
    one = after or before
    if one is None:
        return None
    did = "created" if before is None else "deleted" if after is None else "changed"
    old = None if before is None else _config_fields(before)
    new = None if after is None else _config_fields(after)
    if old is not None and new is not None:
        old, new = differing(old, new)
        if not old and not new and not _is_other_key(before, after):
            return None
    if new is not None and (key := _what_became_of_the_key(before, after)) is not None:
        new["api_key"] = key
    return change(
        f"agent:{one.agent_id}", by, what=f"llm_config_{did}", before=_numbered(one, old), after=_numbered(one, new)
    )


def budget_fields(budget: Budget) -> dict[str, Any]:
    """A budget as it is told; which one it is in the database says nothing."""
    told: dict[str, Any] = plain(budget)
    del told["id"]
    return told


def tool_fields(tool: Tool) -> dict[str, Any]:
    """A tool as it is told: its address without what may be secret there, the names of its headers."""
    parts = urlsplit(tool.url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    told: dict[str, Any] = plain(
        {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "url": address + ("?…" if parts.query else ""),
            "timeout": tool.timeout,
            "header_names": sorted(tool.headers or tool.header_names),
            "enabled": tool.enabled,
        }
    )
    return told


def _config_fields(config: AgentConfig) -> dict[str, Any]:
    told: dict[str, Any] = plain({name: getattr(config, name) for name in _OF_CONFIG})
    has_key = config.api_key is not None or config.undecryptable
    return told | {"api_key": {"hint": config.api_key_hint} if has_key else None}


def _numbered(config: AgentConfig, fields: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if fields is None else {"llm_config": config.id, **fields}


def _is_other_key(before: AgentConfig | None, after: AgentConfig | None) -> bool:
    old, new = before and before.api_key, after and after.api_key
    # One that cannot be read and is given again may be the same; nobody can know.
    return new != old


def _what_became_of_the_key(before: AgentConfig | None, after: AgentConfig | None) -> dict[str, Any] | None:
    """Of a configuration that stays: what was done with its key; None where it was left as it is."""
    if after is None:
        return None
    had_key = before is not None and (before.api_key is not None or before.undecryptable)
    if after.api_key is None and not after.undecryptable:
        return {"did": "removed"} if had_key else None
    if not had_key:
        return {"did": "set", "hint": after.api_key_hint}
    return {"did": "replaced", "hint": after.api_key_hint} if _is_other_key(before, after) else None
