"""What the README shows is run as it stands there, in an empty home: its shell lines, its settings, its commands."""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bridge_mcp.reference.commands import every_command
from tests.acceptance.parts import COMMAND, WAIT_S, Home
from tests.acceptance.test_readme import README, blocks

ELSEWHERE = (
    "python3 -m venv .venv",
    ".venv/bin/pip install",
    ".venv/bin/python -m pytest -n auto",  # CI runs these three, as they stand there
    "uv tool install",  # packages come from PyPI with it
    ".venv/bin/bridge-mcp demo",  # test_demo.py
    "claude mcp add files -- bridge-mcp gate",
    "bridge-mcp chat",  # test_gate.py both
    "bridge-mcp say local/main",  # test_chat_terminal.py
    "claude plugin marketplace add ./examples/claude-code-plugin",
    "claude plugin install bridge@bridge-mcp",  # by hand, with the real one
    "bridge-mcp init",  # test_init.py
    "bridge-mcp install",  # test_install.py
    "bridge-mcp backup",
    "bridge-mcp restore",
    "bridge-mcp export family",
    "bridge-mcp forget",  # test_keeping.py these four
    "bridge-mcp migrate --from sqlite:///PATH --to env:STORE_URL",  # test_moving.py
    "bridge-mcp worker",
    "bridge-mcp serve --http HOST:PORT",  # test_many_machines.py both
    "claude --dangerously-load-development-channels plugin:bridge@bridge-mcp",  # asks for a login
)
"""How the lines begin that are not run here, and who runs them."""
SERVICE = ("export SUPERVISOR_TOKEN=$(openssl rand -hex 32)", "bridge-mcp serve --http 127.0.0.1:8765")
AT_ONCE = (
    "bridge-mcp hook claude-code --install",
    "bridge-mcp approvals rehearse --since 30d",
    "bridge-mcp approvals suggest --since 30d",
    "bridge-mcp clients add prometheus --scopes read",
    "bridge-mcp conversations",
    "bridge-mcp status",
)
"""Lines that come to an end."""
EMPTY = (
    "status", "check --no-ask", "init", "migrate", "servers list", "servers changes", "approvals list",
    "approvals grants", "clients list", "pair list", "events", "conversations",
)  # fmt: skip
"""Commands that need nothing, in a home where nothing was done yet."""


def lines() -> list[str]:
    """The shell lines, those that are joined by `&&` one by one."""
    found = [part.strip() for block in blocks("sh") for line in block.splitlines() for part in line.split(" && ")]
    return [re.sub(r" +# .*", "", line) for line in found if line]


def toml() -> str:
    """Its settings, which together are one file."""
    return "\n".join(blocks("toml"))


def write_texts(home: Home) -> None:
    """The files that its settings name."""
    for name in ("house.md", "policy.md"):
        (home.config.parent / name).write_text("Be careful.\n", "utf-8")


def test_every_shell_line_is_run_here_or_by_somebody_who_is_named() -> None:
    here = {line for line in lines() if not line.startswith(ELSEWHERE)}
    assert here == {*SERVICE, *AT_ONCE, "bridge-mcp serve"}  # the last one: test_serving.py
    assert all(any(line.startswith(start) for line in lines()) for start in ELSEWHERE)


def test_the_lines_of_the_service(home: Home) -> None:
    home.write(toml())
    write_texts(home)
    *before, serve = SERVICE
    script = "\n".join([*before, serve.replace("bridge-mcp", f"exec {COMMAND}").replace(":8765", ":0")])
    with subprocess.Popen(
        ["bash", "-euc", script], cwd=home.work, env=home.environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            address = next(
                found[0] for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+/mcp", line))
            )
            with pytest.raises(urllib.error.HTTPError, match="401") as refused:
                urllib.request.urlopen(address, data=b"{}", timeout=WAIT_S)
            refused.value.close()
        finally:
            process.terminate()
            process.communicate(timeout=WAIT_S)


def test_its_settings_are_checked_and_what_they_miss_is_named_with_the_fix(home: Home) -> None:
    home.write(toml())
    write_texts(home)
    told = home.run("check", "--no-ask", code=1)
    for variable in ("OPENAI_API_KEY", "FILES_TOKEN", "SHOP_TOKEN", "SUPERVISOR_TOKEN", "TELEGRAM_BOT_TOKEN"):
        assert variable in told


@pytest.mark.parametrize("line", AT_ONCE)
def test_a_line_that_comes_to_an_end(home: Home, line: str) -> None:
    home.run(*line.split()[1:])


@pytest.mark.parametrize("command", EMPTY)
def test_a_command_in_an_empty_home(home: Home, command: str) -> None:
    home.config.parent.rmdir()
    assert command.partition(" --")[0] in {words for words, _ in every_command()}
    began = time.monotonic()
    home.run(*command.split())
    assert time.monotonic() - began < WAIT_S
    assert sorted(os.listdir(home.work)) == []


def test_the_commands_that_do_something_in_an_empty_home(home: Home) -> None:
    home.config.parent.rmdir()
    home.run("say", "local/main", "hello")
    home.run("send", "local/main", "hello yourself")
    assert "hello yourself" in home.run("log", "local/main", "--verify")
    assert "hello yourself" in home.run("events", "--after", "0")
    added = home.run("clients", "add", "ann", "--scopes", "read,send")
    assert "ann" in home.run("clients", "list")
    assert "ann" in added
    home.run("clients", "revoke", "ann")
    home.run("init")
    servers = home.work / "theirs.json"
    servers.write_text('{"mcpServers": {"x": {"command": "x"}}}', "utf-8")
    assert "[tool_servers.x]" in home.run("servers", "import", str(servers), "--dry-run")


def test_what_it_names_of_the_machine_is_where_it_says() -> None:
    root = Path(__file__).parents[2]
    for module in re.findall(r"\.venv/bin/python -m ([\w.]+)", README):
        path = root / module.replace(".", "/")
        there = path.with_suffix(".py").exists() or (path / "__main__.py").exists()
        assert there or module == "pytest", module
