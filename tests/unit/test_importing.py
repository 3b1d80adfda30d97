"""Other hosts' settings become sections of bridge.toml: legal names, no secrets in clear, nothing there is touched."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.cli.app import run
from bridge_mcp.config import load_config
from bridge_mcp.config.host_files import decoded, servers_in
from bridge_mcp.config.importing import imported
from bridge_mcp.config.schema import File
from bridge_mcp.config.secret_looks import looks_secret
from bridge_mcp.core.errors import BadInput, ConfigError
from tests.cases.play_import import play

CASES = Path(__file__).parents[1] / "cases" / "import"

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
    assert found["odd"] == ({}, "Left out: it has neither a command nor a url (a part of that host itself?).")
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


def section(server: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What becomes of one server: its section ({} if it was left out), and the notes."""
    return by_name(json.dumps({"mcpServers": {"s": server}}))["s"]


X: dict[str, Any] = {"command": "x"}
NPX: dict[str, Any] = {"command": "npx", "args": ["-y", "p"]}
WEB: dict[str, Any] = {"url": "https://x.example/mcp"}


@pytest.mark.shows("tool-servers.import")
@pytest.mark.parametrize(
    ("case", "sections", "left_out"),
    [
        ("block-comment", {"a": X}, {}),
        ("comments", {"a": {"url": "https://x.example//mcp"}, "c": X}, {}),
        ("context-servers", {"z": X | {"args": ["y"]}, "y": X | {"args": ["y"]}}, {}),
        ("line-comment-behind", {"a": X, "b": {"url": "https://x.example//mcp"}}, {}),
        ("opencode", {"n": NPX | {"env": {"A": "b"}}}, {"r": "disabled"}),
        (
            "shapes",
            {
                "one": WEB, "two": NPX, "three": WEB, "five": X | {"env": {"B": "1", "C": "true"}},
                "six": NPX | {"env": {"A": "b"}}, "seven": X | {"timeout_s": 120},
                "eight": X | {"connect_timeout_s": 90}, "ten": X,
            },
            {"four": "disabled", "nine": "disabled"},
        ),
        ("trailing-comma", {"a": X}, {}),
        ("utf16", {"a": X}, {}),
    ],
)  # fmt: skip
def test_the_shapes_of_other_hosts(case: str, sections: dict[str, Any], left_out: dict[str, str]) -> None:
    path = CASES / f"28-{case}.json"
    found = by_name(decoded(path.read_bytes()))
    assert {name: body for name, (body, _) in found.items() if body} == sections
    assert {name for name, (body, _) in found.items() if not body} == set(left_out)
    assert all(why in found[name][1] for name, why in left_out.items())
    told = play(path)
    assert "ghp_" not in told
    assert "as a bridge.toml: fine" in told


@pytest.mark.parametrize(
    "text",
    [
        '[mcp_servers.s]\ncommand = "npx"\nargs = ["-y", "p"]\n',
        '{"projects": {"/a/b": {"mcpServers": {"s": {"command": "npx -y p"}}}}}',
        '{"amp.mcpServers": {"s": {"command": "npx", "args": ["-y", "p"]}}}',
        '{"mcp": {"servers": {"s": {"command": "npx", "args": ["-y", "p"], "type": "stdio"}}}}',
        '{"mcpServers": [{"name": "s", "command": "npx", "args": ["-y", "p"]}]}',
        '{"experimental": {"modelContextProtocolServers": [{"name": "s", "transport": '
        '{"type": "stdio", "command": "npx", "args": ["-y", "p"]}}]}}',
        '{"s": {"command": "npx", "args": ["-y", "p"]}}',
        '{"name": "s", "command": "npx", "args": ["-y", "p", null]}',
        '{"settings": {"mcp": {"servers": {"s": {"command": "npx", "args": "-y p"}}}}}',
        '{"extensions": {}, "mcp": {"inputs": [], "servers": {"s": {"cmd": "npx", "args": ["-y", "p"]}}}}',
    ],
)
def test_servers_are_found_wherever_a_host_keeps_them(text: str) -> None:
    assert by_name(text) == {"s": (NPX, "")}
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        assert decoded(text.encode(encoding)).removeprefix("\ufeff") == text, encoding


@pytest.mark.parametrize(
    ("server", "key", "value"),
    [
        ({"url": "https://x.example/sse", "type": "sse"}, "transport", "sse"),
        (WEB | {"type": "streamableHttp"}, "url", "https://x.example/mcp"),
        (WEB | {"bearer_token_env_var": "TOKEN_OF_MINE"}, "token_env", "TOKEN_OF_MINE"),
        (WEB | {"env_http_headers": {"X-Who": "WHO"}}, "headers_env", {"X-Who": "WHO"}),
        (WEB | {"headers": {"Authorization": "Bearer ${env:MINE}"}}, "token_env", "MINE"),
        (WEB | {"requestInit": {"headers": {"X-Who": "me"}}}, "headers", {"X-Who": "me"}),
        (WEB | {"oauth": {"clientId": "x"}}, "auth", "oauth"),
        (X | {"env_vars": ["A", "B"]}, "env_pass", ["A", "B"]),
        (X | {"env": {"A": "$A"}}, "env_pass", ["A"]),
        (X | {"env": {"DATABASE": "postgres://me:pw@host/db"}}, "env_pass", ["DATABASE"]),
        (X | {"env": {"DB_PASSWORD": "hunter2"}}, "env_pass", ["DB_PASSWORD"]),
        (X | {"enabled_tools": ["a", "b"]}, "allowed_tools", ["a", "b"]),
        (X | {"excludeTools": ["rm"]}, "tools", {"rm": {"confirmation": "required"}}),
        (X | {"timeout": 60}, "timeout_s", 60),
        (X | {"timeout": 9_999_999_999}, "timeout_s", 3600),
        ({"command": ["x"], "timeout": 5000}, "connect_timeout_s", 5),
        (X | {"tool_timeout_sec": 1.5}, "timeout_s", 1.5),
        ({"command": "C:\\Program Files\\x.exe"}, "command", "C:\\Program Files\\x.exe"),
        ({"command": "/Applications/My App/x"}, "command", "/Applications/My App/x"),
        ({"command": "/usr/bin/npx -y p"}, "args", ["-y", "p"]),
        ({"command": '"/My Apps/x" --flag'}, "command", "/My Apps/x"),
    ],
)
def test_what_hosts_say_in_their_own_words(server: dict[str, Any], key: str, value: object) -> None:
    assert section(server)[0][key] == value


@pytest.mark.parametrize(
    ("server", "named"),
    [
        (X | {"frobnicate": 1}, "Not taken over: frobnicate."),
        (X | {"alwaysAllow": ["t"], "trust": True}, "Not taken over: alwaysAllow, trust."),
        (X | {"env": {"A": None}}, "A is null there"),
        (X | {"timeout": 0}, "timeout is not a limit here"),
        (X | {"timeout": "soon"}, "timeout is not a limit here"),
        (X | {"env": {"A": "${B}"}}, "A (there it is B)"),
        (X | {"cwd": "here"}, "relative"),
        (WEB | {"env": {"A": "b"}}, "Not taken over: env"),
        (X | {"headers": {"A": "b"}}, "Not taken over: headers"),
        ({"url": "https://x.example/${ID}"}, "not replaced here"),
        (X | {"excludeTools": ["rm"]}, "excludeTools"),
    ],
)
def test_what_cannot_be_taken_over_is_named(server: dict[str, Any], named: str) -> None:
    assert named in section(server)[1]


@pytest.mark.parametrize(
    "server",
    [
        {"command": "bridge-mcp", "args": ["--scopes", "read"]},
        {"command": "/home/ann/.local/bin/bridge-mcp"},
        {"command": "C:\\Tools\\bridge-mcp.exe"},
        {"command": "uvx", "args": ["--from", "mcp-chat-bridge", "bridge-mcp"]},
        {"command": "uvx", "args": ["mcp-chat-bridge[test]==0.1.0"]},
        {"command": "uv", "args": ["run", "--directory", "/x", "bridge-mcp"]},
        {"command": "pipx", "args": ["run", "--spec", "mcp-chat-bridge", "bridge-mcp"]},
        {"command": "/usr/bin/python3.12", "args": ["-m", "bridge_mcp", "--config", "x"]},
        {"command": "cmd", "args": ["/c", "bridge-mcp"]},
        {"command": "bash", "args": ["-lc", "bridge-mcp --scopes read"]},
        {"command": "env", "args": ["A=b", "bridge-mcp"]},
        {"url": "http://127.0.0.1:8765/mcp"},
    ],
)
def test_the_bridge_itself_is_skipped(server: dict[str, Any]) -> None:
    assert section(server) == ({}, "Left out: it is this bridge itself.")


def test_another_server_may_have_any_name_and_speak_of_the_bridge() -> None:
    found = by_name(
        json.dumps({"mcpServers": {"bridge": X, "other": {"command": "x", "args": ["--for", "bridge-mcp"]}}})
    )
    assert found["bridge-2"] == (X, "It was called 'bridge', which is taken here.")
    assert found["other"][0]["args"] == ["--for", "bridge-mcp"]


@pytest.mark.shows("tool-servers.import")
@pytest.mark.parametrize(
    "server",
    [
        {"command": "npx", "args": ["mcp-remote", "https://x.example", "--header", "Authorization: Bearer SECRET1"]},
        {"command": "docker", "args": ["run", "-e", "GITHUB_TOKEN=SECRET1"]},
        {"command": "x", "args": ["--api-key=SECRET1"]},
        {"command": "x", "args": ["--password", "SECRET1"]},
        {"command": "x", "args": ["postgresql://ann:SECRET1@host/db"]},
        {"command": "x --token SECRET1"},
        {"url": "https://x.example/s/SECRET1a0b1c2d3e4f5a6b7c8d9e0f/mcp"},
        {"url": "https://x.example/mcp#token=SECRET1"},
        {"url": "https://x.example/mcp?key=SECRET1"},
        X | {"env": {"A_TOKEN": "SECRET1"}},
        X | {"env": {"A": '{"token": "sk-SECRET1abcdefgh"}'}},
        WEB | {"headers": {"X-Token": "SECRET1"}},
        WEB | {"headers": {"Authorization": "Bearer SECRET1"}},
        WEB | {"headers": {"Cookie": "a=SECRET1"}},
    ],
)
def test_a_secret_comes_out_nowhere(server: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "host.json"
    file.write_text('/* SECRET1 */ {"mcpServers": {"s": ' + json.dumps(server) + "}} // SECRET1")
    assert "SECRET1" not in play(file)


def test_comments_are_only_where_no_text_is() -> None:
    text = '{"mcpServers": {"a": {"command": "// no \\" /* no */ ,]", /* , */ "args": ["1", // x\n "2", /* */ ],},},}'
    assert servers_in(text) == [("a", {"command": '// no " /* no */ ,]', "args": ["1", "2"]})]


def test_json5_is_read_as_its_hosts_read_it() -> None:
    text = "// mine\n{mcpServers: {'a': {command: 'x', timeout: +5}, a: {command: 'y',}}}"
    assert servers_in(text) == [("a", {"command": "y"})]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"mcpServers": {\n// one\n"a": {"command" "x"}}}', "line 3 cannot be read"),
        ("{mcpServers: {a: {command: 'x', timeout: Infinity}}}", "finite"),
        ("{a:" * 130 + "1" + "}" * 130, "line 1 cannot be read"),
        ('{"mcpServers": {"a": {"command": "x" /* ', "line 1 cannot be read"),
    ],
)
def test_what_is_wrong_with_json5_is_told(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        servers_in(text)


@pytest.mark.parametrize(
    "text", ["/*" * 200_000, '"' + '\\"' * 200_000, ",   " * 100_000, "[" * 100_000, '{"a":' * 100_000]
)
def test_hostile_texts_are_refused_at_once(text: str) -> None:
    with pytest.raises(BadInput):
        imported(text, ())


@pytest.mark.parametrize(
    "server",
    [
        {"command": "x\0y"},
        {"command": "x", "env": {"A": "a\0"}},
        {"url": "ftp://x.example"},
        {"url": "https://"},
        {"command": {"no": "path"}},
        {"command": []},
        [],
        None,
        "npx",
    ],
)
def test_what_cannot_be_a_section_is_left_out_with_the_reason(server: Any) -> None:
    body, notes = by_name(json.dumps({"mcpServers": {"s": server, "t": X}}))["s"]
    assert body == {}
    assert notes.startswith("Left out: ")


@pytest.mark.shows("tool-servers.import")
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
