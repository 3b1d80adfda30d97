"""MCP Events with a client that is not ours: the TypeScript SDK's, and the JavaScript library of Standard Webhooks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.parts import Home
from tests.acceptance.test_serving import running, until
from tests.servers.npm import packages

SCRIPT = Path(__file__).parents[1] / "servers" / "events_client.mjs"
PACKAGES = ("@modelcontextprotocol/client@2.4.0", "standardwebhooks@1.1.1", "zod@4.2.0")
CONFIG = """\
[channels.desk]
type = "local"
responder = "relay"
[events]
delivery = ["poll", "webhook"]
local_hosts = ["{host}"]
"""


@contextmanager
def node(folder: Path) -> Generator[subprocess.Popen[str]]:
    """The client's process: modules are found beside the script, so it is copied to where they are."""
    modules = packages("events-client", *PACKAGES)
    (folder / "node_modules").symlink_to(modules)
    script = shutil.copy(SCRIPT, folder)
    with subprocess.Popen(
        ["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        cwd=folder, env={"PATH": os.environ["PATH"]},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the client ended"
    return json.loads(line)


def say(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(text + "\n")
    process.stdin.flush()


@pytest.mark.shows("tools.events-foreign")
@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_a_typescript_client_polls_subscribes_and_verifies_what_is_posted(home: Home, tmp_path: Path, era: str) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    with node(folder) as client:
        callback: str = told(client)["url"]
        home.write(CONFIG.format(host=callback.split("/")[2]))
        token = home.json("clients", "add", "watcher", "--scopes", "read")["token"]
        with running(home, "serve", "--http", "127.0.0.1:0") as bridge:
            mcp = until(bridge.stderr, r"http://127\.0\.0\.1:\d+/mcp")[0]
            say(client, json.dumps({"mcp": mcp, "token": token, "era": era}))
            answered = told(client)
            assert answered["version"] == era
            assert {"message.received", "approval.requested"} <= set(answered["names"])
            assert answered["begun"]["events"] == []
            # In the handshake era the client declares its extensions once, and the bridge knows them from then on.
            assert answered["refused"] == -32023
            assert answered["subscribed"]["refreshBefore"]
            for text in ("one", "two"):
                home.run("say", "desk/main", text)
            home.run("say", "desk/other", "elsewhere")
            home.run("say", "desk/main", "three ☃")
            taken = [told(client) for _ in range(3)]
            assert [each["event"]["data"]["text"] for each in taken] == ["one", "two", "three ☃"]
            for each in taken:
                assert each["id"] == each["event"]["eventId"]
                assert each["subscription"] == answered["subscribed"]["id"]
            say(client, "")
            polled = told(client)["polled"]
            assert [each["eventId"] for each in polled["events"]] == [each["id"] for each in taken]
            assert client.wait(15) == 0
            home.run("say", "desk/main", "after the end")
            assert client.stdout is not None
            assert client.stdout.read() == ""
