"""What a bridge loads: the library of the platforms that its config names, and of no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from tests.channels.platforms import Platform
from tests.channels.stage import staged

LIBRARIES = {"telegram": "telegram", "slack": "slack_sdk", "discord": "discord", "matrix": "nio"}
PROGRAM = """\
import sys, anyio
from pathlib import Path
from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.service import OWNER

async def main():
    async with open_bridge(load_config(Path(sys.argv[1]))) as assembly:
        with anyio.fail_after(60):
            while any(each.state != "ready" for each in await assembly.bridge.list_channels(OWNER)):
                await anyio.sleep(0.02)
    print(*(name for name in sys.argv[2:] if name in sys.modules))

anyio.run(main)
"""


@pytest.mark.shows("chats.loaded")
async def test_only_the_library_of_the_own_platform_is_imported(platform: Platform, tmp_path: Path) -> None:
    async with staged(tmp_path, platform) as it:
        env = {**os.environ, **platform.env, "BRIDGE_MCP_STATE_DIR": str(tmp_path / "state")}
        command = [sys.executable, "-c", PROGRAM, str(it.config), *LIBRARIES.values()]
        with anyio.fail_after(90):
            done = await anyio.run_process(command, env=env, stderr=subprocess.DEVNULL)
    assert done.stdout.decode().split() == [LIBRARIES[name] for name in [platform.name] if name in LIBRARIES]
