"""The kill switch: stop everything, an agent or a model, and let it go on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints

from app.api.deps import CurrentExchange, CurrentServices, body_of, described
from app.api.errors import field_errors
from app.api.fields import Answer, Body
from app.api.times import rendered_time
from app.domain.errors import Violation
from app.domain.kill import EVERYTHING, Kill
from app.routing.names import closest
from app.services import Providers

router = APIRouter(prefix="/admin", tags=["system"])

_AGENT: Final = re.compile(r"agent:[1-9][0-9]{0,17}")
_MODEL: Final = re.compile(r"model:([A-Za-z0-9_.-]{1,64})/(\S{1,256})")

Scope = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]


class KillWrite(Body):
    """What to stop, and why: `all`, `agent:<id>` or `model:<provider>/<model>`.

    A model that is on no list of its provider's is stopped only as `unlisted`: most of those are misspelt.
    """

    scope: Scope
    reason: Reason
    unlisted: bool = False


class ResumeWrite(Body):
    """What shall go on."""

    scope: Scope


class StoppedRow(Answer):
    """One stop in force."""

    scope: str
    reason: str
    since: str
    by: str


class Stopped(Answer):
    """What is stopped now."""

    stopped: list[StoppedRow]


class KillHistory(Stopped):
    """What is stopped now, and what was done, newest first."""

    history: list[dict[str, Any]]


@router.post(
    "/kill",
    openapi_extra=described(KillWrite, {"scope": "model:openai_primary/gpt-4o", "reason": "nonsense since 14:00"}),
    summary="Stop everything, an agent or a model",
    response_model=Stopped,
)
async def kill(wanted: Annotated[KillWrite, Depends(body_of(KillWrite))], exchange: CurrentExchange) -> dict[str, Any]:
    """At once here, within a second everywhere, and until it is resumed, also over a restart.

    Completions answer 503 `policy_killed`, decisions HOLD with `status: killed`; nothing goes upstream. What is under
    way ends: panels settle as killed, calls are cut off, streams end with the error. A stopped model's seat on a panel
    abstains, and completions fall over from it. Without the
    database the answer is a 503, and the stop is in force in the process that answers.
    """
    switch = exchange.services.kills
    scope = _known(_checked(wanted.scope), exchange.services.providers, is_unlisted=wanted.unlisted)
    return _rendered(await switch.kill(scope, wanted.reason, exchange.author))


@router.post(
    "/resume",
    openapi_extra=described(ResumeWrite, {"scope": "model:openai_primary/gpt-4o"}),
    summary="Let what was stopped go on",
    response_model=Stopped,
)
async def resume(
    wanted: Annotated[ResumeWrite, Depends(body_of(ResumeWrite))], exchange: CurrentExchange
) -> dict[str, Any]:
    """What is still stopped. A scope that is not stopped is no error, and another's stop holds: `all` is its own."""
    return _rendered(await exchange.services.kills.resume(_checked(wanted.scope), exchange.author))


@router.get("/kill", summary="What is stopped, and who stopped it", response_model=KillHistory)
async def read_kills(services: CurrentServices, limit: Annotated[int, Query(ge=1, le=500)] = 50) -> dict[str, Any]:
    """Every stop in force, and what was done about any, newest first."""
    done = [
        {
            "action": event.action.value,
            "scope": event.scope,
            "reason": event.reason,
            "at": rendered_time(event.at),
            "by": event.by,
        }
        for event in await services.kills.history(limit)
    ]
    return {**_rendered(services.kills.stopped()), "history": done}


def _checked(scope: str) -> str:
    """The scope, if it is one. Raises RequestRejected."""
    if scope != EVERYTHING and not _AGENT.fullmatch(scope) and not _MODEL.fullmatch(scope):
        raise field_errors([Violation("scope", "must be all, agent:<id> or model:<provider>/<model>")])
    return scope


def _known(scope: str, providers: Providers, *, is_unlisted: bool) -> str:
    """The scope, unless it stops a model of nobody's: a misspelt stop would stop nothing. Raises RequestRejected."""
    model = _MODEL.fullmatch(scope)
    configured = providers.current.providers
    names = {name for provider in configured for name in (provider.name, provider.type.value)}
    if model is None:
        return scope
    if model[1] in names:
        if not is_unlisted:
            _check_listed(
                model[1],
                model[2],
                [one.name for one in configured if model[1] in (one.name, one.type.value)],
                providers,
            )
        return scope
    message = f"no provider is called {model[1]!r}; configured: {', '.join(sorted(names))}"
    raise field_errors([Violation("scope", message[:1_000])])


def _check_listed(said: str, model: str, asked: Sequence[str], providers: Providers) -> None:
    """Raises RequestRejected for a model on no list of those asked. Where one of them has no list, any may be there."""
    lists = [providers.models(name) for name in asked]
    if all(lists) and not any(providers.serves(name, model) for name in asked):
        known = list(dict.fromkeys(f"{said}/{one}" for models in lists for one in models))
        message = f"{said} lists no model {model[:120]!r}{closest(f'{said}/{model}', known)}"
        raise field_errors([Violation("scope", f"{message}; with unlisted: true it is stopped all the same")])


def _rendered(kills: Sequence[Kill]) -> dict[str, Any]:
    rows = [
        {"scope": kill.scope, "reason": kill.reason, "since": rendered_time(kill.since), "by": kill.by}
        for kill in kills
    ]
    return {"stopped": rows}
