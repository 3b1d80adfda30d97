"""Files both ways: https://core.telegram.org/bots/api#sending-files, #sendmediagroup and #getfile."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from telegram import Bot, InputMediaDocument, InputMediaPhoto, InputMediaVideo, MessageEntity, Update
from telegram.error import InvalidToken, NetworkError

from bridge_mcp.testing import ManualClock
from tests.fakes.telegram_bots import raw, received, refused
from tests.servers.telegram import TelegramServer, User, png

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def server(clock: ManualClock) -> AsyncGenerator[TelegramServer]:
    async with TelegramServer(clock=clock) as made:
        yield made


@pytest.fixture
async def alice(server: TelegramServer, bot: Bot) -> User:
    made = server.user("Alice")
    await made.sends(made.dm, "/start")
    await received(bot)
    return made


async def test_a_document_arrives_with_its_bytes_and_name(bot: Bot, alice: User) -> None:
    bold = [MessageEntity("bold", 0, 3)]
    sent = await bot.send_document(alice.id, b"whole\x00bytes", caption="See", filename="a.bin", caption_entities=bold)
    (seen,) = alice.dm.bot_messages
    assert (seen.kind, seen.text, seen.entity_texts("bold")) == ("document", "See", ["See"])
    assert [(one.kind, one.name, one.data) for one in seen.files] == [("document", "a.bin", b"whole\x00bytes")]
    assert sent.document
    assert (sent.document.file_name, sent.document.file_size) == ("a.bin", 11)


@pytest.mark.parametrize("kind", ["photo", "voice", "audio", "video", "animation", "video_note", "sticker"])
async def test_every_kind_can_be_sent(bot: Bot, alice: User, kind: str) -> None:
    data = png(4, 2)
    sent = await getattr(bot, f"send_{kind}")(alice.id, data)
    assert alice.dm.bot_messages[0].kind == kind
    assert alice.dm.bot_messages[0].files[0].data == data
    assert sent.effective_attachment
    if kind == "photo":
        assert (sent.photo[-1].width, sent.photo[-1].height) == (4, 2)


async def test_a_file_is_sent_again_by_its_id_and_keeps_its_kind(server: TelegramServer, bot: Bot, alice: User) -> None:
    sent = await bot.send_photo(alice.id, png())
    again = await bot.send_photo(alice.id, sent.photo[-1].file_id)
    assert again.photo[-1].file_unique_id == sent.photo[-1].file_unique_id
    with refused(server, "Bad Request: can't use file of type Photo as Voice"):
        await bot.send_voice(alice.id, sent.photo[-1].file_id)
    with refused(server, "Bad Request: wrong file identifier/HTTP URL specified"):
        await bot.send_photo(alice.id, "AgACnothing")
    with refused(server, "Bad Request: failed to get HTTP URL content"):
        await bot.send_photo(alice.id, "http://pictures.test/a.png")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "Bad Request: file must be non-empty"),
        (b"plain text", "Bad Request: IMAGE_PROCESS_FAILED"),
        (png(1, 30), "Bad Request: PHOTO_INVALID_DIMENSIONS"),
    ],
)
async def test_a_photo_is_a_picture(server: TelegramServer, bot: Bot, alice: User, data: bytes, text: str) -> None:
    with refused(server, text):
        await bot.send_photo(alice.id, data)
    assert alice.dm.bot_messages == []


async def test_a_caption_has_1024_utf16_units_at_most(server: TelegramServer, bot: Bot, alice: User) -> None:
    await bot.send_photo(alice.id, png(), caption="a" * 1024)
    with refused(server, "Bad Request: message caption is too long"):
        await bot.send_photo(alice.id, png(), caption="😀" * 513)
    (seen,) = alice.dm.bot_messages
    await bot.edit_message_caption(alice.id, seen.message_id, caption="short")
    assert alice.dm.bot_messages[0].text == "short"
    with refused(server, "Bad Request: there is no text in the message to edit"):
        await bot.edit_message_text("x", alice.id, seen.message_id)


async def test_more_than_50_megabytes_are_not_taken(server: TelegramServer, bot: Bot, alice: User) -> None:
    with pytest.raises(NetworkError, match="Request Entity Too Large"):
        await bot.send_document(alice.id, bytes(52 * 1024 * 1024))
    assert alice.dm.bot_messages == []


async def test_a_request_without_a_file_is_refused(server: TelegramServer, bot: Bot, alice: User) -> None:
    with refused(server, "Bad Request: there is no document in the request"):
        await raw(bot, "sendDocument", chat_id=alice.id)


async def test_an_album_of_the_bot_is_one_in_the_chat(server: TelegramServer, bot: Bot, alice: User) -> None:
    media = [InputMediaPhoto(png(), caption="first"), InputMediaVideo(b"video")]
    sent = await bot.send_media_group(alice.id, media)
    one, two = alice.dm.bot_messages
    assert one.album == two.album == sent[0].media_group_id != ""
    assert (one.kind, one.text, two.kind, two.files[0].data) == ("photo", "first", "video", b"video")


@pytest.mark.parametrize(
    ("media", "text"),
    [
        ([InputMediaDocument("x")] * 11, "Bad Request: too many messages to send as an album"),
        ([InputMediaDocument("x"), InputMediaPhoto("y")], "can't use the media of the specified type in the album"),
    ],
)
async def test_what_is_no_album(server: TelegramServer, bot: Bot, alice: User, media: Any, text: str) -> None:
    with refused(server, text if text.startswith("Bad") else f"Bad Request: {text}"):
        await bot.send_media_group(alice.id, media)


def attachment(update: Update) -> Any:
    assert update.message
    found: Any = update.message.effective_attachment
    return found[-1] if update.message.photo else found


@pytest.mark.parametrize("kind", ["photo", "document", "voice", "audio", "video", "animation", "video_note", "sticker"])
async def test_what_people_send_can_be_downloaded(bot: Bot, alice: User, kind: str) -> None:
    data, caption = png(3, 3), None if kind in ("sticker", "video_note") else "see"
    await alice.sends_file(alice.dm, kind, data, caption=caption or "", duration=3)
    (update,) = await received(bot)
    assert update.message
    assert update.message.caption == caption
    file = await attachment(update).get_file()
    assert bytes(await file.download_as_bytearray()) == data


async def test_an_album_comes_as_single_messages(bot: Bot, alice: User) -> None:
    sent = await alice.sends_album(alice.dm, [("photo", None, "both"), ("photo", None, "")])
    messages = [update.message for update in await received(bot, 2)]
    assert {one.media_group_id for one in messages if one} == {sent[0].album}
    assert [one.caption for one in messages if one] == ["both", None]


async def test_a_place_comes_with_its_coordinates(bot: Bot, alice: User) -> None:
    await alice.sends_location(alice.dm, 47.5, 8.25)
    (update,) = await received(bot)
    assert update.message
    assert update.message.location
    assert (update.message.location.latitude, update.message.location.longitude) == (47.5, 8.25)


async def test_files_over_20_megabytes_cannot_be_fetched(server: TelegramServer, bot: Bot, alice: User) -> None:
    await alice.sends_file(alice.dm, "document", bytes(20 * 1024 * 1024 + 1))
    (update,) = await received(bot)
    assert attachment(update).file_size == 20 * 1024 * 1024 + 1
    with refused(server, "Bad Request: file is too big"):
        await attachment(update).get_file()
    with refused(server, "Bad Request: invalid file_id"):
        await bot.get_file("nothing")


async def test_a_link_is_good_for_an_hour(bot: Bot, alice: User, clock: ManualClock) -> None:
    await alice.sends_file(alice.dm, "document", b"bytes")
    (update,) = await received(bot)
    file = await attachment(update).get_file()
    clock.advance(3600)
    assert await file.download_as_bytearray() == b"bytes"
    clock.advance(1)
    with pytest.raises(InvalidToken, match="Not Found"):
        await file.download_as_bytearray()


async def test_a_place_of_the_bot(server: TelegramServer, bot: Bot, alice: User) -> None:
    await bot.send_location(alice.id, 1.5, 2.5)
    assert alice.dm.bot_messages[0].raw["location"] == {"latitude": 1.5, "longitude": 2.5}
    with refused(server, "Bad Request: wrong coordinates specified"):
        await bot.send_location(alice.id, 91, 0)
