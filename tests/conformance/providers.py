"""Providers as the suite may find them."""

from __future__ import annotations

import json

from tests.behaviours import Answer, Behaviour, Status, ToolCall
from tests.upstream import Received


def obliging(request: Received) -> Behaviour:
    """A provider that passes every check."""
    body = request.body or {}
    said = json.dumps(body["messages"])
    if "not-a-key" in (request.key or ""):
        return Status(401, message=f"Incorrect API key provided: {request.key}")
    if "no-such-model" in body["model"]:
        error = {"message": "The model does not exist", "type": "invalid_request_error", "code": "model_not_found"}
        return Status(404, json.dumps({"error": error}))
    if '"role": "tool"' in said:
        return Answer("The price is 64,231.0 dollars.")
    if body.get("tools"):
        return Answer("", tool_calls=(ToolCall("get_price", '{"symbol": "BTC/USDT"}'),))
    if body.get("response_format"):
        return Answer('{"sum": 4}')
    return Answer("ORCHID" if "ORCHID" in said else "4")
