"""`bridge-mcp console` as people start it: the browser is given a file, and no key stands in any command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Page, expect

BROWSER = """#!/bin/sh
echo "$1" > "$OPENED.new" && mv "$OPENED.new" "$OPENED"
"""


@pytest.mark.shows("console.link")
@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a browser is a shell script")
def test_the_command_opens_the_browser_by_a_file_that_works_once(tmp_path: Path, page: Page) -> None:
    script, opened = tmp_path / "browser", tmp_path / "opened"
    script.write_text(BROWSER)
    script.chmod(0o755)
    home = {"HOME": str(tmp_path), "BRIDGE_MCP_STATE_DIR": str(tmp_path / "state"), "OPENED": str(opened)}
    env = {**os.environ, **home, "BROWSER": f"{script} %s"}
    command = [sys.executable, "-m", "bridge_mcp", "console", "--scopes", "read,approve"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert "opens in your browser" in line
            while not opened.exists():
                assert process.poll() is None
            address = opened.read_text().strip()
            file = Path(unquote(urlsplit(address).path))
            key = file.read_text("utf-8").partition('name="key" value="')[2].partition('"')[0]
            assert len(key) > 30
            assert key not in address + line
            assert file.stat().st_mode & 0o777 == 0o600
            page.goto(address)
            page.wait_for_url("http://127.0.0.1:*/console/approvals")
            expect(page.get_by_role("banner")).to_contain_text("approve, read")
            page.go_back()
            assert key not in page.url
            process.terminate()
            assert process.wait(15) == 0
            assert not file.exists()
        finally:
            process.kill()
