"""What becomes of prompts at one target: the model's own word, the provider's, else what goes without saying."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from app.domain.data_policy import UNSTATED, DataPolicy
from app.domain.provider import ProviderConfig, ProviderType

IN_THE_HOUSE: Final = DataPolicy(training=False, retention_days=0, region="local")
"""Nothing leaves: no third party sees a prompt. In which jurisdiction the house stands is not known: it is `local`."""

# Model servers and nothing else. Behind `openai_compatible` may stand a proxy to anybody, on loopback too.
_MODEL_SERVERS: Final = frozenset({ProviderType.OLLAMA, ProviderType.VLLM, ProviderType.LOCALAI})
# Ollama passes models with such a tag on to its vendor.
_PASSED_ON: Final = ("-cloud", ":cloud")
_PRIVATE: Final = tuple(
    ip_network(spelled) for spelled in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


def data_policy_of(config: ProviderConfig, model: str) -> DataPolicy:
    """The policy of one target, each part from whoever states it."""
    own = next((one.data_policy for one in config.models if one.id == model), UNSTATED)
    return own.below(config.data_policy).below(_unspoken(config, model))


def _unspoken(config: ProviderConfig, model: str) -> DataPolicy:
    if config.type is ProviderType.SANDBOX:
        return IN_THE_HOUSE
    if config.type not in _MODEL_SERVERS or model.endswith(_PASSED_ON):
        return UNSTATED
    return IN_THE_HOUSE if _is_private(config.base_url) else UNSTATED


def _is_private(url: str) -> bool:
    """Whether this is a loopback or private address by its own spelling; where another name leads may change."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        if address.is_loopback:
            return True
        address = address.ipv4_mapped or address
    return any(address in network for network in _PRIVATE)
