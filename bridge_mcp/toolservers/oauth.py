"""OAuth for nested servers over HTTP, through FastMCP's client: tokens in the state folder, people only on request.

The engine uses and refreshes existing tokens. It never opens a browser: if a person has to log in, the connection fails
with a message that names the command for it. Each server has a file of its own, readable by its owner alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import webbrowser
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, SupportsFloat, cast

import anyio
import httpx2
from fastmcp import Client
from fastmcp.client.auth import OAuth
from mcp.client.auth import AuthorizationCodeResult, OAuthFlowError

from bridge_mcp.core.errors import BadJSON, ToolFailed
from bridge_mcp.core.json_reader import read_json
from bridge_mcp.toolservers.oauth_guard import BoundedStream, check_place
from bridge_mcp.toolservers.settings import ToolServer

__all__ = ["LoginNeeded", "TokenFile", "engine_auth", "log_in"]

LOGIN_S = 300.0
"""How long a person may take."""
CLIENT = "bridge-mcp"
"""The client name that login pages show."""


class LoginNeeded(OAuthFlowError):
    """A person has to log in first."""


class TokenFile:
    """The client library's key-value store in one JSON file of mode 0600, which is replaced at each write."""

    def __init__(self, folder: Path, server: ToolServer) -> None:
        place = hashlib.sha256(server.url.encode()).hexdigest()[:12]
        self.path = folder / f"{server.name}.{place}.json"

    async def get(self, key: str, *, collection: str | None = None) -> dict[str, Any] | None:
        """The value; None for none."""
        return self._read().get(storage_key(key, collection))

    async def ttl(self, key: str, *, collection: str | None = None) -> tuple[dict[str, Any] | None, float | None]:
        """The value, and None: values have no time to live here."""
        return await self.get(key, collection=collection), None

    async def put(
        self,
        key: str,
        value: Mapping[str, Any],
        *,
        collection: str | None = None,
        ttl: SupportsFloat | None = None,
    ) -> None:
        """Keep a value until it is replaced: an expired token is noticed when it is used."""
        self._write({**self._read(), storage_key(key, collection): dict(value)})

    async def delete(self, key: str, *, collection: str | None = None) -> bool:
        """Whether there was a value."""
        values = self._read()
        existed = values.pop(storage_key(key, collection), None) is not None
        if existed:
            self._write(values)
        return existed

    async def get_many(self, keys: Sequence[str], *, collection: str | None = None) -> list[dict[str, Any] | None]:
        """The values, in the order of the keys."""
        return [await self.get(key, collection=collection) for key in keys]

    async def ttl_many(
        self, keys: Sequence[str], *, collection: str | None = None
    ) -> list[tuple[dict[str, Any] | None, float | None]]:
        """The values, in the order of the keys, each with None."""
        return [await self.ttl(key, collection=collection) for key in keys]

    async def put_many(
        self,
        keys: Sequence[str],
        values: Sequence[Mapping[str, Any]],
        *,
        collection: str | None = None,
        ttl: SupportsFloat | None = None,
    ) -> None:
        """Keep each value until it is replaced."""
        for key, value in zip(keys, values, strict=True):
            await self.put(key, value, collection=collection, ttl=ttl)

    async def delete_many(self, keys: Sequence[str], *, collection: str | None = None) -> int:
        """How many values there were."""
        return sum([await self.delete(key, collection=collection) for key in keys])

    def _read(self) -> dict[str, dict[str, Any]]:
        """All values; none if the file is damaged, which means a new login."""
        try:
            values = read_json(self.path.read_bytes())
        except (FileNotFoundError, BadJSON):
            return {}
        return cast("dict[str, dict[str, Any]]", values) if isinstance(values, dict) else {}

    def _write(self, values: dict[str, dict[str, Any]]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".")  # mode 0600
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(values, out)
        Path(name).replace(self.path)


def storage_key(key: str, collection: str | None) -> str:
    return f"{collection or ''} {key}"


class GuardedOAuth(OAuth):
    """An OAuth flow whose requests go to allowed hosts only (see `oauth_guard`), and whose responses are bounded."""

    alone = False
    """Whether there is no person to log in: then tokens are refreshed, and no other request is made."""

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """The requests of a login around `request`, each checked before it is sent.

        Raises:
            LoginNeeded: a person has to log in.
            Steered: the server sends the login to a host that is not allowed.
        """
        sent = False
        async with aclosing(super().async_auth_flow(request)) as flow:
            response: httpx2.Response | None = None
            while True:
                try:
                    # The first `asend` of a generator takes None, which its type does not say.
                    outgoing = await flow.asend(cast("httpx2.Response", response))
                except StopAsyncIteration:
                    return
                if outgoing is request:
                    sent = True
                    response = yield outgoing
                    continue
                if sent and self.alone:
                    raise LoginNeeded("it wants somebody to log in")
                await check_place(outgoing.url, request.url)
                outgoing.headers["accept-encoding"] = "identity"
                response = yield outgoing
                response.stream = BoundedStream(response)


class QuietOAuth(GuardedOAuth):
    """Uses and refreshes existing tokens, and never asks a person."""

    alone = True

    async def redirect_handler(self, authorization_url: str) -> None:
        """Raise LoginNeeded: there is no person here."""
        raise LoginNeeded("it wants somebody to log in")

    async def callback_handler(self) -> AuthorizationCodeResult:
        """Raise LoginNeeded: there is no person here."""
        raise LoginNeeded("it wants somebody to log in")


class AskingOAuth(GuardedOAuth):
    """Shows a person where to log in."""

    show: Callable[[str], None]

    async def redirect_handler(self, authorization_url: str) -> None:
        """Show the URL, and open a browser if there is one."""
        self.show(authorization_url)
        webbrowser.open(authorization_url)


def engine_auth(server: ToolServer, folder: Path) -> OAuth:
    """The authentication of the engine's requests."""
    return QuietOAuth(
        server.url, scopes=list(server.oauth_scopes), client_name=CLIENT, token_storage=TokenFile(folder, server)
    )


async def log_in(server: ToolServer, folder: Path, show: Callable[[str], None]) -> None:
    """Let a person log in; `show` is called with the URL, which is opened in a browser too, if there is one.

    Raises:
        ToolFailed: the login failed.
    """
    tokens = TokenFile(folder, server)
    tokens.path.unlink(missing_ok=True)  # an earlier client registration is bound to its redirect port
    auth = AskingOAuth(
        server.url,
        scopes=list(server.oauth_scopes),
        client_name=CLIENT,
        token_storage=tokens,
        callback_timeout=LOGIN_S,
    )
    auth.show = show
    try:
        with anyio.fail_after(LOGIN_S):
            async with Client(server.url, auth=auth) as client:
                await client.list_tools_mcp()
    except Exception as exc:
        # Whatever the server or the library raises: the person who waits gets a message.
        raise ToolFailed(
            server.scrub(f"Logging in to '{server.name}' failed: {str(exc) or type(exc).__name__}"),
            fix="Look at its url in bridge.toml, and try again.",
        ) from exc
