"""How nested servers come up, go away and come back, and that none of their processes outlives the bridge."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import anyio
import pytest

from bridge_mcp.assembly import WallClock
from bridge_mcp.core.errors import ToolFailed
from bridge_mcp.toolservers.orphan_reaper import Warden
from bridge_mcp.toolservers.settings import ToolServer
from bridge_mcp.toolservers.toolbox import NestedToolbox
from tests.servers.launch import PATIENCE_S, ROOT, alive, descendants, eventually, module, opened

pytestmark = pytest.mark.usefixtures("only_own_children")


async def test_tools_that_appear_later_are_there_later() -> None:
    async with opened(module("workbench")) as at:
        count = len(at.box.tools())
        await at.box.call(at.spec("grow"), {"name": "sprout"})
        await at.until(lambda: len(at.box.tools()) == count + 1)
        assert await at.text("sprout") == "grown"
        assert at.box.status()[0].tools == count + 1


async def test_a_slow_server_holds_nobody_up() -> None:
    async with NestedToolbox(
        [module("workbench", "--delay", "1.5"), module("wild", "chatter")], clock=WallClock()
    ) as box:
        await box.ready(frozenset({"wild"}), PATIENCE_S)
        slow, fast = box.status()
        assert (slow.state, slow.tools, fast.state, fast.tools) == ("connecting", 0, "ready", 2)
        with anyio.fail_after(1):
            await box.ready(frozenset({"workbench"}), 0.1)
        await box.ready(frozenset({"workbench", "no such server"}), PATIENCE_S)
        assert box.status()[0].state == "ready"


async def test_a_call_waits_for_a_server_that_is_still_starting() -> None:
    async with opened(module("wild", "chatter")) as first:
        stay = first.spec("stay")
    async with NestedToolbox([module("wild", "chatter")], clock=WallClock()) as box:
        assert (await box.call(stay, {})).text == "stayed"


@pytest.mark.parametrize(
    ("server", "said"),
    [
        pytest.param(
            ToolServer("bad", command="no-such-command"),
            r"command 'no-such-command' was not found\. Install it, or give its full path in \[tool_servers\.bad\]",
            id="no such command",
        ),
        pytest.param(
            ToolServer("bad", command=sys.executable, cwd="/no/such/folder"),
            r"The working folder '/no/such/folder' does not exist\. Correct cwd in \[tool_servers\.bad\]\.",
            id="no such folder",
        ),
        pytest.param(
            ToolServer("bad", command="/etc/hostname"),
            r"'/etc/hostname' cannot be started: .*(denied|format error).*\. Correct command in .*bad\]\.",
            id="not a program",
        ),
        pytest.param(
            module("wild", "exits_at_once", server="bad"),
            r"exited with code 7 before its tools were listed; .*: Error: no config file \| goodbye\. Run it",
            id="exits at once",
        ),
        pytest.param(
            module("wild", "silent", server="bad", connect_timeout_s=1),
            r"has not answered as an MCP server within 1 s; its last words: warming up\. .* connect_timeout_s",
            id="never answers",
        ),
        pytest.param(
            ToolServer("bad", command="echo", args=("hello",)),
            r"'echo' exited with code 0 .*; its last words: on stdout: hello\.",
            id="speaks no MCP",
        ),
        pytest.param(
            ToolServer("bad", url="http://user:pass-word@127.0.0.1:9/mcp?key=pass-word"),
            r"^http://127\.0\.0\.1:9/mcp: cannot be reached: .*\. Start the server, or correct url and headers in",
            id="nobody listens",
        ),
    ],
)
async def test_a_server_that_cannot_work_says_why_and_harms_no_other(server: ToolServer, said: str) -> None:
    async with opened(server, module("wild", "chatter")) as at:
        assert (at.state("bad"), at.state("wild")) == ("degraded", "ready")
        assert re.search(said, at.error("bad")), at.error("bad")
        assert "pass-word" not in at.error("bad") + repr(server)
        assert await at.text("stay") == "stayed"


@pytest.mark.shows("tool-servers.secrets")
async def test_secrets_of_a_server_are_in_no_error() -> None:
    server = ToolServer(
        "bad",
        command=sys.executable,
        args=("-c", "import os, sys; sys.exit('error: bad key ' + os.environ['KEY'])"),
        env={"KEY": "sk-1234567890"},
    )
    async with opened(server) as at:
        assert "error: bad key ***" in at.error("bad")
        assert "1234567890" not in repr(server)


async def test_a_server_that_comes_back_is_ready_again_and_its_tools_never_left() -> None:
    async with opened(module("workbench")) as at:
        tools = at.box.tools()
        process = int(await at.text("process_id"))
        os.kill(process, signal.SIGKILL)
        await at.until(lambda: at.state("workbench") == "degraded")
        assert re.search(r"was ended by signal 9\. It is started again\.", at.error("workbench"))
        assert at.box.tools() == tools
        await at.until(lambda: at.state("workbench") == "ready")
        assert at.box.status()[0].restarts == 1


async def test_a_call_does_not_wait_for_the_next_try_but_brings_it_about() -> None:
    async with opened(module("wild", "chatter")) as first:
        stay = first.spec("stay")
    async with opened(module("wild", "exits_at_once"), pause_s=3600) as at:
        assert at.box.status()[0].restarts == 0
        with pytest.raises(ToolFailed, match=r"'wild' is not connected: .* exited with code 7"):
            await at.box.call(stay, {})
        assert at.box.status()[0].restarts == 1


@pytest.mark.shows("tool-servers.gone")
async def test_nothing_is_left_after_close() -> None:
    async with opened(
        module("wild", "stubborn"), module("wild", "launcher", server="launcher"), module("workbench")
    ) as at:
        children = descendants(os.getpid())
        assert len(children) >= 6  # three servers, what two of them started, and the warden
        assert {status.state for status in at.box.status()} == {"ready"}
    assert alive(children) == set()
    assert {status.state for status in at.box.status()} == {"stopped"}


async def test_close_interrupts_an_attempt_to_connect() -> None:
    with anyio.fail_after(10):
        async with NestedToolbox([module("wild", "silent", connect_timeout_s=3600)], clock=WallClock()) as box:
            await eventually(lambda: descendants(os.getpid()))
        assert box.status()[0].state == "stopped"
    assert descendants(os.getpid()) == set()


async def test_nothing_is_left_when_the_box_is_cancelled() -> None:
    children: set[int] = set()
    with anyio.CancelScope() as scope:
        async with opened(module("wild", "stubborn")):
            children = descendants(os.getpid())
            scope.cancel()
            await anyio.sleep_forever()
    assert len(children) >= 3
    assert alive(children) == set()


@pytest.mark.shows("tool-servers.gone")
@pytest.mark.parametrize(
    ("way", "number"),
    [((), signal.SIGTERM), (("--in-order",), signal.SIGTERM), ((), signal.SIGKILL)],
    ids=["terminated", "terminated in order", "killed"],
)
async def test_nothing_is_left_when_the_bridge_dies(way: tuple[str, ...], number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.servers.parent", *way]
    async with await anyio.open_process(command, cwd=ROOT, stdin=None, stderr=None) as parent:
        assert parent.stdout is not None
        with anyio.fail_after(PATIENCE_S):
            assert await parent.stdout.receive() == b"ready\n"
        children = descendants(parent.pid)
        assert len(children) >= 6
        parent.send_signal(number)
        await parent.wait()
        await eventually(lambda: not alive(children), within_s=8)


def test_a_warden_that_was_killed_is_replaced_and_ends_all_groups() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    warden = Warden()
    with (
        subprocess.Popen(sleep, start_new_session=True) as one,
        subprocess.Popen(sleep, start_new_session=True) as two,
        subprocess.Popen(sleep, start_new_session=True) as forgotten,
    ):
        warden.watch(one.pid)
        assert warden.process is not None
        warden.process.kill()
        warden.process.wait()
        warden.watch(forgotten.pid)
        warden.watch(two.pid)
        warden.forget(forgotten.pid)
        warden.close()  # its pipe ends, as it does when the bridge dies
        assert (one.wait(PATIENCE_S), two.wait(PATIENCE_S)) == (-signal.SIGTERM, -signal.SIGTERM)
        assert forgotten.poll() is None
        forgotten.kill()


def test_the_client_library_is_not_imported_with_the_box() -> None:
    heavy = {"mcp", "fastmcp", "jsonschema_rs", "pydantic"}
    code = f"import sys, bridge_mcp.toolservers.toolbox; print({heavy} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "set()"
