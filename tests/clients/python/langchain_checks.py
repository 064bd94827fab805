"""`langchain-openai`: ChatOpenAI over Chat Completions, and over Responses where a model's name makes it switch."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from tests.clients.python import questions as q
from tests.clients.python.reporting import KEY, URL, Checks

CHECKS = Checks("langchain-openai", "langchain-openai")
# A name by which ChatOpenAI leaves Chat Completions for Responses on its own.
SWITCHES = "gpt-5.1-codex"


def get_price(symbol: str) -> str:
    """The last price of a symbol."""
    return f"{symbol} {q.PRICE}"


def chat_of(model: str, **options: Any) -> Any:
    return ChatOpenAI(model=model, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=20, **options)


def said_by(message: Any) -> str:
    """The text of a message: `content` is a list of parts when it came over Responses."""
    return str(message.text() if callable(message.text) else message.text)


@CHECKS.each
def invoke(model: str) -> None:
    message = chat_of(model).invoke("hello")
    q.same(said_by(message), q.SAID)
    q.same(message.usage_metadata["total_tokens"], 18)


@CHECKS.each
def stream(model: str) -> None:
    chunks = list(chat_of(model, stream_usage=True).stream("hello"))
    q.in_pieces([said_by(chunk) for chunk in chunks])
    q.same(sum(chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata), 18)


@CHECKS.each
def bind_tools_round_trip(model: str) -> None:
    _tool_round_trip(model)


@CHECKS.each
def structured_by_json_mode(model: str) -> None:
    _structured(model, "json_mode")


@CHECKS.each
def structured_by_json_schema(model: str) -> None:
    _structured(model, "json_schema")


@CHECKS.each
def structured_by_function_calling(model: str) -> None:
    _structured(model, "function_calling")


@CHECKS.once
def responses_by_name(_model: str) -> None:
    message = chat_of(SWITCHES).invoke("hello")
    q.same(said_by(message), q.SAID)
    q.same(message.response_metadata["object"], "response")


@CHECKS.once
def responses_by_name_stream(_model: str) -> None:
    q.in_pieces([said_by(chunk) for chunk in chat_of(SWITCHES).stream("hello")])


@CHECKS.once
def responses_by_name_tools(_model: str) -> None:
    _tool_round_trip(SWITCHES)


@CHECKS.once
def responses_by_name_json_schema(_model: str) -> None:
    _structured(SWITCHES, "json_schema")


@CHECKS.once
def responses_by_name_json_mode(_model: str) -> None:
    _structured(SWITCHES, "json_mode")


@CHECKS.once
def embeddings(_model: str) -> None:
    embedder = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=f"{URL}/v1",
        api_key=KEY,  # type: ignore[arg-type,unused-ignore]
        check_embedding_ctx_length=False,  # its tokenizer would be downloaded
    )
    q.same(embedder.embed_documents(["one", "three"]), [[0.0, 3.0], [1.0, 5.0]])


def _tool_round_trip(model: str) -> None:
    chat = chat_of(model).bind_tools([StructuredTool.from_function(get_price)])
    messages: list[Any] = [HumanMessage("What is the price of BTC/USDT?")]
    first = chat.invoke(messages)
    q.same([(call["name"], call["args"]) for call in first.tool_calls], [("get_price", {"symbol": q.SYMBOL})])
    messages += [first, ToolMessage(q.PRICE, tool_call_id=first.tool_calls[0]["id"])]
    q.same(said_by(chat.invoke(messages)), f"the price is {q.PRICE}")


def _structured(model: str, method: str) -> None:
    q.is_verdict(chat_of(model).with_structured_output(q.Verdict, method=method).invoke(q.ASK_VERDICT))


if __name__ == "__main__":
    CHECKS.run()
