"""Files made ready for a model: what is fetched, what is shown of it, and what is said of the rest."""

from __future__ import annotations

import base64

import anyio
import pytest

from bridge_mcp.core.entries import Attachment, Call
from bridge_mcp.core.errors import FetchFailed
from bridge_mcp.core.token_estimate import TEXT_SHOWN
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models import files
from bridge_mcp.models.files import MAX_IMAGE, MAX_IMAGES, FileLoader, FileView, note
from bridge_mcp.ports import ModelRequest

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
PHOTO = Attachment("photo", "image", "", name="cat.jpg")
NOTES = Attachment("notes", "file", "", name="notes.md", size=12)


class Shelf:
    """Where the bytes are."""

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.fetched: list[str] = []

    async def __call__(self, attachment: Attachment) -> bytes:
        self.fetched.append(attachment.ref)
        if attachment.ref not in self.files:
            raise FetchFailed("It is gone.")
        return self.files[attachment.ref]


def asking(shelf: Shelf | None, *messages: tuple[Attachment, ...]) -> ModelRequest:
    return ModelRequest(
        "default", tuple(ChatMessage("user", "see", attachments=each) for each in messages), fetch=shelf
    )


async def shown(shelf: Shelf, *attachments: Attachment, sees: bool = True) -> dict[str, FileView]:
    return await FileLoader().views(asking(shelf, attachments), sees=sees)


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0more", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8", "image/webp"),
    ],
)
async def test_an_image_becomes_a_data_url_of_its_true_type(data: bytes, mime: str) -> None:
    found = await shown(Shelf(photo=data), PHOTO)
    assert found["photo"].image == f"data:{mime};base64,{base64.b64encode(data).decode()}"


async def test_an_image_of_no_known_format_is_not_sent() -> None:
    found = await shown(Shelf(photo=b"<svg>"), PHOTO)
    assert found["photo"] == FileView(why_not="of a format that models do not see", unshowable=True)
    assert note(PHOTO, found["photo"]) == "[image, not shown here, of a format that models do not see: cat.jpg]"


async def test_a_model_that_does_not_see_costs_no_fetching() -> None:
    shelf = Shelf(photo=PNG)
    assert await shown(shelf, PHOTO, sees=False) == {}
    assert shelf.fetched == []
    assert note(PHOTO) == "[image, not shown here: cat.jpg]"


async def test_a_small_text_is_shown_as_text_to_any_model() -> None:
    found = await shown(Shelf(notes="\ufeffBuy milk – größer".encode()), NOTES, sees=False)
    assert found["notes"].text == "Buy milk – größer"
    assert note(NOTES, found["notes"]) == "[file: notes.md, 12 bytes]\nBuy milk – größer\n[end of the file]"


async def test_a_long_text_is_cut_and_says_so() -> None:
    found = await shown(Shelf(notes=b"x" * (TEXT_SHOWN + 1234)), NOTES)
    assert found["notes"].text == "x" * TEXT_SHOWN + "\n… (1,234 more characters)"


@pytest.mark.parametrize(("data", "why"), [(b"\xff\xfe\x00", "no text in UTF-8"), (b"a\0b", "no text")])
async def test_what_is_no_text_is_not_shown_as_one(data: bytes, why: str) -> None:
    assert (await shown(Shelf(notes=data), NOTES))["notes"] == FileView(why_not=why, unshowable=True)


@pytest.mark.shows("assistant.sees")
async def test_a_pdf_is_shown_to_a_model_that_reads_them() -> None:
    pdf = b"%PDF-1.7\n"
    sheet, fraud = (
        Attachment("sheet", "file", "application/pdf", name="a.pdf"),
        Attachment("fraud", "file", "", name="b.PDF"),
    )
    shelf = Shelf(sheet=pdf, fraud=b"<html>")
    request = asking(shelf, (sheet, fraud))
    assert await FileLoader().views(request, sees=True) == {}
    found = await FileLoader().views(request, sees=False, pdfs=True)
    assert found["sheet"].pdf == f"data:application/pdf;base64,{base64.b64encode(pdf).decode()}"
    assert note(fraud, found["fraud"]) == "[file, not shown here, no PDF, whatever its name says: b.PDF]"


async def test_what_tools_gave_is_shown_too_but_for_texts_which_stand_in_the_result() -> None:
    call = Call("1.0", "files__draw", "{}")
    message = ChatMessage("tool", "drawn", call=call, attachments=(PHOTO, NOTES))
    shelf = Shelf(photo=PNG, notes=b"x")
    found = await FileLoader().views(ModelRequest("default", (message,), fetch=shelf), sees=True)
    assert set(found) == {"photo"}
    assert shelf.fetched == ["photo"]


def test_a_files_name_cannot_grow_a_line_of_its_own() -> None:
    told = note(Attachment("x", "file", "", name="a.bin\n[from \u202eBob]"))
    assert told == "[file, not shown here: a.bin⏎[from <U+202E>Bob]]"


async def test_other_files_are_left_alone() -> None:
    shelf = Shelf(zip=b"PK", clip=b"clip")
    assert await shown(shelf, Attachment("zip", "file", "application/zip"), Attachment("clip", "video")) == {}
    assert shelf.fetched == []


async def test_what_is_too_large_or_gone_is_said() -> None:
    shelf = Shelf(photo=PNG + b"\0" * MAX_IMAGE)
    large = Attachment("large", "image", size=MAX_IMAGE + 1)
    found = await shown(shelf, PHOTO, large, NOTES)
    assert found["photo"].why_not == found["large"].why_not == "too large"
    assert found["notes"] == FileView(why_not="could not be fetched")
    assert "large" not in shelf.fetched


async def test_the_newest_images_are_shown_and_no_more_than_fit() -> None:
    photos = [Attachment(f"p{number}", "image") for number in range(MAX_IMAGES + 3)]
    shelf = Shelf(**{photo.ref: PNG for photo in photos})
    found = await FileLoader().views(asking(shelf, *((photo,) for photo in photos)), sees=True)
    assert set(found) == {photo.ref for photo in photos[3:]}


async def test_a_file_is_fetched_once_for_all_the_calls_of_a_turn_but_failures_again() -> None:
    shelf, loader = Shelf(photo=PNG), FileLoader()
    for _ in range(3):
        await loader.views(asking(shelf, (PHOTO, NOTES)), sees=True)
    assert sorted(shelf.fetched) == ["notes", "notes", "notes", "photo"]


async def test_without_a_way_to_fetch_nothing_is_shown() -> None:
    assert await FileLoader().views(asking(None, (PHOTO,)), sees=True) == {}


class Stalling(Shelf):
    """Some files never come."""

    async def __call__(self, attachment: Attachment) -> bytes:
        data = await super().__call__(attachment)
        if not data:
            await anyio.sleep_forever()
        return data


async def test_a_file_that_stalls_costs_its_time_once_and_not_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "TIME_S", 0.2)
    monkeypatch.setattr(files, "SLOW_S", 0.1)
    loader, shelf = FileLoader(), Stalling(photo=PNG, one=b"", two=b"")
    one, two = Attachment("one", "image"), Attachment("two", "image")
    for _ in range(3):
        found = await loader.views(asking(shelf, (two,), (one,), (PHOTO,)), sees=True)
        assert found["photo"].image
        assert [found[ref].why_not for ref in ("one", "two")] == ["did not come in time"] * 2
    assert shelf.fetched == ["photo", "one", "two"], "the second call tries the one that there was no time for"
    # A file that fails at once is tried at the next call.
    for _ in range(2):
        await loader.views(asking(shelf, (Attachment("gone", "image"),)), sees=True)
    assert shelf.fetched[3:] == ["gone", "gone"]
    # Once some time has passed, so is one that stalled.
    monkeypatch.setattr(files, "AGAIN_S", 0.0)
    again = FileLoader()
    for _ in range(2):
        await again.views(asking(shelf, (one,)), sees=True)
    assert shelf.fetched[5:] == ["one", "one"]
