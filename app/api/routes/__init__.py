"""Every operation that is served: those of the framework, and those that the edge calls directly."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.routing import Route

from app.api.document import Operation
from app.api.edge import Direct
from app.api.examples.anthropic import MESSAGES, TOKENS
from app.api.examples.framework import EXAMPLES
from app.api.examples.native import CHAT, DECISION
from app.api.examples.openai import COMPLETIONS, EMBEDDINGS, RESPONSES
from app.api.examples.risk import RISK
from app.api.experiment_wire import ExperimentCreate
from app.api.outcome_wire import OutcomeBody, PricesBody
from app.api.routes import (
    agents,
    audit,
    budgets,
    chat,
    decisions,
    dossiers,
    embeddings,
    experiments,
    health_history,
    kill,
    leaderboard,
    llm_providers,
    messages,
    models,
    prices,
    prompts,
    provider_tests,
    providers,
    responses,
    risk,
    routing,
    system,
    tools,
    usage,
)

DIRECT: Final[tuple[Route, ...]] = (
    Route("/v1/chat/completions", Direct(chat.chat_completions), methods=["POST"]),
    Route("/v1/responses", Direct(responses.create_response), methods=["POST"]),
    Route("/v1/embeddings", Direct(embeddings.embed), methods=["POST"]),
    Route("/v1/messages", Direct(messages.create_message), methods=["POST"]),
    Route("/v1/messages/count_tokens", Direct(messages.count_tokens), methods=["POST"]),
    Route("/chat", Direct(chat.chat), methods=["POST"]),
    Route("/decisions", Direct(decisions.decide), methods=["POST"]),
    Route("/risk-assessments", Direct(risk.assess), methods=["POST"]),
)
ROUTERS: Final[tuple[APIRouter, ...]] = (
    models.router,
    decisions.router,
    dossiers.router,
    prices.router,
    prompts.router,
    providers.router,
    health_history.router,
    llm_providers.router,
    provider_tests.router,
    routing.router,
    agents.router,
    tools.router,
    experiments.router,
    leaderboard.router,
    usage.router,
    budgets.router,
    kill.router,
    audit.router,
    system.router,
)
OPERATIONS: Final[tuple[Operation, ...]] = (COMPLETIONS, RESPONSES, EMBEDDINGS, MESSAGES, TOKENS, CHAT, DECISION, RISK)
BODIES: Final[tuple[type[BaseModel], ...]] = (
    agents.AgentCreate,
    agents.AgentUpdate,
    agents.ConfigCreate,
    agents.ConfigWrite,
    tools.ToolCreate,
    ExperimentCreate,
    provider_tests.ProviderTest,
    routing.StrategyWrite,
    routing.CircuitReset,
    OutcomeBody,
    PricesBody,
    prompts.RenderBody,
    budgets.BudgetWrite,
    kill.KillWrite,
    kill.ResumeWrite,
)

__all__ = ["BODIES", "DIRECT", "EXAMPLES", "OPERATIONS", "ROUTERS"]
