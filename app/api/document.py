"""The OpenAPI document: the framework's, and the operations that the edge serves without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app import __version__
from app.api.anthropic_errors import TYPE_OF_STATUS, is_anthropic
from app.domain.errors import Code, ErrorType

REFERENCE = "#/components/schemas/{model}"

ERROR_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string", "enum": [kind.value for kind in ErrorType]},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string", "enum": [code.value for code in Code]},
                "errors": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "message"],
                        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                    },
                },
            },
        },
        "request_id": {"type": "string"},
    },
}
ERROR_EXAMPLE: Final = {
    "error": {
        "message": "no model is named 'gpt-5o'; close: gpt-4o",
        "type": "not_found_error",
        "param": "model",
        "code": "model_not_found",
    },
    "request_id": "req_5f0c9d2e",
}
_ANTHROPIC_DETAIL: Final = {"message": {"type": "string"}, "type": {"enum": sorted({*TYPE_OF_STATUS.values()})}}
ANTHROPIC_ERROR_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        **ERROR_SCHEMA["properties"],
        "type": {"const": "error"},
        "error": {
            **ERROR_SCHEMA["properties"]["error"],
            "properties": {**ERROR_SCHEMA["properties"]["error"]["properties"], **_ANTHROPIC_DETAIL},
        },
    },
}
ERROR_RESPONSE: Final[dict[str, Any]] = {
    "description": "An error; `code` says which, its prefix whose fault it is",
    "content": {"application/json": {"schema": {"$ref": REFERENCE.format(model="Error")}, "example": ERROR_EXAMPLE}},
}
ANTHROPIC_ERROR_RESPONSE: Final[dict[str, Any]] = {
    "description": "An error in the shape of Anthropic's wire, with our code beside its type",
    "content": {
        "application/json": {
            "schema": {"$ref": REFERENCE.format(model="AnthropicError")},
            "example": {"type": "error", **ERROR_EXAMPLE},
        }
    },
}
INTENT_HEADERS: Final = {
    "x-outcry-agent": "The agent whose configuration is used",
    "x-outcry-policy": "How targets are ordered",
    "x-outcry-deadline-ms": "Milliseconds after which an answer is of no use",
    "x-outcry-priority": "low, normal or high",
    "x-outcry-cache": "off, read, write or read-write; absent: as the provider file says",
    "x-outcry-conversation": "Requests with the same one go to the target that answered last (completions)",
    "x-outcry-hedge": "on or off: whether a second target may start beside a slow first one",
    "x-outcry-replay": "off, record, replay or replay-or-record: what the request does with its run",
    "x-outcry-run": "The name of the run that is recorded or replayed",
    "x-outcry-as-of": "The moment that is asked about, ISO 8601: models that may remember it are found out",
    "x-outcry-as-of-mode": "What becomes of these: warn, block or filter",
    "idempotency-key": "On decisions: asked once in 24 hours, told again to whoever repeats it; ignored elsewhere",
    "x-request-id": "Comes back with the answer; made up when absent",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that the framework does not see. `request` and `answer` are models or JSON schemas.

    `stream` is an example of its event stream, None where it has none.
    """

    path: str
    summary: str
    tag: str
    request: type[BaseModel] | dict[str, Any]
    request_example: dict[str, Any]
    answer: type[BaseModel] | dict[str, Any]
    answer_example: dict[str, Any]
    stream: str | None


def documented(
    app: FastAPI, operations: tuple[Operation, ...], bodies: tuple[type[BaseModel], ...], examples: Mapping[str, Any]
) -> Callable[[], dict[str, Any]]:
    """What `app.openapi` is replaced by. `examples` are answers by `METHOD path`, `bodies` what the edge parses."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, operations, bodies, examples)
        return app.openapi_schema

    return openapi


def _document(
    app: FastAPI, operations: tuple[Operation, ...], bodies: tuple[type[BaseModel], ...], examples: Mapping[str, Any]
) -> dict[str, Any]:
    document = get_openapi(
        title="Outcry",
        version=__version__,
        description="An LLM gateway for trading systems: many models, one decision.",
        routes=app.routes,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Error"], schemas["AnthropicError"] = ERROR_SCHEMA, ANTHROPIC_ERROR_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    models = [*bodies, *(m for o in operations for m in (o.request, o.answer) if isinstance(m, type))]
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE)
    schemas.update(definitions.get("$defs", {}))
    for operation in operations:
        document["paths"].setdefault(operation.path, {})["post"] = _operation(operation)
    for path, item in document["paths"].items():
        for method, described in item.items():
            error = ANTHROPIC_ERROR_RESPONSE if is_anthropic(path) else ERROR_RESPONSE
            _finish(described, examples.get(f"{method.upper()} {path}"), error)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
    }
    document["security"] = [{"bearer": []}, {"x-api-key": []}, {"api-key": []}]
    return document


def _operation(operation: Operation) -> dict[str, Any]:
    content: dict[str, dict[str, Any]]
    content = {"application/json": {"schema": _schema(operation.answer), "example": operation.answer_example}}
    if operation.stream is not None:
        content["text/event-stream"] = {"schema": {"type": "string"}, "example": operation.stream}
    told = "The answer" if operation.stream is None else "The answer, or an event stream with `stream: true`"
    return {
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": operation.path.strip("/").replace("/", "_"),
        "parameters": [
            {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
            for name, text in INTENT_HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _schema(operation.request), "example": operation.request_example}
            },
        },
        "responses": {"200": {"description": told, "content": content}},
    }


def _schema(model: type[BaseModel] | dict[str, Any]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(model=model.__name__)} if isinstance(model, type) else model


def _finish(described: dict[str, Any], example: object, error: dict[str, Any]) -> None:
    """Gives an operation our error body, and its answer an example."""
    described["responses"].pop("422", None)
    described["responses"]["default"] = error
    if example is None:
        return
    for status, response in described["responses"].items():
        for content in response.get("content", {}).values() if status.startswith("2") else ():
            content.setdefault("example", example)
