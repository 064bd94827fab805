"""What `make local-model` prints can be saved as a provider file."""

from __future__ import annotations

from pathlib import Path

import yaml

from app.provider_file import load_providers
from examples.local_model import ALIAS, CONTEXT, MODELS, PROVIDER_FILE, ROOT


def test_the_printed_provider_file_points_at_the_model() -> None:
    text = PROVIDER_FILE.format(host="127.0.0.1", port=8081, key="sk-x", alias=ALIAS, window=CONTEXT)

    local, sandbox = yaml.safe_load(text)["providers"]

    assert local["base_url"] == "http://127.0.0.1:8081/v1"
    assert [(ALIAS, CONTEXT)] == [(model["id"], model["context_window"]) for model in local["models"]]
    assert sandbox["provider_type"] == "sandbox"


def test_the_printed_provider_file_is_read_without_a_warning_and_bounds_what_the_model_may_write(
    tmp_path: Path,
) -> None:
    file = tmp_path / "outcry.yaml"
    file.write_text(PROVIDER_FILE.format(host="127.0.0.1", port=8081, key="sk-x", alias=ALIAS, window=CONTEXT))

    read = load_providers(file, {})

    assert () == read.warnings
    # Without it the model writes until its context is full, and the deadline takes its vote.
    assert 0 < read.providers[0].parameters["max_tokens"] <= 1024


def test_the_model_file_is_kept_where_git_does_not_look() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert f"/{MODELS.relative_to(ROOT).parts[0]}/" in ignored
