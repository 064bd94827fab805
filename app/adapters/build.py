"""The adapter of a configured provider."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from app.adapters.azure import at_azure
from app.adapters.base_urls import base_url_of
from app.adapters.codec import Codec
from app.adapters.http import HTTPAdapter
from app.adapters.openai_platform import PlatformCodec
from app.adapters.pictures import PictureSource
from app.adapters.presets import PRESETS
from app.adapters.tuning import tuned
from app.domain.ports import Adapter
from app.domain.provider import ProviderConfig, ProviderType


def build_adapter(
    config: ProviderConfig, transport: httpx.AsyncBaseTransport, pictures: PictureSource | None = None
) -> Adapter:
    """The adapter of a configured provider (any type but the sandbox, which is no HTTP)."""
    preset = PRESETS[config.type]
    codec, url = placed(preset.codec, config.type, base_url_of(config.type, config.base_url))
    connect = config.timeouts.connect
    return HTTPAdapter(
        codec if config.dialect is None else tuned(codec, config.dialect),
        url,
        transport,
        provider=config.name,
        headers={**preset.headers, **config.headers},
        connect_timeout=2.0 if connect is None else connect,
        pictures=pictures,
        limits=preset.limits,
    )


def placed(codec: Codec, type: ProviderType, base_url: str) -> tuple[Codec, str]:  # noqa: A002 - the contract's name
    """The codec as it is spoken at a complete base URL, and the URL that its paths go on."""
    if not isinstance(codec, PlatformCodec):
        return codec, base_url
    if type is ProviderType.AZURE:
        return at_azure(codec, base_url)
    host = urlsplit(base_url).hostname or ""
    if host == "api.openai.com" or host.endswith(".api.openai.com"):
        return codec, base_url
    # Somebody else's server under OpenAI's name: nothing is asked of it that only serves us.
    return replace(codec, counting=None), base_url
