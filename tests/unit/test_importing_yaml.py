"""YAML settings of other hosts: Goose's and Continue's become sections; what no settings need is refused at once."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.config.importing import imported
from bridge_mcp.core.errors import BadInput
from tests.cases.play_import import play

CASES = Path(__file__).parents[1] / "cases" / "import"


def taken(text: str) -> dict[str, dict[str, Any]]:
    """The sections, by their names; {} for what was left out."""
    return {
        each.name: tomllib.loads(each.section)["tool_servers"][each.name] if each.section else {}
        for each in imported(text, ())
    }


def test_the_file_of_goose() -> None:
    path = CASES / "goose.yaml"
    assert taken(path.read_text("utf-8")) == {
        "developer": {},
        "github": {
            "command": "npx",
            "args": ["-y", "@modelcontextprotocol/server-github"],
            "env": {"LOG": "yes", "BUILD": "0123"},
            "env_pass": ["GITHUB_HOST", "GITHUB_TOKEN"],
            "timeout_s": 300,
        },
        "docs": {"url": "https://docs.example/mcp", "headers": {"X-Team": "house"}, "timeout_s": 300},
        "old": {},
    }
    told = play(path)
    assert "ghp_" not in told
    assert "a part of that host itself" in told
    assert "it is disabled there" in told
    assert "as a bridge.toml: fine" in told


def test_the_file_of_continue() -> None:
    path = CASES / "continue.yaml"
    assert taken(path.read_text("utf-8")) == {
        "SQLite": {
            "command": "uvx",
            "args": ["mcp-server-sqlite", "--db-path", "/home/ann/notes.db"],
            "env_pass": ["API_KEY"],
        },
        "remote": {"url": "https://tools.example/mcp", "token_env": "TOOLS_TOKEN"},
    }
    told = play(path)
    assert "API_KEY (there it is SQLITE_KEY)" in told
    assert "sk-" not in told


def test_values_are_what_a_host_takes_them_for() -> None:
    text = """\
mcpServers:
  s:
    command: x
    env: {A: on, B: 1.10, C: 2024-01-01, D: 12:30, E: "5", F: 5, G: true, H: 0x1F, I: ~}
    1: what
"""
    found = taken(text)["s"]["env"]
    assert found == {
        "A": "on", "B": "1.10", "C": "2024-01-01", "D": "12:30", "E": "5", "F": "5", "G": "true", "H": "0x1F",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x {command: x}\nmcpServers: {s: *x}", "line 2: it refers to another place by an alias"),
        ("mcpServers: {s: !!python/object:os.system {}}", "line 1: it holds a tag"),
        ("mcpServers: {s: !include other.yaml}", "line 1: it holds a tag"),
        ("mcpServers: " + "[" * 5_000, "more than 40 levels deep"),
        ("- " * 5_000 + "x", "more than 40 levels deep"),
        ("mcpServers:\n  ? [a]\n  : b", "a key is a list or an object"),
        ("mcpServers: {}\n---\nmcpServers: {}", "another document"),
        ("mcpServers:\n  s:\n\tcommand: x", "line 3: found character"),
        ("mcpServers: " + "x" * 70_000, "longer than 60,000 characters"),
        ("mcpServers: \x01", "not allowed"),
        ("just some words", "This is no JSON"),
        ("name: x\nversion: 1", "There are no MCP servers in this file"),
    ],
)
def test_what_no_settings_need_is_refused_at_once(text: str, why: str) -> None:
    began = time.monotonic()
    with pytest.raises(BadInput, match=why):
        imported(text, ())
    assert time.monotonic() - began < 5
