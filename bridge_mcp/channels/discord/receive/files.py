"""Downloads the files of messages.

Their addresses are signed and hold for a day (https://docs.discord.com/developers/reference#signed-attachment-cdn-urls),
so the message is read again, and tells a new one.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
import msgspec
from discord.errors import HTTPException
from discord.http import Route

from bridge_mcp.channels.discord.bot.errors import explained, worded
from bridge_mcp.channels.discord.bot.requests import REQUEST_ERRORS, InvalidResponse, Requests
from bridge_mcp.channels.discord.bot.settings import DiscordSettings
from bridge_mcp.channels.discord.ids import digits
from bridge_mcp.channels.discord.receive.payloads import File, Message, parse
from bridge_mcp.channels.downloads import bounded, too_large
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import FetchFailed

__all__ = ["fetch"]

HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
TIME_S = 120.0


async def fetch(requests: Requests, settings: DiscordSettings, attachment: Attachment, most: int) -> bytes:
    """The bytes of a file; see `ports.Channel.fetch`.

    Raises:
        FetchFailed: it is too large, gone, or was refused; the message says which.
    """
    name = attachment.name or "The file"
    if attachment.size is not None and attachment.size > most:
        raise too_large(name, most, attachment.size)
    ids = attachment.ref.split("/")
    if len(ids) != 3 or not all(map(digits, ids)):
        raise FetchFailed(f"{name} is none of Discord's.", fix="Ask its sender to send it again.")
    try:
        file = await find_file(requests, name, *ids)
        return await downloaded(requests, settings, file, name, most)
    except HTTPException as exc:
        raise FetchFailed(
            f"{name} could not be fetched: {worded(exc, requests.clean)}.", fix="Ask its sender to send it again."
        ) from None
    except REQUEST_ERRORS as exc:
        raise FetchFailed(
            f"{name} could not be fetched: {explained(exc, requests.clean)}", fix="Try again later."
        ) from None


async def find_file(requests: Requests, name: str, channel: str, message: str, number: str) -> File:
    """The file where it stands now."""
    route = Route("GET", "/channels/{channel_id}/messages/{message_id}", channel_id=channel, message_id=message)
    try:
        parsed = parse(Message, await requests.request(route))
    except msgspec.ValidationError as exc:
        raise InvalidResponse("its answer is of another shape") from exc
    snapshots = [file for each in parsed.message_snapshots for file in each.message.attachments]
    for file in (*parsed.attachments, *snapshots):
        if file.id == number:
            return file
    raise FetchFailed(f"{name} is not there any more.", fix="Ask its sender to send it again.")


async def downloaded(requests: Requests, settings: DiscordSettings, file: File, name: str, most: int) -> bytes:
    """The bytes, counted as they arrive."""
    url = urlsplit(file.url)
    from_our_server = url.netloc == urlsplit(settings.base_url).netloc
    if not from_our_server and (url.scheme != "https" or url.netloc not in HOSTS):
        raise FetchFailed(f"{name} lies at {url.netloc[:100]}, which is not Discord.", fix="Ask for it in another way.")
    timeout = aiohttp.ClientTimeout(TIME_S, sock_read=20)
    async with requests.session.get(file.url, timeout=timeout, allow_redirects=False) as answer:
        if answer.status != 200:
            raise FetchFailed(f"{name} could not be fetched: Discord answered {answer.status}.", fix="Try again.")
        return await bounded(answer.content.iter_chunked(65_536), name, most)
