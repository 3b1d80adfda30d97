"""The endpoint of a model of OpenAI's chat format: URL, headers, proxy, certificates.

OpenAI's environment variables (key, organization, project) are sent to OpenAI alone, never to another endpoint.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, cast
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import anyio.to_thread
from msgspec.structs import replace

from bridge_mcp.core.secret_fields import HidesFields
from bridge_mcp.models.errors import ProviderError, failed
from bridge_mcp.models.model_info import UNKNOWN, ModelInfo, look_up, read_map
from bridge_mcp.models.settings import ModelSettings

if TYPE_CHECKING:
    from aiohttp import ClientSession

__all__ = ["Endpoint", "EndpointConnection", "endpoint_of"]

OPENAI = "https://api.openai.com/v1"
OF_OPENAI: Mapping[str, str] = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
"""Variables that the openai SDK sends as headers."""

CONNECT_S = 10.0
"""How long reaching the server may take, within `timeout_s`."""


class Endpoint(HidesFields, frozen=True):
    """The URL and headers of one model."""

    HIDDEN: ClassVar = frozenset({"headers", "proxy"})

    url: str
    headers: Mapping[str, str]
    proxy: str | None = None
    tls: ssl.SSLContext | None = None
    known: ModelInfo = UNKNOWN
    """Capabilities of OpenAI's own models, by litellm's map; unknown at any other endpoint, whatever the name."""


def endpoint_of(settings: ModelSettings) -> Endpoint:
    """The endpoint of a section. Reads files: call it on a worker thread.

    Raises:
        ModelFailed: OpenAI itself would be asked without a key.
    """
    base = settings.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI
    parts = urlsplit(base)
    headers = {"User-Agent": "bridge-mcp"}
    key = settings.api_key
    if not settings.base_url:
        key = key or os.environ.get("OPENAI_API_KEY", "").strip()
        if not key:
            raise failed(settings, ProviderError("OPENAI_API_KEY is not set either", kind="bad_key"))
        headers |= {header: value for name, header in OF_OPENAI.items() if (value := os.environ.get(name, "").strip())}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    headers |= cast("Mapping[str, str]", settings.params.get("extra_headers") or {})
    return Endpoint(
        urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/chat/completions")),
        headers,
        proxy_for(parts.scheme, parts.hostname or ""),
        tls=certificates() if parts.scheme == "https" else None,
        known=known_at(settings, parts.hostname == urlsplit(OPENAI).hostname),
    )


def known_at(settings: ModelSettings, openai: bool) -> ModelInfo:
    """A model's known capabilities. Prices are known at OpenAI alone: another endpoint charges its own."""
    if settings.base_url and not openai:
        return UNKNOWN
    info = look_up(settings.model, read_map())
    return info if openai else replace(info, prices=None)


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that the environment, or the system's settings, name for a host."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all")


def certificates() -> ssl.SSLContext:
    """Trusts SSL_CERT_FILE or SSL_CERT_DIR, else certifi's authorities: Python may not find the system's."""
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context()
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def prepare(settings: ModelSettings) -> Endpoint:
    """Import aiohttp and read the endpoint's files: on a worker thread, before the first call."""
    import aiohttp as aiohttp  # imported here, off the event loop

    return endpoint_of(settings)


class EndpointConnection:
    """The connections to a section's endpoint, made when they are first needed; no time-out for the response."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._opened: tuple[Endpoint, ClientSession] | None = None
        self._opening = anyio.Lock()

    async def open(self) -> tuple[Endpoint, ClientSession]:
        """The endpoint, and the session for requests to it.

        Raises:
            ModelFailed: see `endpoint_of`.
        """
        async with self._opening:
            if self._opened is None:
                endpoint = await anyio.to_thread.run_sync(prepare, self._settings, abandon_on_cancel=True)
                self._opened = endpoint, self._session(endpoint)
        return self._opened

    def _session(self, endpoint: Endpoint) -> ClientSession:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

        return ClientSession(
            connector=TCPConnector(limit=0, ssl=endpoint.tls or True),
            cookie_jar=DummyCookieJar(),
            headers=endpoint.headers,
            proxy=endpoint.proxy,
            timeout=ClientTimeout(total=None, sock_connect=min(CONNECT_S, self._settings.timeout_s)),
        )

    async def close(self) -> None:
        """Close the connections; open calls fail."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened[1].close()
