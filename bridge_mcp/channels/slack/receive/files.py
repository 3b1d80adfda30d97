"""Downloads the files of messages: https://docs.slack.dev/reference/objects/file-object. Holds no more than allowed."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
import anyio

from bridge_mcp.channels.downloads import bounded, too_large
from bridge_mcp.channels.slack.values import inner
from bridge_mcp.channels.slack.web import SlackFault, SlackWeb
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import FetchFailed

__all__ = ["fetch"]

TIME_S = 120.0
PIECE = 64 * 1024


async def fetch(web: SlackWeb, attachment: Attachment, most: int) -> bytes:
    """The bytes of a file; see `ports.Channel.fetch`. `web` is open.

    Raises:
        FetchFailed: it is too large, gone, or was refused; the message says which.
    """
    name = attachment.name or "The file"
    try:
        with anyio.fail_after(TIME_S):
            file = inner(await web.call(web.client.files_info, file=attachment.ref), "file")
            url, size = str(file.get("url_private_download") or file.get("url_private") or ""), file.get("size")
            if isinstance(size, int) and size > most:
                raise too_large(name, most, size)
            if not ours(url, web.settings.base_url):
                raise FetchFailed(f"{name} is not kept by Slack itself.", fix="Open it in Slack.")
            return await downloaded(web, name, url, most)
    except SlackFault as fault:
        raise FetchFailed(f"{name} could not be fetched: {fault}.", fix="Try again later.") from None
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise FetchFailed(f"{name} could not be fetched ({type(exc).__name__}).", fix="Try again later.") from None


def ours(url: str, base: str) -> bool:
    """Whether the bot's token may be shown there: at Slack, or at the server that the config names."""
    target, api = urlsplit(url), urlsplit(base)
    if (target.scheme, target.netloc) == (api.scheme, api.netloc):
        return True
    return target.scheme == "https" and (target.hostname or "").endswith(".slack.com")


async def downloaded(web: SlackWeb, name: str, url: str, most: int) -> bytes:
    headers = {"Authorization": f"Bearer {web.settings.bot_token}"}
    async with web.session.get(url, headers=headers, allow_redirects=False) as answer:
        if answer.status != 200 or (answer.content_type == "text/html" and not name.endswith((".html", ".htm"))):
            raise FetchFailed(
                f"Slack does not give {name} (HTTP {answer.status}).", fix="The app needs the scope files:read."
            )
        return await bounded(answer.content.iter_chunked(PIECE), name, most)
