"""Alerts as they are said: a line of the log, a JSON object, a message for Slack."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from app.domain.alerts import Alert, AlertState, WebhookFormat

log = logging.getLogger(__name__)

_SIGNS: Final = {AlertState.FIRED: ":rotating_light:", AlertState.RESOLVED: ":white_check_mark:"}


def log_alert(alert: Alert) -> None:
    """A warning when it fires, a note when it resolves."""
    values = {"alert": alert.rule.kind.value, "provider": alert.provider, "value": alert.value, "why": alert.message}
    if alert.state is AlertState.FIRED:
        log.warning("alert fired", extra=values)
    else:
        log.info("alert resolved", extra=values)


def payload(alert: Alert, form: WebhookFormat) -> dict[str, Any]:
    """What a webhook is sent."""
    match form:
        case WebhookFormat.SLACK:
            return {"text": f"{_SIGNS[alert.state]} *{alert.rule.kind}* {alert.state}: {_slack_text(alert.message)}"}
        case WebhookFormat.JSON:
            return {
                "type": "alert",
                "key": alert.key,
                "alert": alert.rule.kind.value,
                "state": alert.state.value,
                "provider": alert.provider,
                "value": alert.value,
                "threshold": alert.rule.threshold,
                "message": alert.message,
                "fired_at": _iso(alert.fired_at),
                "resolved_at": _iso(alert.at) if alert.state is AlertState.RESOLVED else None,
            }


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
