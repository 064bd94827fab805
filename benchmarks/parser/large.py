"""Answers of a megabyte, in the shapes that once made a parser slow; each is as long as an answer may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.decisions.parsing import MAX_ANSWER

_VOTE: Final = ' {"action": "BUY"}'

_PIECES: Final = (
    *("{", "}", "[", "]", "{}", "[]", '{"a":1}', '{"action":"BUY"}', '{"a":', "[{", '{"', '{"a ', "{ ", "{\n", "[[]] "),
    *("{action: BUY, ", "{'action': 'BUY'} ", '{"action": "BUY", "x": [', '"action": ', "action: ", '"a": ', '{"a":"'),
    *('"', "'", "\\", '\\"', "\\n", "\\u0042", '"{" ', '","', '":"', "“", "”"),
    *("```", "```json\n", "```json ", '```json\n{"action":"BUY"}\n```\n', "```python\nx = {'a': [1, 2]}\n```\n"),
    *("<think>", "</think>", "<think></think>", "<", "< ", "<   think", "◁think▷", "[THINK]", "<reasoning>x"),
    *(
        "<decision>",
        "</decision>",
        "<decision>BUY</decision>",
        "<answer>x</answer>",
        "<action>BUY</action>",
        "<action>",
    ),
    *("Action: BUY\n", "Action: do not buy\n", "Stop: 5\n", "| Action | BUY |\n", "操作：买入\n", "1. Action: \n"),
    *("::", "||", "a=", "- ", "* ", "> ", " ", "\n", "\t", "\r\n", "\u2028", "\u200b", "\ud800", "\ufeff"),
    *(
        "word ",
        "BUY ",
        "i'm ",
        "as an ",
        "not a ",
        "买入 ",
        "抱歉",
        "kaufen ",
        "The trend is up, and I would not buy here. ",
    ),
    *("[-2140.7, -1936.4] ", "NaN ", "1", "1,", "1.", "1e999 ", "9" * 299 + " ", "98,500 ", "85% "),
    *("｛", '｛"action"："BUY"｝', "，", "/*", "//", "None ", ",", ", ", "<html>", ": keep-alive\n", "data: \n"),
    *(
        "x" * 499 + "\n",
        "x" * 40 + ":" + "y" * 450 + "\n",
        "- " * 249 + "\n",
        "|" * 499 + "\n",
        "<a>" + "x" * 390 + "</b>",
    ),
    *("{" + " " * 40 + "a", "\n" + " " * 39, "x" * 250 + "{", "{action ", "a {b} c "),
)


def large_answers() -> Iterator[tuple[str, str]]:
    """Each shape's name and text."""
    for piece in _PIECES:
        name = ascii(piece[:16])[1:-1] + ("..." if len(piece) > 16 else "")
        yield f"{name} over and over", _filled(piece)
        yield f"{name} over and over, then a vote", _filled(piece, after=_VOTE)
    yield "one long reasoning", _filled("x", before='{"action":"BUY","reasoning":"', after='"}')
    yield "one long reasoning of escapes", _filled("\\n", before='{"action":"BUY","reasoning":"', after='"}')
    yield "an endless list of targets", _filled("1,", before='{"action":"BUY","take_profit":[', after="1]}")
    yield "an endless list of votes", _filled('{"action":"BUY"},', before="[", after='{"action":"BUY"}]')
    yield "objects in objects", _filled('{"a":{}},', before='{"result":[', after="{}]}")
    yield "votes about other symbols", _filled('{"action":"BUY","symbol":"E"},', before='{"decisions":[', after="0]}")
    keys = ",".join(f'"k{number}":1' for number in range(90_000))
    yield "an object of 90,000 keys", f'{{"action":"BUY",{keys}}}'
    yield "brackets in thinking", _filled("{", before="<think>")
    yield "pairs of brackets in thinking", _filled("{}", before="<think>")
    yield "broken, with a vote", _filled("x ", before="{'action': 'BUY', ", after="}")
    yield "broken, without a vote", _filled("a b: c, ", before="{", after="}")
    yield "an object in a string", _filled('{\\"a\\":', before='{"result":"', after='"}')
    yield "a label without end", _filled("x", before="Action: ")
    yield (
        "one page of prose with a fence at its end",
        _filled("prose, and more. ", after='\n```json\n{"action": "BUY"}\n```'),
    )


def _filled(piece: str, *, before: str = "", after: str = "") -> str:
    room = MAX_ANSWER - len(before) - len(after)
    return before + piece * (room // len(piece)) + after
