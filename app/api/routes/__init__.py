"""Every operation that is served: those of the framework, and those that the edge calls directly."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.routing import Route

from app.api.document import Operation
from app.api.edge import Direct
from app.api.examples import CHAT, COMPLETIONS, DECISION, EXAMPLES
from app.api.routes import agents, chat, decisions, models, provider_tests, providers, system, usage

DIRECT: Final[tuple[Route, ...]] = (
    Route("/v1/chat/completions", Direct(chat.chat_completions), methods=["POST"]),
    Route("/chat", Direct(chat.chat), methods=["POST"]),
    Route("/decisions", Direct(decisions.decide), methods=["POST"]),
)
ROUTERS: Final[tuple[APIRouter, ...]] = (
    models.router,
    decisions.router,
    providers.router,
    provider_tests.router,
    agents.router,
    usage.router,
    system.router,
)
OPERATIONS: Final[tuple[Operation, ...]] = (COMPLETIONS, CHAT, DECISION)
BODIES: Final[tuple[type[BaseModel], ...]] = (
    agents.AgentCreate,
    agents.AgentUpdate,
    agents.ConfigCreate,
    agents.ConfigWrite,
    provider_tests.ProviderTest,
)

__all__ = ["BODIES", "DIRECT", "EXAMPLES", "OPERATIONS", "ROUTERS"]
