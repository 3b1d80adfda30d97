"""Nested servers over Streamable HTTP, in both protocol eras: processes on loopback, killed, restarted, guarded."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import httpx2
import pytest

from bridge_mcp.core.errors import ToolFailed, ToolUncertain
from bridge_mcp.toolservers.http_transport import RETURN_S
from bridge_mcp.toolservers.settings import ToolServer
from tests.servers.launch import eventually, lines_of, module, opened, running_on_loopback

both_eras = pytest.mark.parametrize("era", [(), ("--old",)], ids=["newer era", "older era"])
every_way = pytest.mark.parametrize("era", [(), ("--old",), ("--sse",)], ids=["newer era", "older era", "sse"])


@both_eras
async def test_answers_come_over_http_whatever_their_size(era: tuple[str, ...]) -> None:
    async with running_on_loopback(*era) as server, opened(server.settings(headers={"X-Who": "the bridge"})) as at:
        assert await at.text("echo", text="é", times=2) == "éé"
        assert await at.text("header", name="x-who") == "the bridge"
        assert (await at.box.call(at.spec("point"), {"x": 1, "y": 2})).structured == '{"x":1,"y":2}'
        assert "3,000,000 bytes: left out" in await at.text("big_picture", size=3_000_000)
        failed = await at.box.call(at.spec("fails"), {})
        assert failed.is_error


@every_way
async def test_list_changes_come_over_http(era: tuple[str, ...]) -> None:
    async with running_on_loopback(*era) as server, opened(server.settings()) as at:
        count = len(at.box.tools())
        await at.box.call(at.spec("grow"), {"name": "sprout"})
        await at.until(lambda: len(at.box.tools()) == count + 1)
        assert await at.text("sprout") == "grown"


@every_way
async def test_cancelling_goes_over_http(era: tuple[str, ...], tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    async with running_on_loopback(*era, "--effects", str(effects)) as server, opened(server.settings()) as at:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(at.text, "hang")
            await eventually(lambda: lines_of(effects) == ["hang"])
            tasks.cancel_scope.cancel()
        await eventually(lambda: lines_of(effects) == ["hang", "cancelled"])
        assert await at.text("echo", text="still here") == "still here"
        assert at.box.status()[0].restarts == 0


@both_eras
async def test_a_server_that_dies_unasked_is_noticed_and_found_again(era: tuple[str, ...]) -> None:
    async with running_on_loopback(*era) as server, opened(server.settings(), module("wild", "chatter")) as at:
        echo = at.spec("echo")
        await server.kill()
        await at.until(lambda: f"{server.url}: cannot be reached" in at.error("web"))
        assert at.state("web") == "degraded"
        with pytest.raises(ToolFailed, match=r"'web' is not connected: .*cannot be reached") as error:
            await at.box.call(echo, {"text": "anybody?"})
        assert not isinstance(error.value, ToolUncertain)
        assert await at.text("stay") == "stayed"
        await server.start()
        assert (await at.box.call(echo, {"text": "here"})).text == "here"
        assert at.state("web") == "ready"


@every_way
async def test_a_server_that_dies_in_mid_call_leaves_it_uncertain(era: tuple[str, ...], tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    async with running_on_loopback(*era, "--effects", str(effects)) as server, opened(server.settings()) as at:

        async def hang() -> None:
            with pytest.raises(ToolUncertain, match="'hang' was running; it may have taken effect"):
                await at.text("hang")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hang)
            await eventually(lambda: lines_of(effects) == ["hang"])
            await server.kill()


@pytest.mark.shows("tool-servers.comes-back")
@both_eras
async def test_a_restart_between_calls_goes_unseen(era: tuple[str, ...], tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    async with running_on_loopback(*era, "--effects", str(effects)) as server, opened(server.settings()) as at:
        trace = at.spec("leave_trace")
        await at.box.call(trace, {"line": "one"})
        await server.kill()
        await server.start()
        await at.box.call(trace, {"line": "two"})
        assert lines_of(effects) == ["one", "two"]


async def test_a_server_of_the_older_kind_is_found_by_its_address_and_again_after_a_restart() -> None:
    async with running_on_loopback("--sse") as server, opened(server.settings(), module("wild", "chatter")) as at:
        assert await at.text("echo", text="é", times=2) == "éé"
        await server.kill()
        await at.until(lambda: at.state("web") == "degraded")
        assert await at.text("stay") == "stayed"
        await server.start()
        await at.until(lambda: at.state("web") == "ready")
        assert await at.text("echo", text="here") == "here"


async def test_a_session_that_the_server_forgot_is_replaced(tmp_path: Path) -> None:
    effects = tmp_path / "effects"
    async with running_on_loopback("--old", "--effects", str(effects)) as server, opened(server.settings()) as at:
        await at.text("leave_trace", line="one")
        async with httpx2.AsyncClient() as web:
            await web.post(f"{server.url}/forget")
        await at.text("leave_trace", line="two")
        assert lines_of(effects) == ["one", "two"]
        assert at.box.status()[0].restarts == 1


async def test_a_guarded_server_takes_the_token_and_shows_it_to_nobody() -> None:
    async with running_on_loopback("--token", "open-sesame") as server:
        right = server.settings(headers={"Authorization": "Bearer open-sesame"})
        wrong = ToolServer("wrong", url=server.url, headers={"Authorization": "Bearer close-sesame"})
        async with opened(right, wrong) as at:
            assert (at.state("web"), at.state("wrong")) == ("ready", "degraded")
            assert "HTTP 401 Unauthorized. " in at.error("wrong")
            assert "headers in [tool_servers.wrong]" in at.error("wrong")
        assert "sesame" not in repr((right, wrong))


async def test_a_wrong_path_is_told() -> None:
    async with running_on_loopback() as server, opened(ToolServer("web", url=f"{server.url}/no")) as at:
        assert "HTTP 404 Not Found. Start the server, or correct url" in at.error("web")


@pytest.mark.parametrize(
    ("status", "error"), [("403", ToolFailed), ("429", ToolFailed), ("502", ToolUncertain), ("504", ToolUncertain)]
)
async def test_the_status_says_whether_a_call_can_have_run(status: str, error: type[ToolFailed]) -> None:
    async with running_on_loopback("--calls", status) as server, opened(server.settings()) as at:
        with pytest.raises(error, match=f"HTTP {status}") as raised:
            await at.text("leave_trace", line="x")
        assert type(raised.value) is error
        assert at.box.status()[0].restarts == 0


@pytest.mark.parametrize("way", [(), ("--stream",), ("--sse",)], ids=["json", "streams", "sse"])
async def test_a_tool_that_is_none_spoils_no_other(way: tuple[str, ...]) -> None:
    async with running_on_loopback("bad-tools", *way, module="wild_web") as server, opened(server.settings()) as at:
        assert [spec.tool for spec in at.box.tools()] == ["go", "odd schema", "stay"]
        assert at.state("web") == "ready"
        assert "'no schema' (inputSchema: Field required), 'wrong hints' (annotations.readOnlyHint:" in at.error("web")
        assert await at.text("odd schema", n=1) == 'odd schema {"n": 1}'


@pytest.mark.parametrize("way", [(), ("--packed",)], ids=["plain", "packed"])
async def test_an_answer_without_an_end_is_cut_off_and_the_call_has_run(way: tuple[str, ...]) -> None:
    async with running_on_loopback("plain", *way, module="wild_web") as server, opened(server.settings()) as at:
        result = await at.box.call(at.spec("go"), {})
        assert (result.is_error, result.truncated) == (True, True)
        assert result.text == (
            "It ran, but it gave an answer of more than the 33,554,432 bytes that are taken. Ask for less at once."
        )
        assert await at.text("stay") == "stay {}"
        assert at.box.status()[0].restarts == 0


@pytest.mark.parametrize(("way", "why"), [("--stream", "byte limit"), ("--sse", "event stream ended")])
async def test_an_event_without_an_end_is_cut_off_and_the_call_is_uncertain(way: str, why: str) -> None:
    async with running_on_loopback("plain", way, module="wild_web") as server, opened(server.settings()) as at:
        with pytest.raises(ToolUncertain, match=f"may have taken effect .*{why}"):
            await at.box.call(at.spec("go"), {})
        assert await at.text("stay") == "stay {}"


async def test_a_server_that_ends_its_streams_and_wants_them_again_at_once_is_not_asked_without_a_pause() -> None:
    async with (
        running_on_loopback("streams", "--restless", module="wild_web") as server,
        opened(server.settings()) as at,
    ):
        began, streams = time.monotonic(), 0
        while streams < 4:
            streams = int(await at.text("streams"))
            await anyio.sleep(0.02)
        assert time.monotonic() - began > 3 * RETURN_S / 2
        assert streams < 8


@pytest.mark.parametrize("way", [(), ("--stream",), ("--sse",)], ids=["json", "event stream", "sse"])
async def test_odd_answers_come_as_they_do_over_pipes(way: tuple[str, ...]) -> None:
    """The call has run: half a character and a number that JSON does not know are replaced, a deep answer is told."""
    async with running_on_loopback("odd", *way, module="wild_web") as server, opened(server.settings()) as at:
        assert await at.text("half") == "a\ufffdb"
        assert (await at.box.call(at.spec("infinite"), {})).structured == '{"n":"Infinity"}'
        deep = await at.box.call(at.spec("deep"), {})
        assert (deep.is_error, deep.truncated) == (True, True)
        assert "nested more than 200 levels deep" in deep.text
        assert await at.text("stay") == "stay {}"
        assert at.box.status()[0].restarts == 0
