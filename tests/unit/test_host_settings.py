"""`install` and `uninstall`: the bridge comes into each host's settings and goes; all else stays, byte for byte."""

from __future__ import annotations

import base64
import difflib
import errno
import json
import os
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyjson5
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridge_mcp.core.errors import BadInput
from bridge_mcp.hosts.deep_links import LINKED, deep_link
from bridge_mcp.hosts.inspection import inspect_hosts
from bridge_mcp.hosts.installing import added, entries, is_plain, removed
from bridge_mcp.hosts.launch import Launch, merged_args
from bridge_mcp.hosts.settings_file import read, write
from bridge_mcp.hosts.table import HOSTS, Host, Machine

LAUNCH = Launch(
    "/opt/bin/bridge-mcp",
    ("--config", "/home/ann/.config/bridge-mcp/bridge.toml"),
    {"BRIDGE_MCP_STATE_DIR": "/var/ann"},
    secrets=("TELEGRAM_BOT_TOKEN",),
)
MOVED = Launch("/new/bridge-mcp", ("--config", "/new.toml"), {}, LAUNCH.secrets)
ANN = Machine("linux", Path("/home/ann"), {})

JSONC = """\
// mine
{
\t"theme": "dark", // keep
\t/* a block */ "KEY" : {
\t\t"files": { "command": "npx", "args": ["-y", "files", ], "env": { "SECRET": "s3cret" } }, // theirs
\t\t"web": { "url": "https://example.org/mcp" },
\t},
\t"unknown": {"a": [1, 2.50, 1e3, "\\u00e9"]},
}
"""
JSONS = [
    JSONC,
    JSONC.replace("\n", "\r\n"),
    "\ufeff" + JSONC,
    '{"theme":"dark","KEY":{"files":{"command":"x"}}}',
    '{\n    "theme": "dark"\n}',
    '{"KEY": {"a": {"command": "x"} /* last */ }}\n',
]
TOML = """\
# my Codex
model = "gpt-5"   # the good one

[mcp_servers.files] # theirs
command = "npx"
args = [ "-y",
  "files" ]

# about my projects
[projects."/home/ann/project"]
trust_level = "trusted"
"""
GOOSE = """\
# my Goose
GOOSE_MODEL: "x"   # the good one
extensions:
  developer:   # its own
    type: builtin
    enabled: true
  files:
    type: stdio
    cmd: npx
    args:
    - -y
    - files
    description: |
      Files,
      in two lines.
# below
GOOSE_MODE: auto
"""
CONTINUE = """\
name: mine
version: 1.0.0
schema: v1
mcpServers:
- name: files   # theirs
  command: npx
  args: [-y, files]
models: [] # none
"""


def texts_of(host: Host) -> list[str]:
    """Files of a host with what people leave in them."""
    file = host.place(ANN)
    if file.suffix == ".toml":
        return [TOML, TOML.replace("\n", "\r\n"), 'model = "x"', "# nothing\n", "[mcp_servers]\n"]
    if file.suffix == ".yaml":
        own = [CONTINUE, CONTINUE.replace("\n", "\r\n")] if host.listed else [GOOSE, GOOSE.replace("\n", "\r\n")]
        return [*own, "# nothing\na: 1", f"{host.path[0]}:   # none yet\nb: 2\n", f"{host.path[0]}: {{}}\n"]
    return [text.replace("KEY", host.path[0]) for text in JSONS]


def says(file: Path, text: str) -> Any:
    """What a file says, read by libraries that did not write it."""
    text = text.removeprefix("\ufeff")
    if file.suffix == ".toml":
        return tomllib.loads(text)
    return yaml.safe_load(text) if file.suffix == ".yaml" else pyjson5.decode(text)


def filled(said: dict[str, Any] | None) -> dict[str, Any]:
    """What is said of anything but nothing."""
    return {key: value for key, value in (said or {}).items() if value}


def only_grew(before: str, after: str) -> bool:
    """Whether something was put in and nothing else was touched, white space apart."""
    left = iter("".join(after.split()))
    return all(character in left for character in "".join(before.split()))


CASES = [(name, text) for name, host in HOSTS.items() for text in texts_of(host)]


@pytest.mark.shows("cli.install")
@pytest.mark.parametrize(("name", "text"), CASES)
def test_the_bridge_comes_and_goes_without_a_trace(name: str, text: str) -> None:
    host, file = HOSTS[name], HOSTS[name].place(ANN)
    there = added(host, file, text, LAUNCH, name="bridge")
    assert only_grew(text, there)
    assert ("\r\n" in there) == ("\r\n" in text)
    assert "\r\n" not in there or "\n" not in there.replace("\r\n", "")
    assert is_plain(entries(host, file, there)["bridge"])
    assert added(host, file, there, LAUNCH, name="bridge") == there, "once more changes nothing"
    gone = removed(host, file, there, name="bridge")
    assert filled(says(file, text)) == filled(says(file, gone))
    if "files" in text:
        assert gone == text or (text.count("\n") < 2 and gone.split("\n")[0] in text)
    assert removed(host, file, gone, name="bridge") == gone


@pytest.mark.parametrize("name", HOSTS)
def test_no_host_s_file_holds_a_secret_and_each_names_the_whole_path(name: str) -> None:
    host, file = HOSTS[name], HOSTS[name].place(ANN)
    text = added(host, file, None, LAUNCH, name="bridge")
    assert "/opt/bin/bridge-mcp" in text
    assert "/home/ann/.config/bridge-mcp/bridge.toml" in text
    assert ("TELEGRAM_BOT_TOKEN" in text) == (host.passes(LAUNCH) and not host.inherits)
    server = entries(host, file, text)["bridge"]
    assert server.command == LAUNCH.command
    assert server.args == [*LAUNCH.args]
    assert server.env["BRIDGE_MCP_STATE_DIR"] == "/var/ann"


@pytest.mark.parametrize("name", HOSTS)
def test_an_entry_is_brought_up_to_date_and_keeps_what_its_owner_added(name: str) -> None:
    host, file = HOSTS[name], HOSTS[name].place(ANN)
    own = Launch(LAUNCH.command, (*LAUNCH.args, "--scopes", "read"), {"MINE": "1"}, secrets=("TELEGRAM_BOT_TOKEN",))
    old = added(host, file, texts_of(host)[0], own, name="chat")
    new = added(host, file, old, MOVED, name="chat")
    server = entries(host, file, new)["chat"]
    assert server.command == "/new/bridge-mcp"
    assert server.args == ["--config", "/new.toml", "--scopes", "read"]
    assert server.env["MINE"] == "1"
    changed = [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[:1] in "+-"]
    assert len(changed) <= 4, "only lines of the entry"


def test_a_value_that_stands_in_the_place_of_a_reference_stays() -> None:
    host, file = HOSTS["cursor"], HOSTS["cursor"].place(ANN)
    text = added(host, file, None, LAUNCH, name="bridge").replace("${env:TELEGRAM_BOT_TOKEN}", "123:abc")
    assert added(host, file, text, LAUNCH, name="bridge") == text


def test_another_server_of_that_name_is_left_alone() -> None:
    host, file = HOSTS["cursor"], HOSTS["cursor"].place(ANN)
    with pytest.raises(BadInput, match="Another server is called 'bridge'"):
        added(host, file, '{"mcpServers": {"bridge": {"command": "npx"}}}', LAUNCH, name="bridge")


def test_a_gate_before_another_server_is_not_the_bridge() -> None:
    host, file = HOSTS["cursor"], HOSTS["cursor"].place(ANN)
    gate = '{"mcpServers": {"files": {"command": "/opt/bin/bridge-mcp", "args": ["gate", "--", "npx"]}}}'
    assert not is_plain(entries(host, file, gate)["files"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cursor", "[1]"),
        ("cursor", "{"),
        ("cursor", '{"mcpServers": []}'),
        ("cursor", '{"mcpServers": 3}'),
        ("codex", "mcp_servers = 3"),
        ("codex", "a = "),
        ("codex", 'mcp_servers = { files = { command = "x" } }'),
        ("goose", "extensions: {a: {type: builtin}}"),
        ("goose", "- 1"),
        ("goose", "a: &x 1\nb: *x\n"),
        ("goose", "a: !!python/object:os.system x\n"),
        ("continue", "mcpServers: [{name: a, command: x}]"),
    ],
)
def test_what_cannot_be_changed_in_place_is_left_alone(name: str, text: str) -> None:
    with pytest.raises(BadInput):
        added(HOSTS[name], HOSTS[name].place(ANN), text, LAUNCH, name="bridge")


NAMES = st.text('abcXYZ_ é"\\', min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.sampled_from([None, 1, 4, "\t"]))
def test_any_json_keeps_what_it_says(body: dict[str, Any], indent: int | str | None) -> None:
    host, file = HOSTS["cursor"], HOSTS["cursor"].place(ANN)
    text = json.dumps(body, indent=indent, ensure_ascii=False)
    there = added(host, file, text, LAUNCH, name="bridge")
    assert pyjson5.decode(there) == {**body, "mcpServers": {"bridge": host.entry(LAUNCH)}}
    assert pyjson5.decode(removed(host, file, there, name="bridge")) == body


def test_places_follow_the_platform_and_the_host_s_own_variables(tmp_path: Path) -> None:
    ann = tmp_path / "ann"

    def place(name: str, platform: str, **env: str) -> str:
        return HOSTS[name].place(Machine(platform, ann, env)).as_posix().removeprefix(ann.as_posix())

    assert place("claude-desktop", "darwin") == "/Library/Application Support/Claude/claude_desktop_config.json"
    assert place("claude-desktop", "win32", APPDATA="/roaming") == "/roaming/Claude/claude_desktop_config.json"
    assert place("vscode", "linux", XDG_CONFIG_HOME="/xdg") == "/xdg/Code/User/mcp.json"
    assert place("goose", "win32") == "/AppData/Roaming/Block/goose/config/config.yaml"
    assert place("codex", "linux", CODEX_HOME="/codex") == "/codex/config.toml"
    assert place("claude-code", "linux", CLAUDE_CONFIG_DIR="/claude") == "/claude/.claude.json"
    commented = ann / ".config" / "opencode" / "opencode.jsonc"
    commented.parent.mkdir(parents=True)
    commented.touch()
    assert place("opencode", "linux") == "/.config/opencode/opencode.jsonc"


PLACES = {
    "claude-desktop": (
        "~/.config/Claude/claude_desktop_config.json",
        "~/Library/Application Support/Claude/claude_desktop_config.json",
        "%APPDATA%/Claude/claude_desktop_config.json",
    ),
    "claude-code": ("~/.claude.json",) * 3,
    "cursor": ("~/.cursor/mcp.json",) * 3,
    "vscode": (
        "~/.config/Code/User/mcp.json",
        "~/Library/Application Support/Code/User/mcp.json",
        "%APPDATA%/Code/User/mcp.json",
    ),
    "copilot": ("~/.copilot/mcp-config.json",) * 3,
    "windsurf": ("~/.codeium/windsurf/mcp_config.json",) * 3,
    "zed": ("~/.config/zed/settings.json", "~/.config/zed/settings.json", "%APPDATA%/Zed/settings.json"),
    "codex": ("~/.codex/config.toml",) * 3,
    "gemini": ("~/.gemini/settings.json",) * 3,
    "antigravity": ("~/.gemini/antigravity/mcp_config.json",) * 3,
    "opencode": ("~/.config/opencode/opencode.json",) * 3,
    "goose": (
        "~/.config/goose/config.yaml",
        "~/.config/goose/config.yaml",
        "%APPDATA%/Block/goose/config/config.yaml",
    ),
    "lmstudio": ("~/.lmstudio/mcp.json",) * 3,
    "cline": ("~/.cline/data/settings/cline_mcp_settings.json",) * 3,
    "continue": ("~/.continue/config.yaml",) * 3,
}
"""By host: its settings on Linux, macOS and Windows."""


@pytest.mark.parametrize("name", HOSTS)
def test_each_host_has_its_place_on_each_platform(name: str, tmp_path: Path) -> None:
    for platform, wanted in zip(("linux", "darwin", "win32"), PLACES[name], strict=True):
        for env in ({}, {"APPDATA": str(tmp_path / "moved")}):
            roaming = Path(env.get("APPDATA", tmp_path / "AppData" / "Roaming")).as_posix()
            place = wanted.replace("~", tmp_path.as_posix()).replace("%APPDATA%", roaming)
            assert HOSTS[name].file(Machine(platform, tmp_path, env)).as_posix() == place


PROJECTS = {
    "claude-code": ".mcp.json",
    "cursor": ".cursor/mcp.json",
    "vscode": ".vscode/mcp.json",
    "zed": ".zed/settings.json",
    "codex": ".codex/config.toml",
    "gemini": ".gemini/settings.json",
    "opencode": "opencode.json",
}


@pytest.mark.parametrize("name", HOSTS)
def test_projects_have_files_of_their_own_where_the_host_knows_them(name: str, tmp_path: Path) -> None:
    if name not in PROJECTS:
        with pytest.raises(BadInput, match="has no settings for single projects"):
            HOSTS[name].file(ANN, tmp_path)
        return
    assert HOSTS[name].file(ANN, tmp_path) == tmp_path / PROJECTS[name]
    if name == "opencode":
        (tmp_path / "opencode.jsonc").touch()
        assert HOSTS[name].file(ANN, tmp_path).name == "opencode.jsonc"


def test_a_file_that_its_program_wrote_meanwhile_is_left_as_that_left_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text("{}")
    before = read(file)
    file.write_text('{"written": "meanwhile"}')
    with pytest.raises(BadInput, match="changed meanwhile"):
        write(file, '{"ours": 1}', before)
    assert file.read_text() == '{"written": "meanwhile"}'
    with pytest.raises(BadInput, match="changed meanwhile"):
        write(file, '{"ours": 1}', None)
    assert sorted(os.listdir(tmp_path)) == ["settings.json", "settings.json.before-bridge-mcp"]


@pytest.mark.shows("cli.install-gone")
def test_commands_that_are_gone_are_found(tmp_path: Path) -> None:
    here = Machine("linux", tmp_path, {})
    command = tmp_path / "bridge-mcp"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    for name, started in (("cursor", str(command)), ("codex", "/gone/bridge-mcp"), ("goose", str(command))):
        host, file = HOSTS[name], HOSTS[name].place(here)
        file.parent.mkdir(parents=True)
        file.write_text(added(host, file, None, Launch(started), name="bridge"))
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini" / "settings.json").write_text("{")
    by_host = {each.host: each for each in inspect_hosts(here)}
    assert {name for name, each in by_host.items() if each.names and not each.gone} == {"cursor", "goose"}
    assert by_host["codex"].gone == ("/gone/bridge-mcp",)
    assert by_host["gemini"].wrong
    command.unlink()
    assert {each.host for each in inspect_hosts(here) if each.gone} == {"cursor", "codex", "goose"}


@pytest.mark.parametrize("name", LINKED)
def test_a_link_says_what_an_entry_says(name: str) -> None:
    link = deep_link(name, LAUNCH, name="bridge")
    parts = urlsplit(link)
    if name == "vscode":
        said = json.loads(unquote(parts.query))
        assert said.pop("name") == "bridge"
    else:
        query = parse_qs(parts.query)
        assert query["name"] == ["bridge"]
        said = json.loads(base64.b64decode(query["config"][0]))
    assert said == HOSTS[name].entry(LAUNCH)


def test_arguments_that_an_owner_added_stay() -> None:
    assert merged_args(["--config", "/b"], ["--config=/a", "--scopes", "read"]) == [
        "--config",
        "/b",
        "--scopes",
        "read",
    ]
    assert merged_args(["-m", "bridge_mcp"], ["-m", "bridge_mcp", "--expose", "x"]) == [
        "-m",
        "bridge_mcp",
        "--expose",
        "x",
    ]
    assert merged_args([], ["--config"]) == []


@pytest.mark.parametrize(
    "text",
    [
        "{\n  // nothing yet\n}\n",
        "{\r\n  // nothing yet\r\n}\r\n",
        '{\n  "mcpServers": {\n    // none of mine\n  }\n}\n',
        '{\n  "theme": "dark", // as I like it\n}\n',
    ],
)
def test_a_comment_to_the_end_of_its_line_takes_in_nothing_that_follows(text: str) -> None:
    host, file = HOSTS["cursor"], Path("mcp.json")
    after = added(host, file, text, LAUNCH, name="bridge")
    assert list(entries(host, file, after)) == ["bridge"]
    assert entries(host, file, removed(host, file, after, name="bridge")) == {}
    assert removed(host, file, '{ "mcpServers": { // x\n"bridge": {"command": "bridge-mcp"} }, "a": 1 }', name="bridge")


@pytest.mark.parametrize("text", ["// mine\n", "\ufeff/* mine */", "// mine\r\n// and this\r\n"])
def test_a_file_of_comments_alone_gets_its_servers_behind_them(text: str) -> None:
    host, file = HOSTS["cursor"], Path("mcp.json")
    after = added(host, file, text, LAUNCH, name="bridge")
    assert after.startswith(text.strip("\ufeff\r\n"))
    assert list(entries(host, file, after)) == ["bridge"]


def test_what_is_wrong_with_a_file_is_told_by_its_line() -> None:
    host, file = HOSTS["cursor"], Path("mcp.json")
    for text, where in (('{\n  "a": 1\n  "b": 2\n}', "line 3, column 3"), ("{\n\n  b: 2}", "line 3, column 3")):
        with pytest.raises(BadInput, match=where):
            entries(host, file, text)


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = tmp_path / "mcp.json"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="Free some space"):
        write(file, "{}", None)
    assert list(tmp_path.iterdir()) == []
