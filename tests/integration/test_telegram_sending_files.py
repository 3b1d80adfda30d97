"""Files to the loopback Telegram: each in its form, albums, captions, and what is done when one is refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from bridge_mcp.core.entries import Button
from bridge_mcp.core.errors import SendFailed
from bridge_mcp.ports import Edit, Outgoing, Upload
from tests.integration.telegram_chats import Rig, rig
from tests.servers.telegram import Fault, TelegramServer, png

pytestmark = pytest.mark.anyio
YES = (Button("Yes", "yes"),)


@pytest.fixture
async def chats() -> AsyncGenerator[Rig]:
    async with TelegramServer() as server, rig(server) as made:
        yield made


def picture(name: str = "p.png") -> Upload:
    return Upload("image", name, "image/png", data=png())


def film(name: str = "v.mp4") -> Upload:
    return Upload("video", name, "video/mp4", data=b"film")


def note(name: str = "n.txt") -> Upload:
    return Upload("file", name, "text/plain", data=b"note")


@pytest.mark.parametrize(
    ("upload", "kind"),
    [
        (Upload("image", "a.png", data=png()), "photo"),
        (Upload("image", "a", data=png()), "photo"),
        (Upload("image", "a.gif", data=b"GIF89a..........."), "animation"),
        (Upload("image", "a.svg", "image/svg+xml", data=b"<svg/>"), "document"),
        (Upload("audio", "a.mp3", "audio/mpeg", data=b"mp3"), "audio"),
        (Upload("audio", "a", data=b"mp3"), "audio"),
        (Upload("audio", "a.ogg", "audio/ogg; codecs=opus", data=b"ogg"), "voice"),
        (Upload("audio", "a.flac", "audio/flac", data=b"flac"), "document"),
        (Upload("video", "a.mp4", "video/mp4", data=b"mp4"), "video"),
        (Upload("video", "a.webm", "video/webm", data=b"webm"), "document"),
        (Upload("file", "a.png", "image/png", data=png()), "document"),
    ],
)
async def test_each_kind_in_its_form(chats: Rig, upload: Upload, kind: str) -> None:
    await chats.send(Outgoing(chats.dm, "", (upload,)))
    (message,) = chats.messages
    (file,) = message.files
    assert (message.kind, file.kind, file.data) == (kind, kind, upload.data)


async def test_names_and_media_types_are_kept(chats: Rig, tmp_path: Path) -> None:
    path = tmp_path / "on-disk.bin"
    path.write_bytes(b"bytes of a file")
    uploads = (
        Upload("file", "report für Ann.xyz", "application/x-thing", path=path),
        Upload("file", "plain.txt", data=b"text"),
    )
    await chats.send(Outgoing(chats.dm, "", uploads))
    files = [message.files[0] for message in chats.messages]
    assert [(file.name, file.mime, file.data) for file in files] == [
        ("report für Ann.xyz", "application/x-thing", b"bytes of a file"),
        ("plain.txt", "text/plain", b"text"),
    ]


async def test_a_short_text_is_the_caption(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "See **this**", (note(),), buttons=YES))
    (message,) = chats.messages
    assert (message.kind, message.text, message.labels) == ("document", "See this", ["Yes"])
    assert message.entity_texts("bold") == ["this"]


async def test_a_long_text_goes_before_the_file(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "word " * 300, (note(),), buttons=YES))
    assert [(message.kind, message.labels) for message in chats.messages] == [("text", []), ("document", ["Yes"])]
    assert chats.texts == [("word " * 300).strip(), ""]


async def test_several_files_have_the_text_above(chats: Rig) -> None:
    heard = await chats.alice.sends(chats.alice.dm, "two, please")
    await chats.send(Outgoing(chats.dm, "Two:", (note("1"), note("2")), reply_to=str(heard.message_id), silent=True))
    assert [message.kind for message in chats.messages] == ["text", "document", "document"]
    assert [message.reply_to for message in chats.messages] == [heard.message_id, None, None]
    assert all(message.silent for message in chats.messages)


async def test_pictures_and_films_are_albums(chats: Rig) -> None:
    uploads = (*(picture(f"{number}.png") for number in range(9)), film(), picture(), note(), film(), picture())
    sent = await chats.send(Outgoing(chats.dm, "", uploads))
    assert len(sent) == len(uploads)
    albums = [message.album for message in chats.messages]
    assert len(set(albums[:10])) == 1
    assert albums[0]
    assert albums[10:12] == ["", ""]
    assert albums[12] == albums[13] != ""
    kinds = ["photo"] * 9 + ["video", "photo", "document", "video", "photo"]
    assert [message.kind for message in chats.messages] == kinds


async def test_an_album_has_one_caption(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "**Trip**", (picture(), film())))
    assert chats.texts == ["Trip", ""]
    assert chats.messages[0].entity_texts("bold") == ["Trip"]


async def test_below_an_album_nothing_can_hang_so_the_last_picture_goes_alone(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "Which?", (picture(), picture(), picture()), buttons=YES))
    text, first, second, last = chats.messages
    assert (text.text, text.labels) == ("Which?", [])
    assert first.album == second.album != ""
    assert (last.album, last.labels) == ("", ["Yes"])


async def test_files_that_telegram_has_are_sent_by_their_id(chats: Rig) -> None:
    heard = await chats.alice.sends_photo(chats.alice.dm)
    ref = heard.files[-1].file_id
    await chats.send(Outgoing(chats.dm, "yours", (Upload("image", "p.jpg", "image/jpeg", ref=ref),)))
    await chats.send(Outgoing(chats.dm, "", (Upload("image", "p.jpg", ref=ref), Upload("image", "p.jpg", ref=ref))))
    assert [message.kind for message in chats.messages] == ["photo"] * 3
    assert not any(call.uploads for call in chats.server.requests)


async def test_a_file_of_telegram_goes_as_what_it_is(chats: Rig) -> None:
    heard = await chats.alice.sends_file(chats.alice.dm, "voice")
    await chats.send(Outgoing(chats.dm, "", (Upload("audio", "v.mp3", ref=heard.files[0].file_id),)))
    assert chats.messages[0].kind == "voice"


@pytest.mark.parametrize("ref", ["pyproject.toml", "../../etc/passwd", "short", "https://example.com/picture.png"])
async def test_what_is_no_file_of_telegram_is_never_read_from_here(chats: Rig, ref: str) -> None:
    with pytest.raises(SendFailed, match="none that Telegram has") as failed:
        await chats.send(Outgoing(chats.dm, "", (Upload("file", "x", ref=ref),)))
    assert failed.value.retry_after_s is None
    assert [call.method for call in chats.server.requests] == ["getMe"]


async def test_a_file_here_that_has_the_name_of_an_id(
    chats: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "AgACAgQAAxkBAAIBZ2dsecret"
    (tmp_path / name).write_text("secret")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SendFailed, match="none that Telegram has"):
        await chats.send(Outgoing(chats.dm, "", (Upload("file", "x", ref=name),)))


async def test_files_that_cannot_be_sent_are_refused_before(chats: Rig, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(51 * 1024 * 1024)
    for upload, reason in (
        (Upload("file", "large.bin", path=large), r"'large.bin' has 51.0 MB.*at most 50 MB"),
        (Upload("file", "gone.bin", path=tmp_path / "gone.bin"), "cannot be read: No such file"),
        (Upload("file", "empty.bin", data=b""), "is empty"),
        (Upload("file", "nothing.bin"), "neither"),
    ):
        with pytest.raises(SendFailed, match=reason) as failed:
            await chats.send(Outgoing(chats.dm, "", (upload,)))
        assert failed.value.retry_after_s is None
        assert failed.value.fix
    assert [call.method for call in chats.server.requests] == ["getMe"]


async def test_a_picture_that_telegram_refuses_goes_as_a_document(chats: Rig) -> None:
    await chats.send(Outgoing(chats.dm, "wide", (Upload("image", "wide.png", data=png(10_000, 1)),), buttons=YES))
    (message,) = chats.messages
    assert (message.kind, message.text, message.labels) == ("document", "wide", ["Yes"])
    assert chats.server.calls("sendPhoto")[0].description.endswith("PHOTO_INVALID_DIMENSIONS")
    await chats.send(Outgoing(chats.dm, "", (Upload("image", "no-picture.png", data=b"not a picture"),)))
    assert chats.messages[-1].kind == "document"


async def test_a_picture_above_ten_megabytes_is_a_document_at_once(chats: Rig) -> None:
    data = png() + b"\0" * (10 * 1024 * 1024)
    await chats.send(Outgoing(chats.dm, "", (Upload("image", "big.png", data=data),)))
    assert chats.messages[0].kind == "document"
    assert chats.server.calls("sendPhoto") == []


async def test_an_album_with_a_refused_picture_goes_as_documents(chats: Rig) -> None:
    uploads = (picture("a.png"), Upload("image", "wide.png", data=png(10_000, 1)), film())
    await chats.send(Outgoing(chats.dm, "**Trip**", uploads))
    assert [message.kind for message in chats.messages] == ["document"] * 3
    assert [message.files[0].name for message in chats.messages] == ["a.png", "wide.png", "v.mp4"]
    assert chats.texts[0] == "Trip"


async def test_a_voice_that_somebody_does_not_want(chats: Rig) -> None:
    chats.server.fault(Fault.bad("VOICE_MESSAGES_FORBIDDEN"), "sendVoice")
    await chats.send(Outgoing(chats.dm, "", (Upload("audio", "v.ogg", "audio/ogg", data=b"ogg"),)))
    assert chats.messages[0].kind == "document"


async def test_a_caption_whose_marks_are_refused_goes_out_plain(chats: Rig) -> None:
    for method, uploads in (("sendDocument", (note(),)), ("sendMediaGroup", (picture(), picture()))):
        chats.server.fault(Fault.bad("can't parse entities: x"), method)
        await chats.send(Outgoing(chats.dm, "**bold**", uploads))
    assert chats.texts == ["bold", "bold", ""]
    assert chats.messages[0].entity_texts("bold") == []


async def test_what_else_is_wrong_with_a_file_is_told(chats: Rig) -> None:
    chats.server.fault(Fault.bad("file must be non-empty"), "sendDocument")
    chats.server.fault(Fault.bad("file must be non-empty"), "sendMediaGroup")
    for uploads in ((note(),), (picture(), picture())):
        with pytest.raises(SendFailed, match="the file is empty") as failed:
            await chats.send(Outgoing(chats.dm, "", uploads))
        assert failed.value.retry_after_s is None


async def test_an_edit_of_a_message_with_a_file_changes_its_caption(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "May I?", (note(),), buttons=YES))
    await chats.send(Edit(chats.dm, tuple(sent), "**Alice** said yes."))
    (message,) = chats.messages
    assert (message.kind, message.text, message.labels) == ("document", "Alice said yes.", [])
    assert await chats.send(Edit(chats.dm, tuple(sent), "**Alice** said yes.")) == sent


async def test_what_does_not_fit_into_a_caption_goes_below(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "short", (note(),)))
    text = "word " * 400
    made = await chats.send(Edit(chats.dm, tuple(sent), text, buttons=YES))
    assert made[0] == sent[0]
    assert " ".join(chats.texts).split() == text.split()
    assert [message.labels for message in chats.messages] == [[], ["Yes"]]
    assert chats.messages[1].reply_to == int(sent[0])


async def test_an_edit_leaves_files_and_takes_their_buttons(chats: Rig) -> None:
    sent = await chats.send(Outgoing(chats.dm, "word " * 300, (note(),), buttons=YES))
    for _ in range(2):
        await chats.send(Edit(chats.dm, tuple(sent), "done"))
        assert [(message.kind, message.text, message.labels) for message in chats.messages] == [
            ("text", "done", []),
            ("document", "", []),
        ]
