"""Budgets: caps on money and tokens, for the whole gateway, an agent, a key or a provider."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.api.deps import MAX_ID, CurrentExchange, CurrentServices, body_of, described
from app.api.errors import field_errors
from app.api.fields import Answer, Body
from app.api.times import rendered_time
from app.domain.budget import DEFAULT_ALERT_AT, Amount, Budget, BudgetState, Cap, OnExceeded, ScopeKind, Window
from app.domain.caller import LOCAL_CALLER
from app.domain.errors import Code, NotFound, Violation
from app.domain.usage import money
from app.services import Services

router = APIRouter(prefix="/budgets", tags=["usage"])

_SCOPE: Final = re.compile(r"gateway|agent:[1-9][0-9]{0,17}|key:[A-Za-z0-9_-]{1,64}|provider:[A-Za-z0-9_.-]{1,64}")
_DOLLARS: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
# What else a Decimal can be read from (underscores, digits of other scripts) is more often a slip than a sum.
_WRITTEN: Final = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_MOST_TOKENS: Final = 10**15


def _dollars(value: Any) -> Any:  # noqa: ANN401 - whatever the caller put there
    """A decimal string as it is; a number as it would be written. A float's own digits are nobody's budget."""
    if value is None or isinstance(value, Decimal):
        return value
    is_number = isinstance(value, str | int | float) and not isinstance(value, bool)
    if is_number and _WRITTEN.fullmatch(str(value)) and _DOLLARS.fullmatch(text := format(Decimal(str(value)), "f")):
        return Decimal(text)
    raise ValueError("must be dollars as a decimal string, at least 0, with at most 12 digits on either side")


def _share(value: float | None) -> float | None:
    if value is not None and not 0 < value <= 1:
        raise ValueError("must be more than 0 and at most 1")
    return value


class BudgetWrite(Body):
    """One window's budget. Null, or absent, is no cap of that kind; at least one has to be there.

    `alert_at` is the part of the cap at which an alert is told, null for none. `on_exceeded` `downgrade` sends a
    request to a cheaper target of its plan that still fits; a provider's budget always sends it elsewhere.
    """

    window: Annotated[Window, Field(strict=False)]
    cost_usd: Annotated[Decimal | None, BeforeValidator(_dollars)] = None
    tokens: Annotated[int | None, Field(ge=0, le=_MOST_TOKENS)] = None
    alert_at: Annotated[float | None, AfterValidator(_share)] = DEFAULT_ALERT_AT
    on_exceeded: Annotated[OnExceeded, Field(strict=False)] = OnExceeded.REFUSE

    @model_validator(mode="after")
    def _caps_something(self) -> Self:
        if self.cost_usd is None and self.tokens is None:
            raise ValueError("cost_usd or tokens must be given")
        return self

    def budget(self, scope: str) -> Budget:
        """The budget, not stored yet."""
        return Budget("", scope, self.window, Cap(self.cost_usd, self.tokens), self.alert_at, self.on_exceeded)


class AmountAnswer(Answer):
    """Dollars and tokens; null is no cap of that kind."""

    cost_usd: str | None
    tokens: int | None


class BudgetAnswer(Answer):
    """A budget in the window that lasts.

    `used` is what was spent, `reserved` what calls under way may still take, `left` what is left beside both.
    """

    scope: str
    window: Window
    cost_usd: str | None
    tokens: int | None
    used: AmountAnswer
    reserved: AmountAnswer
    left: AmountAnswer
    alert_at: float | None
    on_exceeded: OnExceeded
    begins_at: str
    ends_at: str

    @classmethod
    def of(cls, state: BudgetState) -> Self:
        """The budget as callers see it."""
        budget = state.budget
        return cls(
            scope=budget.scope,
            window=budget.window,
            **_cap(budget.cap),
            used=_amount(state.used),
            reserved=_amount(state.reserved),
            left=AmountAnswer(**_cap(state.left)),
            alert_at=budget.alert_at,
            on_exceeded=budget.on_exceeded,
            begins_at=rendered_time(state.begins),
            ends_at=rendered_time(state.ends),
        )


class ScopeBudgets(BudgetAnswer):
    """The first budget of a scope, and under `windows` all of them, the shortest window first."""

    windows: list[BudgetAnswer]


class BudgetList(Answer):
    """Every budget: the gateway's, agents', keys', providers'."""

    items: list[BudgetAnswer]


class WindowQuery(BaseModel):
    """One of a scope's budgets, or all of them."""

    # A misspelt window that is passed over would remove them all.
    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Window | None = None


Scope = Annotated[str, Path(max_length=128)]
OneWindow = Annotated[WindowQuery, Query()]
BUDGET_EXAMPLE: Final = {"window": "day", "cost_usd": "25.00", "tokens": None, "alert_at": 0.8, "on_exceeded": "refuse"}


@router.get("", summary="All budgets, and what is left of them")
async def list_budgets(services: CurrentServices) -> BudgetList:
    """As this process knows it: what others spent, within a second."""
    return BudgetList(items=[BudgetAnswer.of(state) for state in services.budgets.everything()])


@router.put("/{scope}", openapi_extra=described(BudgetWrite, BUDGET_EXAMPLE), summary="Set a budget")
async def put_budget(
    scope: Scope, wanted: Annotated[BudgetWrite, Depends(body_of(BudgetWrite))], exchange: CurrentExchange
) -> BudgetAnswer:
    """The scope's budget of this window, in force at once; on other workers within a second.

    What was spent in the window before counts, by the attempts on record: those of the last two seconds may not be yet.
    """
    budget = wanted.budget(await _known(scope, exchange.services))
    return BudgetAnswer.of(await exchange.services.budgets.put(budget, exchange.author))


@router.get("/{scope}", summary="A scope's budgets, and what is left of them")
async def read_budget(scope: Scope, services: CurrentServices, query: OneWindow) -> ScopeBudgets:
    """The shortest window's first, or that of `window`; all are under `windows`."""
    states = services.budgets.of(_checked(scope), query.window)
    first = BudgetAnswer.of(states[0])
    return ScopeBudgets(**dict(first), windows=[BudgetAnswer.of(state) for state in states])


@router.delete("/{scope}", status_code=204, summary="Remove a budget")
async def delete_budget(scope: Scope, exchange: CurrentExchange, query: OneWindow) -> None:
    """All of the scope are gone, or that of `window`, with what was counted for them."""
    await exchange.services.budgets.remove(_checked(scope), query.window, exchange.author)


def _checked(scope: str) -> str:
    """The scope, if it is one. Raises RequestRejected."""
    if not _SCOPE.fullmatch(scope):
        message = "must be gateway, agent:<id>, key:<id> or provider:<name>"
        raise field_errors([Violation("scope", message)])
    return scope


async def _known(scope: str, services: Services) -> str:
    """The scope, unless it is nobody's: a misspelt budget would keep nobody. Raises NotFound."""
    kind, _, name = _checked(scope).partition(":")
    match ScopeKind(kind):
        case ScopeKind.AGENT:
            if int(name) > MAX_ID:
                raise NotFound(f"there is no agent {name}", code=Code.UNKNOWN_AGENT, param="scope")
            await services.agents.get(int(name))
        case ScopeKind.KEY:
            known = {key.caller.key_id for key in services.keys} or {LOCAL_CALLER.key_id}
            if name not in known:
                raise NotFound(f"there is no key {name!r}; keys: {', '.join(sorted(known))}"[:1_000], param="scope")
        case ScopeKind.PROVIDER:
            names = sorted(provider.name for provider in services.providers.current.providers)
            if name not in names:
                message = f"no provider is called {name!r}; configured: {', '.join(names)}"
                raise NotFound(message[:1_000], code=Code.UNKNOWN_PROVIDER, param="scope")
        case ScopeKind.GATEWAY:
            pass
    return scope


def _cap(cap: Cap) -> dict[str, Any]:
    return {"cost_usd": None if cap.cost_usd is None else money(cap.cost_usd), "tokens": cap.tokens}


def _amount(amount: Amount) -> AmountAnswer:
    return AmountAnswer(cost_usd=money(amount.cost), tokens=amount.tokens)
