"""The material of a prompt: a market's parts as delimited blocks, and the texts that tell how to read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.decisions.context import MarketContext
from app.decisions.news import CleanNews, clean_news, speaks_to_its_reader
from app.decisions.prompts import blocks
from app.decisions.prompts.blocks import Block
from app.decisions.prompts.figures import Figures
from app.decisions.regime import RegimeFound, regime_of
from app.domain.frozen import frozen
from app.text.context_block import MARKET, MEMORY, NEWS, SECTIONS, block, canonical_json, token_of

_READ: Final[Mapping[str, Block]] = {
    "levels": blocks.LEVELS,
    "derivatives": blocks.DERIVATIVES,
    "indicators": blocks.INDICATORS,
    "higher_timeframe": blocks.HIGHER_TIMEFRAME,
    "patterns": blocks.PATTERNS,
    "position": blocks.POSITION,
    "account": blocks.ACCOUNT,
    "constraints": blocks.CONSTRAINTS,
    "memory": blocks.MEMORY,
    "news": blocks.NEWS,
}
"""How each part is read, by its name in the context, in the order of the prompt."""

_TOLD: Final = frozenset((str, dict, list))
"""In what there may be a sentence."""
_NAMED: Final = 5
_LOOKED_AT: Final = 16_000
"""Characters beside the news that are looked through for instructions, which takes a few milliseconds."""


@frozen
class Material:
    """A market as it enters a prompt: `guides` tell how to read what is there, `parts` are the delimited blocks.

    `plain` is the market as JSON values.
    """

    market: MarketContext
    plain: Mapping[str, Any]

    guides: tuple[Block, ...]
    parts: tuple[str, ...]
    regime: RegimeFound
    warnings: tuple[str, ...]
    injection_suspected: bool


def material_of(symbol: str, market: MarketContext) -> Material:
    """The material, the same bytes for the same market, whenever and wherever it is rendered."""
    plain = market.plain()
    context = plain | {"symbol": symbol}
    # Of everything, the news included: whoever writes an item cannot know the rest, so he cannot know the token.
    token = token_of(canonical_json(context))
    regime, news = regime_of(market), clean_news(market.news)
    guides = [blocks.MATERIAL, *[guide for name, guide in _READ.items() if context.get(name)]]
    if market.language.lower().partition("-")[0] != "en":
        guides.append(blocks.LANGUAGE)
    suspects = _suspects(context, news)
    warnings = [_suspicion(suspects)] if suspects else []
    if news.left_out:
        warnings.append(f"news_cut: {news.left_out} of {len(market.news)} items are not in the prompt")
    parts = _parts(context | {"regime": regime.plain()}, news, Figures.of(market), token)
    return Material(market, plain, tuple(guides), parts, regime, tuple(warnings), bool(suspects))


def _parts(context: dict[str, Any], news: CleanNews, figures: Figures, token: str) -> tuple[str, ...]:
    apart = {name: context.pop(name) for name in (*SECTIONS, "memory", "news") if name in context}
    named = [(MARKET, "", context), *((name, name, apart[name]) for name in SECTIONS if apart.get(name))]
    if apart.get("memory"):
        named.append((MEMORY, "memory", apart["memory"]))
    if news.items:
        named.append((NEWS, "news", list(news.items)))
    return tuple([block(name, figures.written(place, part), token) for name, place, part in named])


def _suspicion(places: list[str]) -> str:
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return f"injection_suspected: {', '.join(places[:_NAMED])}{more}: text that speaks to its reader in the imperative"


def _suspects(context: Mapping[str, Any], news: CleanNews) -> list[str]:
    """Where the context seems to speak to the model: in news, and in any other text that somebody else may have put."""
    told = {name: part for name, part in context.items() if name not in ("news", "symbol", "as_of")}
    suspects, left = [f"news[{place}]" for place in news.suspected], _LOOKED_AT
    for path, text in _texts(told, ""):
        if speaks_to_its_reader(text[:left]):
            suspects.append(path)
        left -= len(text)
        if left <= 0:
            break
    return suspects


def _texts(value: dict[str, Any] | list[Any], path: str) -> Iterator[tuple[str, str]]:
    """Whatever may be a sentence, and where it stands; single words are names."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        # Most values are numbers: no more is asked about those than this.
        kind = type(inner)
        if kind is str:
            if " " in inner or not inner.isascii():
                yield _step(path, key), inner
        elif (kind is dict or kind is list) and not _TOLD.isdisjoint(
            map(type, inner.values() if kind is dict else inner)
        ):
            yield from _texts(inner, _step(path, key))


def _step(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
