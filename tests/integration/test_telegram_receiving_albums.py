"""Albums come as one message, however their parts came in, and no part is acknowledged before all are stored."""

from __future__ import annotations

import pytest

from bridge_mcp.channels.telegram.bot.settings import Patience
from bridge_mcp.core.errors import StoreError
from tests.integration.telegram_receiving import QUICK, Box, channel_on, receiving
from tests.servers.telegram import TelegramServer, User

PATIENT = Patience(first=0.01, most=0.02, album_look=0.01, album_quiet=60.0)
"""Parts may take long, so that it is never the time that ends an album."""


async def part(ann: User, caption: str = "", album: str = "a", kind: str = "photo") -> None:
    await ann.sends_file(ann.dm, kind, caption=caption, album=album)


async def acknowledged(server: TelegramServer) -> None:
    await server.until(lambda: server.pending == 0 and server.polling, "everything acknowledged")


async def looked_at(server: TelegramServer) -> None:
    """Wait until polls brought what there is, twice."""
    before = len(server.calls("getUpdates"))
    await server.until(lambda: len(server.calls("getUpdates")) >= before + 3)


@pytest.mark.shows("chats.albums")
async def test_an_album_is_one_message_with_all_its_files_and_captions() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends_album(ann.dm, [("photo", None, "one"), ("video", None, ""), ("photo", None, "three")])
        async with receiving(channel_on(server), box):
            (album,) = await box.hears(1)
            await acknowledged(server)
        assert album.text == "one\nthree"
        assert [each.kind for each in album.attachments] == ["image", "video", "image"]
        assert album.key == "1"
        assert box.place == (album.offset or 0) == 100_000_003


async def test_parts_of_several_polls_are_joined_and_held_until_all_are_there() -> None:
    async with TelegramServer() as server:
        ann, bob, box = server.user("Ann"), server.user("Bob"), Box()
        await bob.sends(bob.dm, "before")
        async with receiving(channel_on(server, patience=PATIENT), box):
            await box.hears(1)
            await part(ann, "one")
            await looked_at(server)
            await bob.sends(bob.dm, "meanwhile")
            await box.hears(2)
            assert box.place == 100_000_001, "the place stands before the album"
            await part(ann, "two")
            await looked_at(server)
            assert server.pending >= 3, "nothing of the album is acknowledged, nor what came after it"
            await ann.sends(ann.dm, "after")
            await box.hears(4)
            await acknowledged(server)
        assert box.texts == ["before", "meanwhile", "one\ntwo", "after"]
        assert box.place == 100_000_005


async def test_a_crash_in_the_middle_of_an_album_loses_nothing() -> None:
    async with TelegramServer() as server:
        ann, bob, box = server.user("Ann"), server.user("Bob"), Box()
        async with receiving(channel_on(server, patience=PATIENT), box):
            await part(ann, "one")
            await looked_at(server)
            await bob.sends(bob.dm, "meanwhile")
            await box.hears(1)
        assert box.place is None
        await part(ann, "two")
        async with receiving(channel_on(server), box):
            await acknowledged(server)
        assert [text for text in box.texts if text != "meanwhile"] == ["one\ntwo"]
        assert box.texts.count("meanwhile") == 2
        assert len({each.key for each in box.heard}) == 2, "what came twice has one key"


async def test_an_album_that_could_not_be_stored_is_not_forgotten() -> None:
    async with TelegramServer() as server:
        ann, bob, box = server.user("Ann"), server.user("Bob"), Box()
        box.fails = [StoreError("full")] * 3
        await part(ann, "one")
        await part(ann, "two")
        await ann.sends(ann.dm, "after")
        await bob.sends(bob.dm, "other")
        async with receiving(channel_on(server, patience=PATIENT), box):
            await acknowledged(server)
        assert box.texts == ["one\ntwo", "after", "other"]
        assert box.place == 100_000_004


async def test_as_many_parts_as_there_can_be_are_whole_at_once() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        await ann.sends_album(ann.dm, [("photo", None, f"{number}") for number in range(10)])
        async with receiving(channel_on(server, patience=PATIENT), box):
            (album,) = await box.hears(1)
        assert len(album.attachments) == 10


@pytest.mark.parametrize("patience", [QUICK, PATIENT])
async def test_two_albums_one_after_the_other_stay_two(patience: Patience) -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        for album in ("a", "a", "b", "b"):
            await part(ann, album, album)
        await ann.sends(ann.dm, "end")
        async with receiving(channel_on(server, patience=patience), box):
            await acknowledged(server)
        assert box.texts == ["a\na", "b\nb", "end"]


async def test_an_album_in_a_group_is_for_us_if_one_caption_says_so() -> None:
    async with TelegramServer(privacy=False) as server:
        ann, box = server.user("Ann"), Box()
        crew = server.group("Crew", [ann])
        await ann.sends_album(crew, [("photo", None, ""), ("photo", None, "look @loopback_test_bot")])
        async with receiving(channel_on(server), box):
            (album,) = await box.hears(1)
        assert (album.group, album.addressed, len(album.attachments)) == (True, True, 2)


async def test_an_edited_caption_is_an_edit_of_its_part() -> None:
    async with TelegramServer() as server:
        ann, box = server.user("Ann"), Box()
        async with receiving(channel_on(server), box):
            first, _ = await ann.sends_album(ann.dm, [("photo", None, "one"), ("photo", None, "")])
            await box.hears(1)
            await ann.edits(first, "uno")
            _, edit = await box.hears(2)
        assert (edit.key, edit.text, bool(edit.edit)) == (box.heard[0].key, "uno", True)
