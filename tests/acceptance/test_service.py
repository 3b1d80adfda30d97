"""`service`: what it writes and asks of a service manager, a recording one here; systemd itself takes the units."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.cli.service_units import LABEL, manager, plist, unit
from tests.acceptance.parts import COMMAND, Home
from tests.acceptance.terminal import Terminal

SECRET = "123456:a-token-that-nobody-may-see"
RECORDER = """\
#!/bin/sh
echo "$(basename "$0") $*" >> {log}
case "$*" in {failing}) echo "Failed to connect to bus" >&2; exit 1;; esac
"""


def recorder(home: Home, *names: str, failing: str = "nothing") -> dict[str, Any]:
    """Programs that write down how they were called, before all others on the PATH."""
    folder = home.root / "bin"
    folder.mkdir(exist_ok=True)
    for name in names:
        program = folder / name
        program.write_text(RECORDER.format(log=home.root / "calls", failing=failing))
        program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "USER": "ann"}


def calls(home: Home) -> list[str]:
    """What was called so far, once."""
    log = home.root / "calls"
    found = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


@pytest.mark.shows("cli.service")
def test_the_service_comes_is_brought_up_to_date_and_goes(home: Home) -> None:
    home.write('[channels.family]\ntype = "telegram"\ntoken_env = "FAMILY_TOKEN"\n')
    env: dict[str, Any] = recorder(home, "systemctl", "loginctl") | {"FAMILY_TOKEN": SECRET}
    file = home.root / "config" / "systemd" / "user" / "bridge-mcp.service"
    with Terminal(COMMAND, "service", "install", columns=100, env=home.environment(**env), cwd=home.work) as screen:
        assert screen.end() == 0
        shown = screen.joined
    assert "ItrunswithoutFAMILY_TOKEN" in shown
    assert "loginctlenable-lingerann" in shown
    assert [each for each in calls(home) if "systemctl" in each] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable bridge-mcp.service",
        "systemctl --user restart bridge-mcp.service",
    ]
    text = file.read_text()
    assert f'ExecStart="{COMMAND}" "serve" "--config" "{home.config}"\n' in text
    assert f'Environment="BRIDGE_MCP_STATE_DIR={home.state}"\n' in text
    assert SECRET not in text
    assert SECRET not in shown
    assert "says so already" in home.run("service", "install", **env)
    assert "It runs." in home.run("service", "status", **env)
    file.write_text(text.replace(COMMAND, "/gone/bridge-mcp"))
    assert "Its command is gone: /gone/bridge-mcp" in home.run("service", "status", code=1, **env)
    home.run("service", "install", "--http", "127.0.0.1:8765", **env)
    assert '"--http" "127.0.0.1:8765"\n' in file.read_text()
    calls(home)
    home.run("service", "uninstall", **env)
    assert calls(home) == ["systemctl --user disable --now bridge-mcp.service", "systemctl --user daemon-reload"]
    assert not file.exists()
    assert "There is no service" in home.run("service", "status", code=1, **env)


@pytest.mark.parametrize("text", ["", "mine\n", "ExecStart=\n", 'ExecStart="/usr/bin/env\n'])
def test_a_unit_that_somebody_broke_is_told(home: Home, text: str) -> None:
    env = recorder(home, "systemctl", "loginctl")
    home.run("service", "install", **env)
    (home.root / "config" / "systemd" / "user" / "bridge-mcp.service").write_text(text)
    assert "Run: bridge-mcp service install" in home.run("service", "status", code=1, **env)


def test_a_manager_that_does_not_answer_is_told_with_what_to_run(home: Home) -> None:
    env = recorder(home, "systemctl", "loginctl", failing="*daemon-reload*")
    told = home.run("service", "install", code=1, **env)
    assert "Failed to connect to bus" in told
    assert "systemctl --user restart bridge-mcp.service" in told
    assert "It does not run." in home.run("service", "status", code=1, **recorder(home, "systemctl", failing="*"))


def test_where_there_is_no_manager_the_command_is_printed(home: Home) -> None:
    home.write("")
    told = home.run("service", "install", PATH=str(home.root))
    assert told.endswith(f"BRIDGE_MCP_STATE_DIR={home.state} {COMMAND} serve --config {home.config}\n")


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cc", "Cs"]), min_size=1)


@pytest.mark.shows("cli.service")
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine")
@pytest.mark.parametrize("folder", ["plain", "with blanks", 'with "quotes" and \\', "100% of $HOME", "ünï"])
def test_systemd_takes_the_unit(tmp_path: Path, folder: str) -> None:
    command = tmp_path / folder / "bridge-mcp"
    command.parent.mkdir()
    shutil.copy(COMMAND, command)
    file = tmp_path / "bridge-mcp.service"
    file.write_text(unit([str(command), "serve", "--config", f"/{folder}"], {"BRIDGE_MCP_STATE_DIR": f"/{folder}"}))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(file)],
        capture_output=True, text=True, check=False, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip
    about_us = [line for line in done.stderr.splitlines() if "bridge-mcp" in line]
    assert about_us == []
    assert done.returncode == 0, done.stderr


@given(st.lists(WORDS, min_size=1), st.dictionaries(st.text("ABC_", min_size=1), WORDS))
def test_launchd_is_told_the_same_words(words: list[str], env: dict[str, str]) -> None:
    said = plistlib.loads(plist(words, env, log=Path("/log")).encode())
    assert said["ProgramArguments"] == words
    assert said.get("EnvironmentVariables", {}) == env


def test_each_platform_has_its_place() -> None:
    mac = manager("darwin", Path("/Users/ann"), {}, user_id=501)
    assert mac is not None
    assert mac.file == Path(f"/Users/ann/Library/LaunchAgents/{LABEL}.plist")
    assert mac.start == (("launchctl", "bootstrap", "gui/501", str(mac.file)),)
    linux = manager("linux", Path("/home/ann"), {"XDG_CONFIG_HOME": "relative"}, user_id=1)
    assert linux is not None
    assert linux.file == Path("/home/ann/.config/systemd/user/bridge-mcp.service")
    assert manager("win32", Path("/"), {}, user_id=0) is None


@pytest.mark.shows("cli.completion")
def test_a_shell_completes_commands_and_options(home: Home) -> None:
    script = home.run("completion", "bash")
    typed = "COMP_WORDS=(bridge-mcp service ''); COMP_CWORD=2; _bridge_mcp; echo ${COMPREPLY[@]}"
    completed = subprocess.run(
        ["bash", "-c", f"{script}\n{typed}"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert {"install", "status", "uninstall"} <= set(completed)
    told = home.run("completion", "fish", "--install")
    (written,) = [each for each in home.root.rglob("bridge-mcp.fish")]
    assert str(written) in told
    assert "complete -c bridge-mcp" in written.read_text()
