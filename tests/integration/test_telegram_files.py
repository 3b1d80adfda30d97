"""Files that came with messages: fetched when somebody wants them, never more than was asked for."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from msgspec import structs

from bridge_mcp.channels.telegram.bot.connections import BotConnections
from bridge_mcp.channels.telegram.bot.settings import TelegramSettings
from bridge_mcp.channels.telegram.receive.files import MAX_DOWNLOAD, fetch
from bridge_mcp.core.entries import Attachment
from bridge_mcp.core.errors import FetchFailed
from tests.integration.telegram_receiving import Box, channel_on, receiving
from tests.servers.telegram import Fault, Hold, Refusal, TelegramServer, User, bad_request

DATA = bytes(range(256)) * 400


async def sent(server: TelegramServer, data: bytes = DATA, ann: User | None = None) -> Attachment:
    """A document of Ann's, as it came in."""
    ann, box = ann or server.user("Ann"), Box()
    await ann.sends_file(ann.dm, "document", data, name="ä plan?.bin")
    async with receiving(channel_on(server), box):
        (message,) = await box.hears(1)
    (attachment,) = message.attachments
    return attachment


async def test_the_bytes_come_also_where_nobody_polls() -> None:
    async with TelegramServer() as server:
        attachment = await sent(server)
        channel = channel_on(server)
        assert await channel.fetch(attachment, len(DATA)) == DATA
        assert await channel.fetch(attachment, len(DATA)) == DATA, "again, over new connections"
        assert channel.health().state == "starting"


async def test_too_large_a_file_is_not_even_asked_for() -> None:
    async with TelegramServer() as server:
        attachment = await sent(server)
        with pytest.raises(FetchFailed, match="has 102,400 bytes; at most 102,399"):
            await channel_on(server).fetch(attachment, len(DATA) - 1)
        assert not server.calls("getFile")


async def test_the_size_that_the_server_says_counts_too() -> None:
    async with TelegramServer() as server:
        attachment = structs.replace(await sent(server), size=None)
        with pytest.raises(FetchFailed, match="at most 10 are"):
            await channel_on(server).fetch(attachment, 10)
        assert not server.calls("file")


async def test_what_turns_out_to_be_larger_is_cut_off_while_it_comes() -> None:
    async with TelegramServer() as server, anyio.create_task_group() as tasks:
        attachment, hold = await sent(server, b"tiny"), Hold()
        server.fault(Fault.held(before=hold), "file")

        async def fetched() -> None:
            with pytest.raises(FetchFailed, match="is larger; at most 1,000"):
                await channel_on(server).fetch(attachment, 1000)

        tasks.start_soon(fetched)
        await hold.reached()
        server.world.files.by_id[attachment.ref].data = DATA
        hold.release()


@pytest.mark.parametrize(
    ("said", "fault", "method"),
    [
        ("20 MB that Telegram lets bots download", Fault.refused(bad_request("file is too big")), "getFile"),
        ("not there any more", Fault.refused(bad_request("wrong file_id")), "getFile"),
        ("does not know the token", Fault.refused(Refusal(401, "Unauthorized")), "getFile"),
        ("answered 404", Fault.refused(Refusal(404, "Not Found")), "file"),
        ("answered 502", Fault.gateway(), "file"),
        ("cannot be reached", Fault.lost_before(), "getFile"),
        ("broke", Fault.cut(), "file"),
        ("broke", Fault.lost_before(), "file"),
    ],
)  # fmt: skip
async def test_what_goes_wrong_is_said_with_a_fix_and_without_the_token(said: str, fault: Fault, method: str) -> None:
    async with TelegramServer() as server:
        attachment = await sent(server)
        server.fault(fault, method)
        with pytest.raises(FetchFailed) as error:
            await channel_on(server).fetch(attachment, len(DATA))
        assert said in str(error.value)
        assert error.value.fix
        assert server.token not in str(error.value)


async def test_telegrams_own_limit_is_told_before_asking() -> None:
    large = Attachment("F", "video", "video/mp4", name="film.mp4", size=MAX_DOWNLOAD + 1)
    line = BotConnections(TelegramSettings("family", "1:planted"))
    with pytest.raises(FetchFailed, match=r"film\.mp4 is larger than the 20 MB") as error:
        await fetch(line, large, 10**9)
    assert "api_base_url" in error.value.fix


async def test_a_file_on_the_disk_of_a_server_of_ones_own(tmp_path: Path) -> None:
    async with TelegramServer(local_folder=tmp_path) as server:
        attachment = structs.replace(await sent(server, bytes(MAX_DOWNLOAD + 1)), size=None)
        channel = channel_on(server)
        assert len(await channel.fetch(attachment, MAX_DOWNLOAD + 1)) == MAX_DOWNLOAD + 1
        with pytest.raises(FetchFailed, match="at most 5"):
            await channel.fetch(attachment, 5)
        assert not server.calls("file")


async def test_a_disk_that_is_another_machines_is_told_of(tmp_path: Path) -> None:
    async with TelegramServer(local_folder=tmp_path) as server, anyio.create_task_group() as tasks:
        attachment, hold = await sent(server), Hold()
        server.fault(Fault.held(after=hold), "getFile")

        async def fetched() -> None:
            with pytest.raises(FetchFailed, match="where this process cannot read it"):
                await channel_on(server).fetch(attachment, len(DATA))

        tasks.start_soon(fetched)
        await hold.reached()
        _, path = server.world.files.path_of(attachment.ref)
        await anyio.Path(path).unlink()
        hold.release()


async def test_telegrams_own_server_names_no_file_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library would read a file of ours when a path that Telegram gives happens to be one."""
    async with TelegramServer() as server:
        attachment = await sent(server)
        _, path = server.world.files.path_of(attachment.ref)
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("ours")
        monkeypatch.chdir(tmp_path)
        assert await channel_on(server).fetch(attachment, len(DATA)) == DATA
