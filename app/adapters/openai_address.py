"""Where OpenAI's endpoints are at one provider, and under which header its key goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from app.domain.chat import Credential
from app.domain.errors import FailureKind, ProviderError

SCOPED: Final = ("/chat/completions", "/embeddings")
"""The endpoints that Azure's dated form has once per deployment."""


@dataclass(frozen=True, slots=True)
class OpenAIAddress:
    """How paths are completed. OpenAI's own are short; Azure's may name a deployment and a version.

    `version`: the `api-version` of every request, "" for none. `is_scoped`: deployments stand in paths, `deployment`
    is the one for every model, "" where the model's name is the deployment's.
    """

    version: str = ""
    is_scoped: bool = False
    deployment: str = ""

    def path(self, endpoint: str, model: str = "") -> str:
        """The path of an endpoint, relative to the base URL; raises ProviderError for a model that names no place."""
        if self.is_scoped and endpoint in SCOPED:
            endpoint = f"/deployments/{_segment(self.deployment or model)}{endpoint}"
        return f"{endpoint}?api-version={self.version}" if self.version else endpoint

    def model(self, model: str) -> str:
        """What a body has to call the model where no path does."""
        return self.deployment or model


def _segment(name: str) -> str:
    if name.strip(".") == "":
        raise ProviderError(FailureKind.MODEL_NOT_FOUND, f"{name!r} cannot be a deployment", param="model")
    return quote(name, safe="")


def key_headers(header: str, credential: Credential) -> Mapping[str, str]:
    """The header that carries the key. `authorization` means as a bearer token; a token of Entra is always one."""
    if credential.secret is None:
        return {}
    secret = credential.secret.get_secret_value()
    if header == "authorization" or _is_token(secret):
        return {"authorization": f"Bearer {secret}"}
    return {header: secret}


def _is_token(secret: str) -> bool:
    """Whether it is a JSON web token: three parts, the first of them JSON in base64."""
    return secret.startswith("eyJ") and secret.count(".") == 2
