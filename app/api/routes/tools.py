"""Tools that the gateway calls for `/chat`, and what became of every call."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path
from pydantic import Field, SecretStr, StringConstraints

from app.api.deps import CurrentExchange, CurrentServices, Cursor, Limit, body_of, cursor_after, described, id_before
from app.api.fields import Answer, Body
from app.api.native_chat import call_rendered
from app.api.times import rendered_time
from app.domain.tools import DEFAULT_TIMEOUT, Tool, ToolCallRecord

router = APIRouter(prefix="/tools", tags=["tools"])
Name = Annotated[str, Path(max_length=64)]


class ToolCreate(Body):
    """A tool: an https URL that takes a POST of the arguments, and the JSON schema they follow.

    The values of `headers` go in and never come out; they are sent to this URL's origin only.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
    parameters: dict[str, Any] = Field(description="A JSON schema whose type is object.")
    url: Annotated[str, StringConstraints(min_length=1, max_length=2_048)]
    timeout_ms: int = Field(default=int(DEFAULT_TIMEOUT * 1000), ge=1, le=120_000)
    headers: dict[str, SecretStr] = Field(default_factory=dict, max_length=16)
    enabled: bool = True

    @property
    def tool(self) -> Tool:
        """The tool, not registered yet."""
        return Tool(
            id=0,
            name=self.name,
            description=self.description,
            parameters=self.parameters,
            url=self.url,
            timeout=self.timeout_ms / 1000,
            headers=self.headers,
            enabled=self.enabled,
        )


class ToolAnswer(Answer):
    """A tool, without the values of its headers."""

    name: str
    description: str
    parameters: dict[str, Any]
    url: str
    timeout_ms: int
    header_names: list[str]
    enabled: bool
    created_at: str | None
    updated_at: str | None

    @classmethod
    def of(cls, tool: Tool) -> Self:
        """The tool as callers see it."""
        return cls(
            name=tool.name,
            description=tool.description,
            parameters=dict(tool.parameters),
            url=tool.url,
            timeout_ms=round(tool.timeout * 1000),
            # Headers that cannot be read are still there: they must not look like none.
            header_names=list(tool.header_names),
            enabled=tool.enabled,
            created_at=rendered_time(tool.created_at) if tool.created_at else None,
            updated_at=rendered_time(tool.updated_at) if tool.updated_at else None,
        )


class ToolPage(Answer):
    """Tools in the order they were registered."""

    items: list[ToolAnswer]
    next: str | None


TOOL_EXAMPLE = {
    "name": "get_price",
    "description": "The last price of a symbol",
    "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}, "required": ["symbol"]},
    "url": "https://prices.example/v1/last",
    "timeout_ms": 2000,
    "headers": {"authorization": "Bearer ..."},
}


@router.post("", status_code=201, openapi_extra=described(ToolCreate, TOOL_EXAMPLE), summary="Register a tool")
async def create_tool(
    body: Annotated[ToolCreate, Depends(body_of(ToolCreate))], exchange: CurrentExchange
) -> ToolAnswer:
    """The new tool, in force at once; on other workers within a second."""
    return ToolAnswer.of(await exchange.services.tools.create(body.tool, by=exchange.author))


@router.get("", summary="List tools")
async def list_tools(services: CurrentServices, limit: Limit = 50, cursor: Cursor = None) -> ToolPage:
    """A page of tools."""
    tools = await services.tools.page(limit=limit + 1, after=id_before(cursor))
    page = tools[:limit]
    following = cursor_after(page[-1].id) if len(tools) > limit else None
    return ToolPage(items=[ToolAnswer.of(tool) for tool in page], next=following)


@router.get("/{name}", summary="Read a tool")
async def read_tool(name: Name, services: CurrentServices) -> ToolAnswer:
    """The tool."""
    return ToolAnswer.of(await services.tools.get(name))


@router.delete("/{name}", status_code=204, summary="Delete a tool")
async def delete_tool(name: Name, exchange: CurrentExchange) -> None:
    """The tool and its headers are gone; its calls stay on record."""
    await exchange.services.tools.delete(name, by=exchange.author)


@router.get("/{name}/calls", summary="A tool's calls on record, newest first")
async def list_calls(name: Name, services: CurrentServices, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    """A page of calls; neither arguments nor answers are kept."""
    found, following = await services.tools.calls(name, limit=limit, cursor=cursor)
    return {"items": [_recorded(call) for call in found], "next": following}


def _recorded(call: ToolCallRecord) -> dict[str, Any]:
    return {
        "id": call.id,
        "request_id": call.request_id,
        **call_rendered(call),
        "message": call.message,
        "started_at": rendered_time(call.started_at),
        "bytes_out": call.bytes_out,
        "bytes_in": call.bytes_in,
        "agent_id": call.agent_id,
        "key_id": call.key_id,
    }
