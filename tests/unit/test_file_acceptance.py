"""Files that a model refuses, and what may be text."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest

from bridge_mcp.core.attachments import is_text
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import ModelFailed
from bridge_mcp.core.transcript import ChatMessage
from bridge_mcp.models.capabilities import CapabilityAdapter
from bridge_mcp.models.files import FileLoader, FileView, text_of
from bridge_mcp.models.model_info import UNKNOWN, ModelInfo
from bridge_mcp.models.settings import ModelSettings
from bridge_mcp.ports import ModelReply, ModelRequest, OnText

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
GOOD, BAD = Attachment("good", "image", "", name="cat.png"), Attachment("bad", "image", "", name="tall.png")


class Picky:
    """A model that takes one picture and not the other."""

    def __init__(self) -> None:
        self.shown: list[set[str]] = []

    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, views: Mapping[str, FileView] | None = None
    ) -> ModelReply:
        seen = {ref for ref, each in (views or {}).items() if each.image}
        self.shown.append(seen)
        if "bad" in seen:
            raise ModelFailed("too tall", permanent=True, kind="bad_request")
        return ModelReply("a cat")

    async def known(self) -> ModelInfo:
        return UNKNOWN

    async def warm(self) -> None: ...

    async def close(self) -> None: ...


def asking(fetched: list[str], *files: Attachment) -> ModelRequest:
    async def fetch(attachment: Attachment) -> bytes:
        fetched.append(attachment.ref)
        return PNG

    return ModelRequest("default", (ChatMessage("user", "what is it?", attachments=files),), fetch=fetch)


def test_a_picture_that_the_model_refuses_is_left_out_told_once_and_not_fetched_again() -> None:
    async def main() -> None:
        picky, fetched = Picky(), list[str]()
        model = CapabilityAdapter(ModelSettings("default", "openai/m", vision=True), picky, FileLoader())
        assert (await model.reply(asking(fetched, GOOD))).text == "a cat"
        refused = await model.reply(asking(fetched, GOOD, BAD))
        assert refused.text == "a cat\n\n(tall\\.png could not be looked at: the model does not take it.)"
        assert (await model.reply(asking(fetched, GOOD, BAD))).text == "a cat"
        assert picky.shown == [{"good"}, {"good", "bad"}, {"good"}, {"good"}]
        assert fetched == ["good", "bad"]

    anyio.run(main)


def test_a_refusal_that_no_picture_explains_stays_one() -> None:
    async def main() -> None:
        model = CapabilityAdapter(ModelSettings("default", "openai/m", vision=True), Picky(), FileLoader())
        await model.reply(asking([], GOOD))
        broken = CapabilityAdapter(ModelSettings("default", "openai/m", vision=True), Refusing(), FileLoader())
        with pytest.raises(ModelFailed, match="never"):
            await broken.reply(asking([], GOOD))

    anyio.run(main)


class Refusing(Picky):
    async def reply(
        self, request: ModelRequest, on_text: OnText | None = None, views: Mapping[str, FileView] | None = None
    ) -> ModelReply:
        raise ModelFailed("never", permanent=True, kind="bad_request")


@pytest.mark.parametrize(
    ("name", "mime", "text"),
    [
        ("app.ts", "video/mp2t", True),
        ("run.sh", "application/x-sh", True),
        ("Dockerfile", "", True),
        ("x.rs", "application/octet-stream", True),
        ("main.go", "", True),
        ("photo.zip", "application/zip", False),
        ("clip.mp4", "video/mp4", False),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", False),
    ],
)
def test_a_small_file_may_be_text_whatever_its_type(name: str, mime: str, text: bool) -> None:
    kind = "video" if mime.startswith("video") else "file"
    assert is_text(Attachment("r", kind, mime, name=name, size=300)) is text
    assert not is_text(Attachment("r", "file", "application/octet-stream", name="big.bin", size=5_000_000))


def test_utf_16_is_read_and_older_encodings_are_named() -> None:
    table = "имя;цена\nхлеб;30\n"
    assert text_of(table.encode("utf-16")).text == text_of(table.encode("utf-8-sig")).text == table
    for encoding in ("cp1251", "koi8-r"):
        assert "older encoding" in text_of(table.encode(encoding)).why_not
    assert text_of(b"PK\x03\x04\x00\x00").why_not == "no text"
