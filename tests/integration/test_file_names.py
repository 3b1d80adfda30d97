"""Names of files that others chose: with NUL, controls, paths, thousands of characters. All are answered in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.entries import Attachment, Posted, Sender
from bridge_mcp.core.errors import BadInput
from bridge_mcp.core.file_names import plain_name
from bridge_mcp.core.safe_text import hidden
from bridge_mcp.ports import ChannelRules, Outgoing, Pairing, Upload
from bridge_mcp.stores.files import FileFolder
from tests.integration.setup import ANN, HOST, World, rules_for, world
from tests.integration.telegram_chats import rig
from tests.servers.telegram import TelegramServer

CHAT = "family/7"
RELAY = {"local": ChannelRules("local", "relay"), "family": ChannelRules("family", "relay")}

ODD = ["a\0b.txt", "\0", "x" * 400, "deep/" * 900 + "a", "y" * 250 + "/a.txt", "~nobody-of-this-name/a.txt", "é" * 200]


async def paired(it: World) -> None:
    await it.store.access.pair(Pairing("family", "7"))


@pytest.mark.parametrize("name", ODD, ids=[ascii(each[:12]) for each in ODD])
async def test_an_odd_name_to_be_sent_is_refused_in_words(tmp_path: Path, name: str) -> None:
    (tmp_path / "box").mkdir()
    async with world(tmp_path / "state", rules=rules_for(channels=RELAY, outbox=(tmp_path / "box",))) as it:
        await paired(it)
        with pytest.raises(BadInput) as caught:
            await it.bridge.send_message(HOST, CHAT, "look", files=[name])
        assert "\0" not in str(caught.value)
        assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("ref", ["file:/box/a\0b", "file:/" + "x" * 400, "of:\0:\0", "kept:\0", "\0"])
async def test_an_odd_name_in_the_outbox_fails_its_message_and_no_other(tmp_path: Path, ref: str) -> None:
    async with world(tmp_path, rules=rules_for(channels=RELAY, outbox=(tmp_path,)), engine=False) as it:
        await paired(it)
        posted = Posted("look", Sender("host", "host", "client"), "k", files=(Attachment(ref, name="a\0b"),))
        await it.store.log.record(CHAT, posted)
    async with world(tmp_path, rules=rules_for(channels=RELAY, outbox=(tmp_path,))) as it:
        await it.events("message.failed")
        assert (await it.bridge.send_message(HOST, CHAT, "the next", wait_s=10)).status == "sent"


async def test_a_file_with_controls_in_its_name_goes_out_under_a_plain_one(tmp_path: Path) -> None:
    box = tmp_path / "box"
    box.mkdir()
    name = "a\n\x1b[2J\u202e.txt"
    (box / name).write_text("fine")
    async with world(tmp_path / "state", rules=rules_for(channels=RELAY, outbox=(box,))) as it:
        await paired(it)
        assert (await it.bridge.send_message(HOST, CHAT, "look", files=[name], wait_s=10)).status == "sent"
        (upload,) = it.family.sent[0].uploads
        assert (upload.name, upload.path) == ("a__[2J_.txt", box / name)


async def test_what_comes_in_is_kept_under_a_plain_name(tmp_path: Path) -> None:
    async with world(tmp_path, rules=rules_for(channels=RELAY)) as it:
        await paired(it)
        files = [
            Attachment("f1", "file", "text/plain\0", name="../../etc/pass\0wd\u202egpj.exe", size=5),
            Attachment("f2", "file", "x" * 10_000, name="n" * 100_000 + ".tar.gz", size=5),
        ]
        await it.family.receive("see", chat="7", sender=ANN, attachments=files)
        (message,) = (await it.bridge.read_messages(HOST, CHAT)).messages
        first, second = message.attachments
        assert (first.name, first.mime) == ("pass_wd_gpj.exe", "")
        assert (second.name[:3], second.name[-4:], second.mime) == ("nnn", "….gz", "")
        assert len(second.name.encode()) <= 200


@pytest.mark.parametrize("name", ["a\0b.txt", 'q"uo\r\nte; filename="x".txt', "../up.txt", "z" * 5_000 + ".txt"])
async def test_telegram_is_given_plain_names(name: str) -> None:
    async with TelegramServer() as server, rig(server) as chats:
        await chats.send(Outgoing(chats.dm, "", (Upload("file", name, "text/plain", data=b"note"),)))
        (file,) = chats.messages[0].files
        assert file.data == b"note"
        assert file.name == plain_name(name).replace('"', "%22"), "as HTML has it in forms"


async def test_what_a_tool_gave_is_kept_under_a_plain_name(tmp_path: Path) -> None:
    kept = await FileFolder(tmp_path).put(b"data", name="../x\0y.bin")
    assert kept.name == "x_y.bin"


@given(st.text(max_size=400))
def test_a_plain_name_is_one_that_a_disk_takes(name: str) -> None:
    plain = plain_name(name)
    assert len(plain.encode("utf-8", "replace")) <= 200
    assert not hidden(plain) & set("\0\n\r\t\x1b\u202e")
    assert os.sep not in plain
    assert plain_name(plain) == plain
