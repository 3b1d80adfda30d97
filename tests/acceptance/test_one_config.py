"""Host, command line and service share one state: what the engine runs holds for all, and a difference is told."""

from __future__ import annotations

import re

import anyio
import pytest

from tests.acceptance.parts import WAIT_S, Face, Home, face, stay

SERVICE = """
[channels.desk]
type = "local"
[channels.family]
type = "telegram"
token_env = "FAMILY_TOKEN"
[tool_servers.far]
url = "http://127.0.0.1:9/mcp"
token_env = "FAR_TOKEN"
[clients.desk]
token_env = "DESK_TOKEN"
"""


@pytest.mark.shows("cli.one-state")
async def test_commands_go_by_the_channels_of_the_engine_from_any_folder_and_without_secrets(home: Home) -> None:
    service = home.work / "service.toml"
    service.write_text(SERVICE, "utf-8")
    home.write('[channels.mine]\ntype = "local"\n')
    async with face(home, "--config", str(service)) as host:
        await host.engine_pid()
        said = home.done("say", "desk/main", "from elsewhere")
        assert said.stdout.startswith("said  desk/main#0")
        assert said.stderr.startswith(f"note: The engine runs {service}, and this process read {home.config}")
        assert home.run("send", "desk/main", "an answer").startswith("sent  desk/main#1")
        assert "There is no channel 'mine'" in home.run("say", "mine/main", "nobody would answer", code=1)
        assert "is let in on family" in home.run("pair", "add", "family", "42")
        status = home.json("status")
        assert status["settings"] == str(service)
        assert [channel["name"] for channel in status["channels"]] == ["desk", "family"]
        told = "\n".join(status["warnings"])
        assert f"The engine runs {service}, and this process read {home.config}" in told
        assert "Channel family is stopped: The environment variable FAMILY_TOKEN is not set." in told
        assert "Tool server far is degraded: The environment variable FAR_TOKEN is not set." in told
        assert "clients.desk.token_env: The environment variable DESK_TOKEN is not set." in told
        assert re.search(r"far: degraded, 0 tools, in the settings of the engine", home.run("servers", "list"))
        service.write_text(f"{SERVICE}\n# changed", "utf-8")
        told = "\n".join(home.json("status", "--config", str(service))["warnings"])
        assert f"{service} has changed since the engine read it" in told
        assert "Restart what started it, such as an MCP host" in told
        mine = await host.call("get_status")
        assert (mine["engine"], mine["settings"]) == ("running", str(service))
        assert not [warning for warning in mine["warnings"] if "engine" in warning]
    assert home.run("say", "mine/main", "without an engine, the own file holds").startswith("said  mine/main#0")


async def test_who_stands_by_goes_by_the_engine_and_as_the_engine_by_its_own_file(home: Home) -> None:
    other = home.work / "other.toml"
    other.write_text('[channels.theirs]\ntype = "local"\n', "utf-8")
    home.write('[channels.mine]\ntype = "local"\n')
    async with anyio.create_task_group() as tasks:
        first: Face = await tasks.start(stay, home, "--config", str(other))
        pid = await first.engine_pid()
        async with face(home) as second:
            await channels_are(second, "theirs")
            first.leave()
            await second.engine_pid(other_than=pid)
            await channels_are(second, "mine")


async def channels_are(face: Face, *names: str) -> None:
    """Wait until a face goes by these channels."""
    with anyio.fail_after(WAIT_S):
        while True:
            if [each["name"] for each in (await face.call("list_channels"))["channels"]] == list(names):
                return
            await anyio.sleep(0.1)


async def test_the_first_status_of_the_process_that_becomes_the_engine_is_that_it_starts(home: Home) -> None:
    async with face(home) as host:
        first = await host.call("get_status")
        assert first["engine"] in ("starting", "running")
        assert "No engine is running" not in str(first["warnings"])
        await host.engine_pid()
        assert (await host.call("get_status"))["engine"] == "running"
