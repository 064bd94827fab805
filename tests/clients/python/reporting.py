"""What every client's script shares: where the gateway is, and a line of JSON for each check. Standard library only."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version

URL = os.environ.get("OUTCRY_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("OUTCRY_KEY", "none")
MODELS = tuple(os.environ.get("OUTCRY_MODELS", "auto").split())
"""Bare model ids, each served by a provider of another dialect."""

Check = Callable[[str], None]


class Checks:
    """The checks of one client: `@checks.each` runs with every model, `@checks.once` with the first."""

    def __init__(self, client: str, distribution: str) -> None:
        self._client = client
        self._version = version(distribution)
        self._checks: list[tuple[Check, tuple[str, ...]]] = []

    def each(self, check: Check) -> Check:
        """Ask this of every model."""
        self._checks.append((check, MODELS))
        return check

    def once(self, check: Check) -> Check:
        """Ask this of the first model only."""
        self._checks.append((check, MODELS[:1]))
        return check

    def run(self) -> None:
        """Run them all and report each at once; a failure never ends the run."""
        for check, models in self._checks:
            for model in models:
                started = time.monotonic()
                detail = self._failure(check, model)
                line = {
                    "client": self._client,
                    "version": self._version,
                    "check": check.__name__.replace("_", " "),
                    "model": model,
                    "ok": not detail,
                    "detail": detail,
                    "ms": round((time.monotonic() - started) * 1000),
                }
                print(json.dumps(line), flush=True)

    def _failure(self, check: Check, model: str) -> str:
        try:
            check(model)
        except Exception as error:  # whatever a client raises is the result here
            traceback.print_exc(file=sys.stderr)
            return f"{type(error).__name__}: {error}"[:500]
        return ""
