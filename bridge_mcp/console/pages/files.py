"""Files of messages: as downloads that no browser runs, and images of the bridge's own store as images."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from bridge_mcp.console.visits import Page, Visit
from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.core.images import image_type
from bridge_mcp.ports import KEPT
from bridge_mcp.service import Fetched

__all__ = ["PAGES"]

SANDBOX = {
    "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


async def fetched(visit: Visit) -> Fetched:
    index = visit.query("index")
    if not (index.isascii() and index.isdigit() and len(index) < 4):
        raise BadInput("This names no file.", fix="Follow the link on the conversation's page.")
    return await visit.bridge.fetch_attachment(visit.who, visit.query("message"), index=int(index))


async def download(visit: Visit) -> Response:
    """A file, whatever it is, to be kept and not to be shown."""
    file = await fetched(visit)
    name = plain_name(file.attachment.name) or "file"
    headers = SANDBOX | {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return Response(file.data, media_type="application/octet-stream", headers=headers)


async def image(visit: Visit) -> Response:
    """An image of the bridge's own store, by what its bytes say that it is."""
    file = await fetched(visit)
    kind = image_type(file.data)
    if not kind or not file.attachment.ref.startswith(KEPT):
        raise NotFound("This is no image that is shown here.", fix="Download it.")
    return Response(file.data, media_type=kind, headers=SANDBOX)


PAGES = (Page("/file", download), Page("/image", image))
