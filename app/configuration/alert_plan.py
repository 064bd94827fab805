"""From the provider file's `alerts` to the rules and webhooks in force."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.configuration.alerts import AlertsShape, RuleShape
from app.configuration.document import Document, Place
from app.configuration.validation import wrong
from app.domain.alerts import DEFAULT_RULES, KINDS, AlertKind, AlertPlan, AlertRule, Webhook, WebhookFormat

_ENV: Final = "env:"
_SHARES: Final = frozenset({AlertKind.SUCCESS_RATE, AlertKind.DAILY_REQUESTS})


def alert_plan(
    document: Document, shape: AlertsShape | None, providers: Collection[str], environ: Mapping[str, str]
) -> tuple[AlertPlan, list[str]]:
    """What the file asks for, with warnings; the default rules without a webhook where it asks for nothing.

    Raises ConfigurationError with file, line and key for what cannot be, without a URL that was written there.
    """
    try:
        return _plan(shape, providers, environ)
    except _Misplaced as error:
        raise wrong(document, error.place, str(error)) from None


class _Misplaced(ValueError):
    """What is wrong, and at which place of the file."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


def _plan(
    shape: AlertsShape | None, providers: Collection[str], environ: Mapping[str, str]
) -> tuple[AlertPlan, list[str]]:
    if shape is None:
        return AlertPlan(), []
    rules = DEFAULT_RULES
    if shape.rules is not None:
        listed = enumerate(shape.rules)
        rules = tuple(dict.fromkeys(_rule(one, ("alerts", "rules", place), providers) for place, one in listed))
    webhooks, warnings = list[Webhook](), list[str]()
    for position, one in enumerate(shape.webhooks):
        place: Place = ("alerts", "webhooks", position, "url")
        url = environ.get(one.url.removeprefix(_ENV), "") if one.url.startswith(_ENV) else one.url
        if url:
            webhooks.append(Webhook(SecretStr(_checked_url(url, place)), WebhookFormat(one.format)))
        else:
            warnings.append(f"alerts: webhook {position + 1} is off: {one.url.removeprefix(_ENV)} is not set")
    return AlertPlan(rules, tuple(webhooks)), warnings


def _rule(shape: RuleShape, place: Place, providers: Collection[str]) -> AlertRule:
    kind = AlertKind(shape.when)
    usual = KINDS[kind]
    if unknown := [name for name in shape.providers if name not in providers]:
        raise _Misplaced((*place, "providers"), f"{unknown[0]!r} is no provider of this file")
    threshold, clear = _figures(shape, kind, place)
    return AlertRule(
        kind,
        threshold,
        clear,
        usual.for_seconds if shape.for_seconds is None else shape.for_seconds,
        usual.clear_seconds if shape.clear_seconds is None else shape.clear_seconds,
        shape.minimum,
        tuple(shape.providers),
    )


def _figures(shape: RuleShape, kind: AlertKind, place: Place) -> tuple[float | None, float | None]:
    """Threshold and clear; what is not stated lies where the defaults lie in proportion."""
    usual = KINDS[kind]
    stated = [name for name in ("threshold", "clear") if getattr(shape, name) is not None]
    if usual.threshold is None or usual.clear is None:
        if stated:
            raise _Misplaced((*place, stated[0]), f"{kind} has none: it is or is not")
        return None, None
    if kind in _SHARES and (over := [name for name in stated if getattr(shape, name) > 1]):
        raise _Misplaced((*place, over[0]), "expected a share of at most 1")
    threshold = usual.threshold if shape.threshold is None else shape.threshold
    clear = shape.clear
    if clear is None and usual.is_low_bad:
        clear = 1.0 - (1.0 - threshold) * (1.0 - usual.clear) / (1.0 - usual.threshold)
    elif clear is None:
        clear = threshold * usual.clear / usual.threshold
    if (clear < threshold) if usual.is_low_bad else (clear > threshold):
        side = "at or above" if usual.is_low_bad else "at or below"
        raise _Misplaced((*place, "clear"), f"expected {side} the threshold {threshold:g}")
    return threshold, clear


def _checked_url(url: str, place: Place) -> str:
    """The URL itself. Raises _Misplaced, which does not repeat it: who has it may write there."""
    wanted = "expected a URL like https://host/path, without user or fragment"
    try:
        parts = urlsplit(url)
        has_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _Misplaced(place, wanted) from None
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if not has_address or not is_plain or "@" in parts.netloc or parts.fragment:
        raise _Misplaced(place, wanted)
    return url
