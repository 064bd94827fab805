"""`pydantic-ai`: agents over Chat Completions, Responses and Messages."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai import Agent, NativeOutput, PromptedOutput
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.python import questions as q
from tests.clients.python.reporting import KEY, URL, Checks

CHECKS = Checks("pydantic-ai", "pydantic-ai-slim")
OPENAI = OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)
ANTHROPIC = AnthropicProvider(base_url=URL, api_key=KEY)
ASKED = "What is the price of BTC/USDT?"


def chat_of(model: str) -> Any:
    return OpenAIChatModel(model, provider=OPENAI)


def responses_of(model: str) -> Any:
    return OpenAIResponsesModel(model, provider=OPENAI)


def messages_of(model: str) -> Any:
    return AnthropicModel(model, provider=ANTHROPIC)


@CHECKS.each
def chat(model: str) -> None:
    _text(chat_of(model))


@CHECKS.each
def chat_tools(model: str) -> None:
    _tools(chat_of(model))


@CHECKS.each
def chat_structured(model: str) -> None:
    _structured(chat_of(model), q.Verdict)


@CHECKS.each
def chat_structured_natively(model: str) -> None:
    _structured(chat_of(model), NativeOutput(q.Verdict))


@CHECKS.each
def chat_structured_by_prompt(model: str) -> None:
    _structured(chat_of(model), PromptedOutput(q.Verdict))


@CHECKS.each
def responses(model: str) -> None:
    _text(responses_of(model))


@CHECKS.each
def responses_tools(model: str) -> None:
    _tools(responses_of(model))


@CHECKS.each
def responses_structured(model: str) -> None:
    _structured(responses_of(model), q.Verdict)


@CHECKS.each
def responses_structured_natively(model: str) -> None:
    _structured(responses_of(model), NativeOutput(q.Verdict))


@CHECKS.each
def messages(model: str) -> None:
    _text(messages_of(model))


@CHECKS.each
def messages_tools(model: str) -> None:
    _tools(messages_of(model))


@CHECKS.each
def messages_structured(model: str) -> None:
    _structured(messages_of(model), q.Verdict)


def _text(model: Any) -> None:
    async def both() -> tuple[str, list[str]]:
        agent = Agent(model, instructions="Be brief.")
        whole = await agent.run("hello")
        q.same(whole.usage.total_tokens if not callable(whole.usage) else whole.usage().total_tokens, 18)
        async with agent.run_stream("hello") as streamed:
            return whole.output, [text async for text in streamed.stream_text(delta=True, debounce_by=None)]

    said, pieces = asyncio.run(both())
    q.same(said, q.SAID)
    q.in_pieces(pieces)


def _tools(model: Any) -> None:
    seen: list[str] = []

    def get_price(symbol: str) -> str:
        """The last price of a symbol."""
        seen.append(symbol)
        return q.PRICE

    q.same(asyncio.run(Agent(model, tools=[get_price]).run(ASKED)).output, f"the price is {q.PRICE}")
    q.same(seen, [q.SYMBOL])


def _structured(model: Any, output: Any) -> None:
    q.is_verdict(asyncio.run(Agent(model, output_type=output).run("Should I buy BTC/USDT? Answer as JSON.")).output)


if __name__ == "__main__":
    CHECKS.run()
