"""The methods that send files, single and in albums.

https://core.telegram.org/bots/api#sendphoto and #sendmediagroup. Knows the state and the parameters of requests.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.servers.telegram.call import Call
from tests.servers.telegram.files import file_wire
from tests.servers.telegram.incoming import text_fields
from tests.servers.telegram.outgoing import caption_of, send, target
from tests.servers.telegram.refusals import bad_request
from tests.servers.telegram.state import Content
from tests.servers.telegram.texts import Object
from tests.servers.telegram.world import World

__all__ = ["WITHOUT_CAPTION", "get_file", "media_fields", "send_album", "send_file", "send_location"]

WITHOUT_CAPTION = frozenset({"sticker", "video_note"})
SAID = ("duration", "performer", "title", "width", "height", "emoji", "length")
"""What a sender may say about a file, and what then stands in the message."""
ALBUM_KINDS = frozenset({"photo", "video", "audio", "document"})
ALBUM_MAX = 10


def picked(world: World, call: Call, kind: str, source: str) -> Content:
    """The file of a parameter: an upload of this name, an upload it points to, or a file already there."""
    if source.startswith("attach://"):
        upload = call.uploads.get(source.removeprefix("attach://"))
        if upload is None:
            raise bad_request(f"there is no {kind} in the request")
        return world.files.uploaded(kind, upload)
    return world.files.known(kind, source)


def media_fields(content: Content, more: Object) -> Object:
    """How a file stands in a message. An animation stands there as a document too, for older programs."""
    found: Object = {content.kind: file_wire(content, more)}
    if content.kind == "animation":
        found["document"] = found["animation"]
    return found


def send_file(world: World, call: Call) -> Object:
    """`sendPhoto`, `sendDocument`, and the others named after what they send."""
    kind = {"videonote": "video_note"}.get(call.method.removeprefix("send"), call.method.removeprefix("send"))
    if kind not in call.uploads and not call.text(kind):
        raise bad_request(f"there is no {kind.replace('_', ' ')} in the request")
    rich = caption_of(call.text("caption"), call.text("parse_mode"), call.json("caption_entities"))
    where = target(world, call)
    content = (
        world.files.uploaded(kind, call.uploads[kind])
        if kind in call.uploads
        else picked(world, call, kind, call.text(kind))
    )
    body = media_fields(content, said(call.args))
    if kind not in WITHOUT_CAPTION:
        body |= text_fields(world, rich, caption=True)
    if call.flag("has_spoiler"):
        body["has_media_spoiler"] = True
    return world.shown(send(world, where, body, [content]))


def said(given: Mapping[str, object]) -> Object:
    """What the sender said about a file: numbers as numbers."""
    found: Object = {}
    for name in SAID:
        if name in given and given[name] not in ("", None):
            value = str(given[name])
            found[name] = int(value) if value.isdigit() else value
    return found


def send_album(world: World, call: Call) -> list[Object]:
    """`sendMediaGroup`: two to ten files shown as one. Documents stay among themselves, and so does music."""
    items = album_items(call)
    where = target(world, call)
    prepared: list[tuple[Object, Content]] = []
    for item in items:
        kind = str(item["type"])
        rich = caption_of(str(item.get("caption", "")), str(item.get("parse_mode", "")), item.get("caption_entities"))
        content = picked(world, call, kind, str(item["media"]))
        prepared.append((media_fields(content, said(item)) | text_fields(world, rich, caption=True), content))
    album = str(13_000_000_000_000_000 + world.number("album"))
    return [world.shown(send(world, where, body, [content], album)) for body, content in prepared]


def album_items(call: Call) -> list[Object]:
    """The InputMedia of an album, checked. Raises `Refusal`."""
    call.required("media")
    items = call.objects("media", "InputMedia")
    for item in items:
        if item.get("type") not in ALBUM_KINDS:
            raise bad_request("can't parse InputMedia: type must be one of photo, video, audio and document")
        if not item.get("media"):
            raise bad_request("can't parse InputMedia: media not found")
    if not items:
        raise bad_request("there are no messages to send")
    if len(items) > ALBUM_MAX:
        raise bad_request("too many messages to send as an album")
    kinds = {str(item["type"]) for item in items}
    if len(items) < 2 or (len(kinds) > 1 and kinds & {"audio", "document"}):
        # One item is not documented to be an album.
        raise bad_request("can't use the media of the specified type in the album")
    return items


def send_location(world: World, call: Call) -> Object:
    """`sendLocation`."""
    place: Object = {}
    for name, bound in (("latitude", 90), ("longitude", 180)):
        if not call.text(name):
            raise bad_request(f"{name} is empty")
        try:
            place[name] = float(call.text(name))
        except ValueError:
            raise bad_request("wrong coordinates specified") from None
        if abs(place[name]) > bound:
            raise bad_request("wrong coordinates specified")
    return world.shown(send(world, target(world, call), {"location": place}))


def get_file(world: World, call: Call) -> Object:
    """`getFile`: a path to download from, valid for an hour; at most 20 MB."""
    content, path = world.files.path_of(call.text("file_id"))
    whole = file_wire(content, {})
    one = whole[-1] if isinstance(whole, list) else whole
    return {name: one[name] for name in ("file_id", "file_unique_id", "file_size")} | {"file_path": path}
