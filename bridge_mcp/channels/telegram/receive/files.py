"""Downloads the files of messages, from Telegram or from a self-hosted Bot API server.

https://core.telegram.org/bots/api#getfile. Never holds more in memory than the caller allows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import anyio
import anyio.to_thread
import httpx
from telegram.error import BadRequest, InvalidToken, TelegramError

from bridge_mcp.channels.downloads import bounded, too_large
from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.receive.errors import explained
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import FetchFailed

__all__ = ["fetch"]

MAX_DOWNLOAD = 20 * 1024 * 1024
"""Bytes that bots may download from Telegram's own server."""
TIME_S = 120.0
"""How long a download may take as a whole."""
OWN_SERVER = "Run a Bot API server of your own (api_base_url): it gives files of up to 2 GB."


async def fetch(connections: BotConnections, attachment: Attachment, most: int) -> bytes:
    """The bytes of a file; see `ports.Channel.fetch`. `connections` are open.

    Raises:
        FetchFailed: it is too large, gone, or was refused; the message says which.
    """
    name = attachment.name or "The file"
    check_size(connections, name, attachment.size, most)
    try:
        with anyio.fail_after(TIME_S):
            path = await file_path(connections, name, attachment.ref, most)
            if connections.settings.own_server and path.startswith("/"):
                return await anyio.to_thread.run_sync(from_disk, Path(path), name, most)
            return await downloaded(connections, name, path, most)
    except (TelegramError, TimeoutError) as exc:
        raise FetchFailed(
            f"{name} could not be fetched: {explained(exc, connections.settings.base_url, connections.clean)}",
            fix="Try again later.",
        ) from None


def check_size(connections: BotConnections, name: str, size: int | None, most: int) -> None:
    if size is not None and size > most:
        raise too_large(name, most, size)
    if size is not None and size > MAX_DOWNLOAD and not connections.settings.own_server:
        raise beyond_telegram(name)


async def file_path(connections: BotConnections, name: str, ref: str, most: int) -> str:
    """The path of a file on the server: below its URL, or (self-hosted) on its disk.

    Not by the library's own method: it takes a path for a local one when such a file happens to exist here.
    """
    try:
        answer: Any = await connections.bot.do_api_request("getfile", api_kwargs={"file_id": ref})
    except BadRequest as exc:
        if "too big" in exc.message.casefold():
            raise beyond_telegram(name) from None
        raise FetchFailed(
            f"{name} is not there any more: {connections.clean(exc.message)}.", fix="Ask its sender to send it again."
        ) from None
    except InvalidToken:
        raise FetchFailed(
            f"{name} could not be fetched: the server does not know the token.", fix="bridge-mcp check says more."
        ) from None
    file = cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}
    size, path = file.get("file_size"), file.get("file_path")
    check_size(connections, name, size if isinstance(size, int) else None, most)
    if not isinstance(path, str) or not path:
        raise FetchFailed(f"{name} is not ready on the server.", fix="Try again in a moment.")
    return path


async def downloaded(connections: BotConnections, name: str, path: str, most: int) -> bytes:
    """The bytes below the server's URL, counted as they arrive."""
    url = f"{connections.settings.base_url}/file/bot{connections.settings.token}/{quote(path)}"
    try:
        async with (
            httpx.AsyncClient(verify=connections.certificates, timeout=20) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != 200:
                raise FetchFailed(
                    f"{name} could not be fetched: {connections.settings.base_url} answered {answer.status_code}.",
                    fix="Try again; if it stays so, ask its sender to send it again.",
                )
            return await bounded(answer.aiter_bytes(), name, most)
    except httpx.HTTPError as exc:
        raise FetchFailed(
            f"{name} could not be fetched: the connection to {connections.settings.base_url} broke "
            f"({type(exc).__name__}).",
            fix="Try again.",
        ) from None


def from_disk(path: Path, name: str, most: int) -> bytes:
    """A file that a self-hosted server has put on this machine."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as exc:
        raise FetchFailed(
            f"{name} lies on the disk of the Bot API server, where this process cannot read it: {exc.strerror}.",
            fix="Run both on one machine as one user, or run the server without --local.",
        ) from None
    if len(data) > most:
        raise too_large(name, most)
    return data


def beyond_telegram(name: str) -> FetchFailed:
    return FetchFailed(f"{name} is larger than the 20 MB that Telegram lets bots download.", fix=OWN_SERVER)
