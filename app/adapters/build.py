"""The adapter of a configured provider."""

from __future__ import annotations

import httpx

from app.adapters.base_urls import base_url_of
from app.adapters.http import HTTPAdapter
from app.adapters.pictures import PictureSource
from app.adapters.presets import PRESETS
from app.adapters.tuning import tuned
from app.domain.ports import Adapter
from app.domain.provider import ProviderConfig


def build_adapter(
    config: ProviderConfig, transport: httpx.AsyncBaseTransport, pictures: PictureSource | None = None
) -> Adapter:
    """The adapter of a configured provider (any type but the sandbox, which is no HTTP)."""
    preset = PRESETS[config.type]
    connect = config.timeouts.connect
    return HTTPAdapter(
        preset.codec if config.dialect is None else tuned(preset.codec, config.dialect),
        base_url_of(config.type, config.base_url),
        transport,
        provider=config.name,
        headers={**preset.headers, **config.headers},
        connect_timeout=2.0 if connect is None else connect,
        pictures=pictures,
        limits=preset.limits,
    )
