"""The harness itself: a gateway that does not start, or does not end well, is reported with what it said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.service import Service, ServiceFailed

PRELUDE = """
import http.server, os, signal, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *args): pass
def serve():
    print("serving", flush=True)
    http.server.HTTPServer(("127.0.0.1", int(os.environ["OUTCRY_PORT"])), Ready).serve_forever()
"""


def stand_in(folder: Path, code: str) -> Service:
    """A service whose program is this code, in the place where the gateway's command line is looked for."""
    package = folder / "program" / "app"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "cli.py").write_text(PRELUDE + code)
    return Service(folder, env={"PYTHONPATH": str(folder / "program")})


def test_a_service_that_ends_with_zero_after_sigterm_is_fine(tmp_path: Path) -> None:
    with stand_in(tmp_path, "signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))\nserve()") as service:
        assert service.client.get("/health/ready").status_code == 200
        assert "serving" in service.log


def test_one_that_dies_of_the_signal_is_not(tmp_path: Path) -> None:
    service = stand_in(tmp_path, "serve()")
    service.start()

    with pytest.raises(ServiceFailed, match="exit code -15 after SIGTERM"):
        service.stop()


def test_one_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    service = stand_in(tmp_path, "sys.exit('no such setting')")

    with pytest.raises(ServiceFailed, match="no such setting"):
        service.start()


def test_one_that_must_not_start_and_does_is_a_failure(tmp_path: Path) -> None:
    refusing, willing = tmp_path / "refusing", tmp_path / "willing"
    refusing.mkdir()
    willing.mkdir()

    assert stand_in(refusing, "sys.exit(78)").ends_by_itself() == 78
    with pytest.raises(ServiceFailed, match="should have refused"):
        stand_in(willing, "serve()").ends_by_itself()


def test_no_provider_key_of_the_machine_reaches_the_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-machine")
    service = stand_in(tmp_path, "print(sorted(os.environ), flush=True)\nsys.exit(3)")

    assert service.ends_by_itself() == 3

    assert "OUTCRY_PORT" in service.log
    assert "OPENAI_API_KEY" not in service.log
