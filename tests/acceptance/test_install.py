"""`install`, `uninstall` and what `check` says of hosts: the installed command in an empty home."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib

import pytest

from tests.acceptance.parts import COMMAND, Home

SECRET = "123456:a-token-that-nobody-may-see"


@pytest.mark.shows("cli.install")
def test_a_host_is_told_the_whole_path_the_configuration_and_names_alone(home: Home) -> None:
    home.write('[channels.family]\ntype = "telegram"\ntoken_env = "FAMILY_TOKEN"\n')
    told = home.run("install", "codex", FAMILY_TOKEN=SECRET)
    file = home.root / ".codex" / "config.toml"
    assert str(file) in told
    (entry,) = tomllib.loads(file.read_text())["mcp_servers"].values()
    assert entry == {
        "command": COMMAND,
        "args": ["--config", str(home.config)],
        "env": {"BRIDGE_MCP_STATE_DIR": str(home.state)},
        "env_vars": ["FAMILY_TOKEN"],
    }
    assert file.stat().st_mode & 0o777 == 0o600
    assert "has it already" in home.run("install", "codex")
    desktop = home.run("install", "claude-desktop", FAMILY_TOKEN=SECRET)
    assert "may start it without FAMILY_TOKEN" in " ".join(desktop.split())
    assert SECRET not in desktop
    for place in home.root.rglob("*"):
        assert not place.is_file() or SECRET.encode() not in place.read_bytes()


def test_what_is_printed_is_the_entry_and_nothing_of_the_host_s_file(home: Home) -> None:
    file = home.root / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"mcpServers": {"other": {"command": "x", "env": {"KEY": SECRET}}}}))
    before = file.read_bytes()
    printed = home.run("install", "cursor", "--print")
    assert json.loads(printed)["mcpServers"]["bridge"]["command"] == COMMAND
    assert SECRET not in printed
    assert home.run("install", "cursor", "--link").startswith("cursor://anysphere.cursor-deeplink/mcp/install?")
    assert file.read_bytes() == before


@pytest.mark.shows("cli.install")
@pytest.mark.parametrize(("host", "name"), [("claude-code", ".mcp.json"), ("codex", ".codex/config.toml")])
def test_a_project_has_it_in_its_own_file(home: Home, host: str, name: str) -> None:
    file = home.work / name
    file.parent.mkdir(exist_ok=True)
    servers = '{\n  "mcpServers": {\n    "theirs": {"command": "npx"} // ours\n  }\n}\n'
    theirs = servers if host == "claude-code" else "# ours\n"
    file.write_text(theirs)
    assert COMMAND in home.run("install", host, "--project", "--print")
    assert file.read_text() == theirs
    assert str(file) in home.run("install", host, "--project")
    assert COMMAND in file.read_text()
    assert "has it already" in home.run("install", host, "--project")
    assert not (home.root / ".claude.json").exists()
    assert not (home.root / ".codex").exists()
    home.run("uninstall", host, "--project")
    assert file.read_text() == theirs
    told = home.done("install", "goose", "--project")
    assert told.returncode != 0
    assert "Goose has no settings for single projects" in told.stderr


@pytest.mark.shows("cli.install-gone")
def test_check_finds_a_host_whose_command_is_gone(home: Home) -> None:
    home.run("install", "cursor")
    home.run("install", "gemini", "--name", "chat")
    assert "Gemini CLI has it already, as 'chat'" in home.run("install", "gemini")
    told = home.run("check", "--no-ask")
    assert "host cursor" in told
    assert "starts it as 'chat'" in told
    file = home.root / ".cursor" / "mcp.json"
    file.write_text(file.read_text().replace(COMMAND, "/gone/bridge-mcp"))
    told = home.run("check", "--no-ask", code=1)
    assert "starts /gone/bridge-mcp, which is not there. Run: bridge-mcp install cursor" in told
    home.run("install", "cursor")
    home.run("check", "--no-ask")
    assert "as bridge" in home.run("install")
    home.run("uninstall", "cursor")
    assert json.loads(file.read_text()) == {}
    assert "not among the servers" in home.run("uninstall", "cursor")


def test_a_link_stays_one_and_what_cannot_be_read_is_left_alone(home: Home) -> None:
    real, link = home.root / "dotfiles.json", home.root / ".cursor" / "mcp.json"
    real.write_text("// mine\n{}\n")
    link.parent.mkdir()
    link.symlink_to(real)
    home.run("install", "cursor")
    assert link.is_symlink()
    assert real.read_text().startswith("// mine\n")
    assert '"bridge"' in real.read_text()
    real.write_text("{ broken")
    told = home.run("install", "cursor", code=1)
    assert "was left alone" in told
    assert "bridge-mcp install cursor --print" in told
    assert real.read_text() == "{ broken"
    assert "Start Zed once" in home.run("install", "zed", code=1)


def test_a_command_that_was_fetched_for_one_run_is_not_written_down(home: Home) -> None:
    passing = home.root / ".cache" / "uv" / "archive-v0" / "x" / "bin"
    passing.mkdir(parents=True)
    fetched = passing / "bridge-mcp"
    shutil.copy(COMMAND, fetched)
    done = subprocess.run(
        [str(fetched), "install", "cursor"], env=home.environment(), cwd=home.work, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "fetched for this one run" in done.stderr
    assert not (home.root / ".cursor").exists()


def test_a_link_of_a_project_leads_nowhere_else(home: Home) -> None:
    """Whoever made the project does not choose which file outside of it is changed."""
    outside = home.root / "outside.json"
    outside.write_text("{}")
    (home.work / ".mcp.json").symlink_to(outside)
    told = home.done("install", "claude-code", "--project")
    assert told.returncode != 0
    assert "leads out of the project" in told.stderr
    assert outside.read_text() == "{}"


def test_a_file_that_is_read_only_stays_as_it_is(home: Home) -> None:
    file = home.root / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text("{}")
    file.chmod(0o444)
    assert "is read-only" in home.run("install", "cursor", code=1)
    assert file.read_text() == "{}"
    file.chmod(0o600)
    home.run("install", "cursor")


def test_each_fix_is_told_once_and_is_about_that_file(home: Home) -> None:
    file = home.root / ".cursor" / "mcp.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"mcpServers": {"bridge": {"command": "other"}}}))
    assert home.run("install", "cursor", code=1).count("--name NAME") == 1
    goose = home.root / "config" / "goose" / "config.yaml"
    goose.parent.mkdir()
    goose.write_text("a: [b")
    told = home.run("install", "goose", code=1)
    assert "line 1" in told
    assert "bridge-mcp install goose --print" in told
    assert "Pass the settings file" not in told
