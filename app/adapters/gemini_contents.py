"""Messages of OpenAI's shape as Google's contents: two sides that take turns, calls followed by their results."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

import orjson

from app.adapters.codec import bad_request
from app.adapters.gemini_models import ModelTraits
from app.adapters.gemini_parts import parts_of, plain_text
from app.domain.chat import JSON

SIGNATURE: Final = "gemini.thought_signature"
"""The type under which a thought signature stands among an answer's `reasoning_details`."""

SKIPPED_SIGNATURE: Final = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What Google takes where a signature was lost, or where another model made the call."""

_SYSTEM: Final = ("system", "developer")


class Contents:
    """Translates one conversation; read `system`, `turns` and `warnings` afterwards."""

    def __init__(self, messages: Sequence[JSON], traits: ModelTraits) -> None:
        self._traits = traits
        self._names: dict[str, str] = {}
        self._order: list[str] = []
        self.system: list[JSON] = []
        self.turns: list[JSON] = []
        self.warnings: list[str] = []
        for position, message in enumerate(messages):
            self._add(message, f"messages.{position}")
        self._put_system_right()
        self._begin_with_user()

    def _add(self, message: JSON, where: str) -> None:
        role, content = message.get("role"), message.get("content")
        match role:
            case "system" | "developer":
                self._instruct(plain_text(content))
            case "user":
                self._say("user", parts_of(content, where, self.warnings))
            case "assistant":
                self._say("model", self._spoken(message, where))
            case "tool" | "function":
                self._answer_call(message, where)
            case _:
                raise bad_request(f"unknown role {str(role)[:40]!r}", f"{where}.role")

    def _instruct(self, text: str) -> None:
        if not text.strip():
            return
        if self.turns:
            self.warnings.append("a system message within the conversation was moved to its front")
        self.system.append({"text": text})

    def _say(self, side: str, parts: list[JSON]) -> None:
        if not parts:
            return
        if self.turns and self.turns[-1]["role"] == side:
            self.turns[-1]["parts"].extend(parts)
        else:
            self.turns.append({"role": side, "parts": parts})

    def _spoken(self, message: JSON, where: str) -> list[JSON]:
        """An assistant's parts, each thought signature where it came from."""
        signatures = _signatures(message)
        parts = parts_of(message.get("content") or message.get("refusal"), where, self.warnings)
        said = signatures.pop(None, None)
        if said is not None and not (parts and "text" in parts[-1]):
            parts.append({"text": ""})
        if said is not None:
            parts[-1]["thoughtSignature"] = said
        calls = message.get("tool_calls") or ()
        if not isinstance(calls, list | tuple):
            raise bad_request("tool_calls is no list", f"{where}.tool_calls")
        if not self.turns or self.turns[-1]["role"] != "model":
            self._order = []
        for position, call in enumerate(calls):
            parts.append(self._call(call, f"{where}.tool_calls.{position}", signatures, is_first=position == 0))
        return parts

    def _call(self, call: Any, where: str, signatures: dict[str | None, str], *, is_first: bool) -> JSON:  # noqa: ANN401 - a wire body
        name, arguments = _named(call)
        if not name:
            raise bad_request("a tool call without a function name", where)
        given = str(call.get("id") or "")
        self._names[given] = name
        self._order.append(given)
        spoken: JSON = {"name": name, "args": self._arguments(arguments)}
        if given and self._traits.call_ids:
            spoken = {"id": given, **spoken}
        part: JSON = {"functionCall": spoken}
        signature = signatures.get(given) or _beside(call)
        if signature:
            part["thoughtSignature"] = signature
        elif is_first and self._traits.signatures:
            part["thoughtSignature"] = SKIPPED_SIGNATURE
        return part

    def _arguments(self, arguments: Any) -> JSON:  # noqa: ANN401 - a wire body
        if isinstance(arguments, dict):
            return arguments
        try:
            value = orjson.loads(arguments) if arguments else {}
        except (orjson.JSONDecodeError, TypeError):
            value = None
        if isinstance(value, dict):
            return value
        # The model itself may have written them; refusing would end the conversation.
        self.warnings.append("arguments of an earlier tool call are no JSON object; they were sent as text")
        return {"arguments": arguments if isinstance(arguments, str) else str(arguments)}

    def _answer_call(self, message: JSON, where: str) -> None:
        given = str(message.get("tool_call_id") or "")
        name = self._names.get(given) or message.get("name")
        if not isinstance(name, str) or not name:
            raise bad_request("a tool's result that belongs to no call", f"{where}.tool_call_id")
        content = message.get("content")
        answer: JSON = {"name": name, "response": _result(plain_text(content), is_error=bool(message.get("is_error")))}
        if given and self._traits.call_ids:
            answer = {"id": given, **answer}
        shown = parts_of(content, where, self.warnings) if isinstance(content, list) else []
        part: JSON = {"functionResponse": answer}
        self._place(part, self._order.index(given) if given in self._order else len(self._order))
        self._say("user", [each for each in shown if "text" not in each])

    def _place(self, part: JSON, rank: int) -> None:
        """Put a result before whatever else the user's turn says, and in the order of the calls."""
        if not self.turns or self.turns[-1]["role"] != "user":
            self.turns.append({"role": "user", "parts": []})
        turn = self.turns[-1]
        ranks: list[int] = turn.setdefault("ranks", [])
        at = next((index for index, other in enumerate(ranks) if other > rank), len(ranks))
        ranks.insert(at, rank)
        turn["parts"].insert(at, part)

    def _put_system_right(self) -> None:
        for turn in self.turns:
            turn.pop("ranks", None)
        if not self.system or (self.turns and self._traits.has_system):
            return
        why = "this model has no place for it" if self.turns else "nothing else was said"
        self.warnings.append(f"the system message was sent as the user's: {why}")
        if self.turns and self.turns[0]["role"] == "user":
            self.turns[0]["parts"][:0] = self.system
        else:
            self.turns.insert(0, {"role": "user", "parts": self.system})
        self.system = []

    def _begin_with_user(self) -> None:
        if not self.turns:
            raise bad_request("there is no message with content", "messages")
        if self.turns[0]["role"] != "user":
            self.turns.insert(0, {"role": "user", "parts": [{"text": " "}]})
            self.warnings.append("an empty message of the user's was put first: the model may not begin")


def _signatures(message: JSON) -> dict[str | None, str]:
    """Thought signatures by the call that they belong to; None is the text's."""
    details = message.get("reasoning_details")
    found: dict[str | None, str] = {}
    for each in details if isinstance(details, list) else ():
        if not isinstance(each, dict) or each.get("type") != SIGNATURE:
            continue
        call, signature = each.get("tool_call_id"), each.get("signature")
        if isinstance(signature, str) and signature and (call is None or isinstance(call, str)):
            found[call] = signature
    return found


def _beside(call: JSON) -> str | None:
    """The signature where Google's own OpenAI-compatible endpoint puts it."""
    value: Any = call
    for name in ("extra_content", "google", "thought_signature"):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) and value else None


def _named(call: Any) -> tuple[str, Any]:  # noqa: ANN401 - a wire body
    """Name and arguments of a call; a custom tool's input is the one argument of a function."""
    stated = call.get("function") if isinstance(call, dict) else None
    if isinstance(stated, dict):
        arguments = stated.get("arguments")
    else:
        stated = call.get("custom") if isinstance(call, dict) else None
        arguments = {"input": stated.get("input")} if isinstance(stated, dict) else None
    name = stated.get("name") if isinstance(stated, dict) else None
    return (name if isinstance(name, str) else ""), arguments


def _result(text: str, *, is_error: bool) -> JSON:
    """A tool's result as the object that it has to be: all of it is the output, unless it says so itself."""
    value: Any = text
    if text.lstrip()[:1] in ("{", "["):
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = text
    if isinstance(value, dict) and value.keys() in ({"output"}, {"error"}):
        return value
    return {"error" if is_error else "output": value}
