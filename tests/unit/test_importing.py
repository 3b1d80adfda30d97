"""Other hosts' settings become sections of bridge.toml: legal names, no secrets in clear, nothing there is touched."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.cli.app import run
from bridge_mcp.config import load_config
from bridge_mcp.config.importing import imported, looks_secret
from bridge_mcp.config.schema import File
from bridge_mcp.core.errors import BadInput, ConfigError

CLAUDE: dict[str, Any] = {
    "mcpServers": {
        "filesystem": {
            "command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-filesystem", '/home/ann/My "Files"'],
            "env": {"NODE_ENV": "production"},
        },
        "github": {
            "command": "docker",
            "args": ["run", "-i", "ghcr.io/github/github-mcp-server"],
            "env": {"GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_0123456789abcdefghij", "LOG": "1"},
        },
        "Über server!": {"command": "x"},
        "off": {"command": "x", "disabled": True},
        "odd": {"what": 1},
    }
}


def by_name(text: str, *taken: str) -> dict[str, tuple[dict[str, Any], str]]:
    found = imported(text, taken)
    return {
        each.name: (
            tomllib.loads(each.section)["tool_servers"][each.name] if each.section else {},
            " ".join(each.notes),
        )
        for each in found
    }


def test_the_common_format_becomes_sections() -> None:
    found = by_name(json.dumps(CLAUDE))
    assert found["filesystem"] == (
        {
            "command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-filesystem", '/home/ann/My "Files"'],
            "env": {"NODE_ENV": "production"},
        },
        "",
    )
    section, notes = found["github"]
    assert section["env"] == {"LOG": "1"}
    assert section["env_pass"] == ["GITHUB_PERSONAL_ACCESS_TOKEN"]
    assert notes == "Set in the bridge's environment: GITHUB_PERSONAL_ACCESS_TOKEN."
    assert found["ber-server"][0] == {"command": "x"}
    assert "'Über server!'" in found["ber-server"][1]
    assert found["off"] == ({}, "Left out: it is disabled there.")
    assert found["odd"] == ({}, "Left out: it has neither a command nor a url.")
    for section, _ in found.values():
        if section:
            File.model_validate({"tool_servers": {"x": section}})


def test_the_format_of_vs_code_with_its_comments() -> None:
    text = """\ufeff
    // my servers
    {"inputs": [], "servers": {
        "remote": {"type": "http", "url": "https://example.org/mcp",
                   "headers": {"Authorization": "Bearer ${input:token}", "X-Api-Key": "abcdefgh1234", "X-Who": "me"}},
        "old": {"type": "sse", "url": "https://example.org/sse"},
        "mine": {"type": "stdio", "command": "${workspaceFolder}/x", "env": {"HOME_DIR": "${env:HOME}"}, "envFile": "e"}
    }}"""
    found = by_name(text)
    section, notes = found["remote"]
    assert section == {
        "url": "https://example.org/mcp",
        "token_env": "REMOTE_TOKEN",
        "headers": {"X-Who": "me"},
        "headers_env": {"X-Api-Key": "REMOTE_X_API_KEY"},
    }
    assert "REMOTE_TOKEN (the bearer token alone), REMOTE_X_API_KEY (the header X-Api-Key)" in notes
    assert found["old"][0] == {"url": "https://example.org/sse", "transport": "sse"}
    assert found["mine"][0]["env_pass"] == ["HOME_DIR"]
    assert "${…}" in found["mine"][1]
    assert "envFile" in found["mine"][1]


@pytest.mark.parametrize(
    "server",
    [
        {"command": "x", "args": ["--api-key", "abcdefgh"]},
        {"command": "x", "args": ["sk-0123456789abcdef"]},
        {"url": "https://example.org/mcp?api_key=abcdefgh"},
        {"url": "https://user:password@example.org/mcp"},
    ],
)
def test_secrets_that_have_no_other_place_keep_a_server_out(server: dict[str, Any]) -> None:
    (found,) = imported(json.dumps({"mcpServers": {"s": server}}), ())
    assert found.section == ""
    assert "looks like a secret" in found.notes[0]
    assert "abcdefgh" not in found.notes[0]


def test_what_looks_like_a_secret() -> None:
    secrets = [("OPENAI_API_KEY", "whatever1"), ("X", "sk-proj-0123456789ab"), ("X", "Bearer abc"), ("X", "a1" * 14)]
    plain = [("PATH", "/usr/local/bin:/usr/bin"), ("MODE", "production"), ("TOKEN_LIMIT", "4096"), ("X", "a" * 40)]
    assert all(looks_secret(name, value) for name, value in secrets)
    assert not any(looks_secret(name, value) for name, value in plain)


def test_names_that_become_the_same_stay_apart_and_those_that_are_there_stay() -> None:
    servers = {name: {"command": "x"} for name in ("a b", "a/b", "there", "z" * 50)}
    found = by_name(json.dumps({"mcpServers": servers}), "there")
    assert list(found) == ["a-b", "a-b-2", "there", "z" * 32]
    assert found["there"] == ({}, "Left out: a tool server of this name is there already.")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"mcpServers": []}', "not json"])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"no JSON|no MCP servers"):
        imported(text, ())


def test_the_command_appends_and_keeps_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRIDGE_MCP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("BRIDGE_MCP_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    host = tmp_path / "host.json"
    host.write_text(json.dumps(CLAUDE), encoding="utf-8")
    assert run(["servers", "import", str(host)]) == 1
    assert "bridge-mcp init" in capsys.readouterr().err
    config = tmp_path / "bridge-mcp" / "bridge.toml"
    config.parent.mkdir()
    before = '# mine\n[tool_servers.time]\ncommand = "uvx" # a comment\n[approvals]\nexpires_s = 5'
    config.write_text(before, encoding="utf-8")
    config.chmod(0o600)
    assert run(["servers", "import", str(host), "--dry-run"]) == 0
    assert config.read_text(encoding="utf-8") == before
    assert "[tool_servers.github]" in capsys.readouterr().out
    assert run(["servers", "import", str(host)]) == 0
    told = capsys.readouterr().out
    assert "3 of 5 servers added" in told
    assert "ghp_" not in told + config.read_text(encoding="utf-8")
    assert config.read_text(encoding="utf-8").startswith(before + "\n")
    assert config.stat().st_mode & 0o777 == 0o600
    names = [server.name for server in load_config().tool_servers]
    assert names == ["time", "filesystem", "github", "ber-server"]
    assert run(["servers", "import", str(host)]) == 0
    assert "0 of 5 servers added" in capsys.readouterr().out
    assert run(["servers", "list"]) == 0
    assert "filesystem: unknown, 0 tools, npx" in capsys.readouterr().out
    config.write_text("not toml", encoding="utf-8")
    assert run(["servers", "import", str(host)]) == 1
    assert ConfigError.__name__ not in capsys.readouterr().err
