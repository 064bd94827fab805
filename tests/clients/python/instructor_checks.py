"""`instructor` over the OpenAI and the Anthropic client."""

from __future__ import annotations

from typing import Any

import anthropic
import instructor
import openai

from tests.clients.python import questions as q
from tests.clients.python.reporting import KEY, URL, Checks

CHECKS = Checks("instructor", "instructor")


def of_openai(mode: instructor.Mode) -> Any:
    return instructor.from_openai(
        openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=20), mode=mode
    )


def of_anthropic(mode: instructor.Mode) -> Any:
    return instructor.from_anthropic(
        anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=20), mode=mode
    )


@CHECKS.each
def tools(model: str) -> None:
    _create(of_openai(instructor.Mode.TOOLS), model)


@CHECKS.each
def tools_strict(model: str) -> None:
    _create(of_openai(instructor.Mode.TOOLS_STRICT), model)


@CHECKS.each
def json(model: str) -> None:
    _create(of_openai(instructor.Mode.JSON), model)


@CHECKS.each
def json_schema(model: str) -> None:
    _create(of_openai(instructor.Mode.JSON_SCHEMA), model)


@CHECKS.each
def partial_stream(model: str) -> None:
    parts = of_openai(instructor.Mode.TOOLS).create_partial(
        model=model, response_model=q.Verdict, messages=q.ASK_VERDICT, max_retries=0
    )
    *_, last = parts
    q.same(last.model_dump(), {"action": "BUY", "confidence": 0.5, "reasons": [q.SYMBOL]})


@CHECKS.each
def responses_tools(model: str) -> None:
    _create(of_openai(instructor.Mode.RESPONSES_TOOLS), model)


@CHECKS.each
def anthropic_tools(model: str) -> None:
    _create(of_anthropic(instructor.Mode.ANTHROPIC_TOOLS), model, max_tokens=200)


@CHECKS.each
def anthropic_json(model: str) -> None:
    _create(of_anthropic(instructor.Mode.ANTHROPIC_JSON), model, max_tokens=200)


def _create(client: Any, model: str, **options: Any) -> None:
    verdict = client.create(model=model, response_model=q.Verdict, messages=q.ASK_VERDICT, max_retries=0, **options)
    q.is_verdict(q.Verdict(**verdict.model_dump()))


if __name__ == "__main__":
    CHECKS.run()
