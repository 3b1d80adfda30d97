"""New messages: texts, files, albums, each in the best form that Telegram accepts.

A message that it refuses goes out in another form at once: without formatting, or as a document. Knows nothing of rate
limits, and leaves the meaning of errors to its caller.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from msgspec.structs import replace
from telegram import (
    Bot,
    ForceReply,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaVideo,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)
from telegram.error import BadRequest, TelegramError

from bridge_mcp.channels.telegram.send.errors import markup_refused
from bridge_mcp.channels.telegram.send.keyboards import keyboard, reply_wanted
from bridge_mcp.channels.telegram.send.requests import Album, Destination, File, Text
from bridge_mcp.channels.telegram.send.uploads import Form, Opened, other_form
from bridge_mcp.channels.telegram.text.entities import entities
from bridge_mcp.channels.telegram.text.marked_text import Rich
from bridge_mcp.channels.telegram.text.split import split

__all__ = ["NO_PREVIEW", "Messages", "PartlySent"]

logger = logging.getLogger(__name__)

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
"""For a preview Telegram fetches every URL, also one that an injected prompt made a model write, with secrets in it."""
NO_MESSAGE = "its answer names no message"
UPLOAD_S = 60.0
"""How long Telegram may take to answer once a file is uploaded."""


class PartlySent(Exception):
    """A part needed several requests, and one after the first failed."""

    def __init__(self, error: TelegramError, *, begun: bool) -> None:
        super().__init__()
        self.error = error
        self.begun = begun
        """Whether messages of the part went out, so that a retry would send them twice."""


class Messages:
    """Sends messages for one bot. Each method returns the ids of the messages it sent."""

    def __init__(self, bot: Bot, name: str) -> None:
        self._bot, self._name = bot, name

    async def text(self, body: Text) -> list[str]:
        """A text; if Telegram refuses its formatting, as plain text with the URLs of its links."""
        try:
            return [await self._say(body, body.rich)]
        except BadRequest as exc:
            if not (body.rich.marks and markup_refused(exc)):
                raise
        logger.warning("%s: Telegram refused the marks on a text; it goes out plain", self._name)
        return await self.texts(body, split(Rich(body.rich.written_out())))

    async def texts(self, body: Text, pieces: Sequence[Rich], *, begun: bool = False) -> list[str]:
        """A text in several messages, with its buttons below the last one.

        `begun`: an earlier, idempotent request of the part has succeeded.
        """
        sent: list[str] = []
        for index, piece in enumerate(pieces):
            one = body if index == len(pieces) - 1 else replace(body, buttons=(), wants_reply=False)
            try:
                sent.append(await self._say(one, piece))
            except TelegramError as exc:
                if not sent and not begun:
                    raise
                raise PartlySent(exc, begun=bool(sent)) from None
        return sent

    async def _say(self, body: Text, rich: Rich) -> str:
        message = await self._bot.send_message(
            body.place.chat,
            rich.text,
            entities=entities(rich) or None,
            reply_markup=reply_markup(body),
            link_preview_options=NO_PREVIEW,
            **send_options(body.place),
        )
        return id_of(message)

    async def file(self, body: File) -> list[str]:
        """A file; in another form, or with a plain caption, if Telegram refuses it."""
        async with Opened() as files:
            media, form = await files.take(body.upload, body.form)
            try:
                message = await self._method(form)(
                    body.place.chat,
                    media,
                    caption=body.caption.text or None,
                    caption_entities=entities(body.caption) or None,
                    reply_markup=reply_markup(body),
                    read_timeout=UPLOAD_S,
                    **send_options(body.place),
                )
                return [id_of(message)]
            except BadRequest as exc:
                if body.caption.marks and markup_refused(exc):
                    body = replace(body, caption=Rich(body.caption.text))
                elif other_kind := other_form(form, exc.message):
                    logger.info("%s: Telegram takes a file as %s, not as %s", self._name, other_kind, form)
                    body = replace(body, form=other_kind)
                else:
                    raise
        return await self.file(body)

    def _method(self, form: Form) -> Callable[..., Awaitable[Message]]:
        match form:
            case "photo":
                return self._bot.send_photo
            case "animation":
                return self._bot.send_animation
            case "video":
                return self._bot.send_video
            case "audio":
                return self._bot.send_audio
            case "voice":
                return self._bot.send_voice
            case "document":
                return self._bot.send_document

    async def album(self, body: Album) -> list[str]:
        """Photos and videos together; all of them as documents if Telegram refuses one."""
        async with Opened() as files:
            sources = [await files.take(upload, form, attach=True) for upload, form in body.uploads]
            forms: set[Form] = {form for _, form in sources}
            media = [album_item(source, "document" if "document" in forms else form) for source, form in sources]
            try:
                messages = await self._bot.send_media_group(
                    body.place.chat,
                    media,
                    caption=body.caption.text or None,
                    caption_entities=entities(body.caption) or None,
                    read_timeout=UPLOAD_S,
                    **send_options(body.place),
                )
                if not messages:
                    raise TelegramError(NO_MESSAGE)
                return [id_of(message) for message in messages]
            except BadRequest as exc:
                if body.caption.marks and markup_refused(exc):
                    body = replace(body, caption=Rich(body.caption.text))
                elif "document" not in forms and any(other_form(form, exc.message) for form in forms):
                    logger.info("%s: Telegram takes an album as documents only", self._name)
                    body = replace(body, uploads=tuple((upload, "document") for upload, _ in body.uploads))
                else:
                    raise
        return await self.album(body)


def id_of(message: Message) -> str:
    """The id of a message that Telegram says it sent.

    Raises:
        TelegramError: the result is no message.
    """
    number = cast("object", message.message_id)
    if not isinstance(number, int) or isinstance(number, bool):
        raise TelegramError(NO_MESSAGE)
    return str(number)


def album_item(source: Any, form: Form) -> InputMediaPhoto | InputMediaVideo | InputMediaDocument:
    match form:
        case "photo":
            return InputMediaPhoto(source)
        case "video":
            return InputMediaVideo(source)
        case _:
            return InputMediaDocument(source)


def reply_markup(body: Text | File) -> InlineKeyboardMarkup | ForceReply | None:
    """The reply markup of a message."""
    if body.wants_reply:
        return reply_wanted(reply=body.place.reply_to is not None)
    return keyboard(body.buttons)


def send_options(place: Destination) -> dict[str, Any]:
    """Parameters that all sending methods share. A reply to a deleted message is sent all the same."""
    reply = ReplyParameters(place.reply_to, allow_sending_without_reply=True) if place.reply_to else None
    return {
        "message_thread_id": place.thread,
        "business_connection_id": place.business or None,
        "direct_messages_topic_id": place.direct,
        "reply_parameters": reply,
        "disable_notification": place.silent or None,
    }
