"""What `make local-model` prints can be saved as a provider file."""

from __future__ import annotations

import yaml

from examples.local_model import ALIAS, CONTEXT, MODELS, PROVIDER_FILE, ROOT


def test_the_printed_provider_file_points_at_the_model() -> None:
    text = PROVIDER_FILE.format(host="127.0.0.1", port=8081, key="sk-x", alias=ALIAS, window=CONTEXT)

    local, sandbox = yaml.safe_load(text)["providers"]

    assert local["base_url"] == "http://127.0.0.1:8081/v1"
    assert local["models"] == [{"id": ALIAS, "context_window": CONTEXT}]
    assert sandbox["provider_type"] == "sandbox"


def test_the_model_file_is_kept_where_git_does_not_look() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()

    assert f"/{MODELS.relative_to(ROOT).parts[0]}/" in ignored
