"""`--install` and `--uninstall`: only our hooks come and go; all else in a host's settings stays, byte for byte."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyjson5
import pytest

from bridge_mcp.core.errors import BadInput
from bridge_mcp.hooks.host_settings import Wanted, wanted
from bridge_mcp.hooks.hosts import HOSTS
from bridge_mcp.hooks.installing import changed, is_ours
from bridge_mcp.hosts.json_text import appended, removed, scanned
from bridge_mcp.hosts.settings_file import read, write

COMMAND = "/opt/bin/bridge-mcp hook {host}"

ODD = """\
// mine
{
\t"permissions": { "allow": ["Bash(ls:*)"], "deny": [ ] }, // keep
\t/* a block */ "model" : "opus",
\t"hooks": {
\t\t"PreToolUse": [ { "matcher": "Bash", "hooks": [{"type": "command", "command": "check.sh"}] } ], // theirs
\t\t"PermissionRequest": [
\t\t\t{ "hooks": [ { "type": "command", "command": "log.sh" } ] },   // logs
\t\t],
\t},
\t"unknown": {"a": [1, 2.50, 1e3, "\\u00e9"]},
}
"""

PLAIN = '{"model":"opus","env":{"A":"1"}}'
INDENTED = '{\n    "model": "opus",\n    "hooks": {}\n}\n'


def of(host: str, folder: Path = Path("/home/ann"), env: Mapping[str, str] | None = None, **options: Any) -> Wanted:
    return wanted(host, COMMAND.format(host=host), folder, env or {}, wait_s=600, **options)


@pytest.mark.parametrize("host", ["claude-code", "gemini"])
@pytest.mark.parametrize("text", [ODD, PLAIN, INDENTED, "{}", "{\n}\n", ODD.replace("\n", "\r\n"), f"\ufeff{PLAIN}"])
def test_what_was_installed_can_be_taken_out_again_without_a_trace(host: str, text: str) -> None:
    there = changed(host, of(host), text, install=True)
    assert there != text
    said: Any = pyjson5.decode(there.removeprefix("\ufeff"))
    before: Any = pyjson5.decode(text.removeprefix("\ufeff"))
    assert {name: value for name, value in said.items() if name != "hooks"} == {
        name: value for name, value in before.items() if name != "hooks"
    }
    assert changed(host, of(host), there, install=True) == there
    gone = changed(host, of(host), there, install=False)
    assert pyjson5.decode(gone.removeprefix("\ufeff")) == {
        name: value for name, value in before.items() if name != "hooks" or value
    }
    if text == ODD:
        assert gone == text
    for line in ("// mine", "/* a block */", "// keep", "// logs", "// theirs"):
        assert (line in there) == (line in text)


@pytest.mark.parametrize("host", HOSTS)
def test_a_file_of_comments_alone_keeps_them(host: str) -> None:
    if of(host).file.suffix == ".toml":
        return
    there = changed(host, of(host), "// mine\n", install=True)
    assert there.startswith("// mine\n{")
    assert changed(host, of(host), there, install=True) == there
    assert changed(host, of(host), "// mine\n", install=False) == "// mine\n"


def test_a_table_comes_and_goes_with_the_lines_ends_that_are_there() -> None:
    text = "# mine\r\nmodel = 'x'\r\n"
    there = changed("codex", of("codex"), text, install=True)
    assert "hook codex" in there
    assert there.count("\n") == there.count("\r\n")
    assert changed("codex", of("codex"), there, install=False) == text


def test_an_odd_file_keeps_its_lines_and_gets_ours_in_its_own_style() -> None:
    there = changed("claude-code", of("claude-code"), ODD, install=True)
    assert [line for line in difflib.ndiff(ODD.splitlines(), there.splitlines()) if line.startswith("-")] == []
    assert '\n\t\t"PostToolUse": [\n\t\t\t{\n\t\t\t\t"matcher": "*",' in there


@pytest.mark.parametrize("host", HOSTS)
def test_a_new_file_says_what_the_host_wants(host: str, tmp_path: Path) -> None:
    meant = of(host, tmp_path)
    text = changed(host, meant, None, install=True)
    said: Any = tomllib.loads(text) if meant.file.suffix == ".toml" else json.loads(text)
    assert said == {**meant.head, "hooks": {event: list(entries) for event, entries in meant.entries.items()}}
    assert changed(host, meant, text, install=True) == text


@pytest.mark.parametrize(
    ("host", "file", "event", "patience"),
    [
        ("claude-code", ".claude/settings.json", "PermissionRequest", {"timeout": 660}),
        ("codex", ".codex/config.toml", "PermissionRequest", {"timeout": 660}),
        ("cursor", ".cursor/hooks.json", "beforeShellExecution", {"timeout": 660, "failClosed": True}),
        ("gemini", ".gemini/settings.json", "BeforeTool", {"timeout": 660_000}),
        ("copilot", ".copilot/hooks/bridge-mcp.json", "preToolUse", {"timeoutSec": 660}),
    ],
)
def test_each_host_waits_longer_than_the_hook(host: str, file: str, event: str, patience: dict[str, Any]) -> None:
    meant = of(host)
    assert meant.file == Path("/home/ann") / file
    (entry,) = meant.entries[event]
    assert isinstance(entry, dict)
    inner: Any = entry.get("hooks", [entry])
    assert patience.items() <= inner[0].items()


def test_every_call_is_asked_for_where_that_is_wanted() -> None:
    assert "PreToolUse" in of("claude-code", every_call=True).entries
    assert "PermissionRequest" not in of("claude-code", every_call=True).entries
    assert "preToolUse" in of("cursor", every_call=True).entries


def test_a_newer_command_takes_the_place_of_the_older_one() -> None:
    old = changed("claude-code", of("claude-code"), ODD, install=True)
    moved = wanted("claude-code", "/new/bridge-mcp hook claude-code", Path("/home/ann"), {}, wait_s=600)
    new = changed("claude-code", moved, old, install=True)
    assert "/opt/bin" not in new
    assert new.count("/new/bridge-mcp hook claude-code") == len(moved.entries)
    assert changed("claude-code", moved, new, install=False) == ODD


TOML = """\
# my Codex
model = "gpt-5"   # the good one

[features]
web = true

[[hooks.PermissionRequest]]
matcher = "Bash" # theirs

[[hooks.PermissionRequest.hooks]]
type = "command"
command = "log.sh"

[projects."/home/ann/project"]
trust_level = "trusted"
"""


@pytest.mark.parametrize("text", [TOML, 'model = "gpt-5"', "", "# nothing\n"])
def test_toml_keeps_its_comments_and_its_order(text: str) -> None:
    meant = of("codex")
    there = changed("codex", meant, text, install=True)
    assert [line for line in text.splitlines() if line not in there.splitlines()] == []
    hooks = tomllib.loads(there)["hooks"]
    assert is_ours("codex", hooks["PermissionRequest"][-1])
    assert changed("codex", meant, there, install=True) == there
    gone = changed("codex", meant, there, install=False)
    assert tomllib.loads(gone) == tomllib.loads(text)
    assert gone.split() == text.split()


def test_codex_wants_all_hooks_in_one_file(tmp_path: Path) -> None:
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex" / "hooks.json").write_text('{"hooks": {}}')
    assert of("codex", tmp_path).file.name == "hooks.json"


def test_the_host_s_own_variables_move_its_folder() -> None:
    assert of("claude-code", env={"CLAUDE_CONFIG_DIR": "/c"}).file == Path("/c/settings.json")
    assert of("codex", env={"CODEX_HOME": "/x"}).file == Path("/x/config.toml")
    assert of("copilot", env={"COPILOT_HOME": "/p"}).file == Path("/p/hooks/bridge-mcp.json")


@pytest.mark.parametrize(
    "text",
    ["[1]", "{", '{"hooks": []}', '{"hooks": {"PermissionRequest": {}}}', '{"a": 1} x', "{'a': 1}", '{"a" 1}', "nope"],
)
def test_what_cannot_be_read_is_left_alone(text: str) -> None:
    with pytest.raises(BadInput):
        changed("claude-code", of("claude-code"), text, install=True)


def test_only_ours_is_ours() -> None:
    ours = {"hooks": [{"type": "command", "command": "'/a b/bridge-mcp' hook codex --wait-s 5"}]}
    assert is_ours("codex", ours)
    assert is_ours(
        "codex", {"bash": "BRIDGE_MCP_STATE_DIR=/s /x/bridge-mcp hook codex", "powershell": "bridge-mcp hook codex"}
    )
    assert not is_ours("codex", {"hooks": [*ours["hooks"], {"type": "command", "command": "log.sh"}]})
    assert not is_ours("codex", {"command": "bridge-mcp hook codex-old"})
    assert not is_ours("codex", {"command": "bridge-mcp hook cursor"})
    assert not is_ours("codex", {})


def test_a_link_stays_a_link_and_what_was_there_is_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "dotfiles.json", tmp_path / "settings.json"
    real.write_text(PLAIN)
    real.chmod(0o640)
    link.symlink_to(real)
    kept = write(link, '{"new": 1}', read(link))
    assert link.is_symlink()
    assert real.read_text() == '{"new": 1}'
    assert real.stat().st_mode & 0o777 == 0o640
    assert kept is not None
    assert kept.read_text() == PLAIN
    assert sorted(os.listdir(tmp_path)) == ["dotfiles.json", "dotfiles.json.before-bridge-mcp", "settings.json"]


def test_a_file_of_ours_goes_when_nothing_is_in_it_any_more(tmp_path: Path) -> None:
    meant = of("copilot", tmp_path)
    text = changed("copilot", meant, None, install=True)
    write(meant.file, text, None)
    assert changed("copilot", meant, text, install=False) == ""
    write(meant.file, "", text)
    assert not meant.file.exists()


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("{}", '{\n  "a": [\n    1\n  ]\n}'),
        ('{"a": []}', '{"a": [\n    1\n  ]}'),
        ('{"a": [0]}', '{"a": [0,\n    1\n  ]}'),
        ('{"a": [0 /* x */, // y\n]}', '{"a": [0 /* x */, // y\n    1,\n]}'),
        ('{"b": 2 // y\n}', '{"b": 2, // y\n  "a": [\n    1\n  ]\n}'),
    ],
)
def test_a_value_is_put_behind_the_others(text: str, after: str) -> None:
    assert appended(text, ("a",), 1) == after
    assert scanned(after).end


def test_values_are_taken_out_with_their_comma() -> None:
    assert removed('{"a": [1, 2, 3]}', ("a",), 1) == '{"a": [1, 3]}'
    assert removed('{"a": [1, 2, 3]}', ("a",), 2) == '{"a": [1, 2]}'
    assert removed('{"a": [1, 2]}', ("a",), 0) == '{"a": [ 2]}'
    assert removed('{"b": 1, "a": [1]}', ("a",), 0) == '{"b": 1}'
    assert removed('{"b": 1, "h": {"a": [1]}}', ("h", "a"), 0) == '{"b": 1}'
