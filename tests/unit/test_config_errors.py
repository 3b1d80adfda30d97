"""What is wrong with a configuration is said at once: file, key and fix, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge_mcp.config import load_config
from bridge_mcp.core.errors import ConfigError

BOT = '[channels.t]\ntype = "telegram"\ntoken_env = "BOT"\n'
MODEL = '[models.default]\nmodel = "x"\n'
LOCAL = '[channels.desk]\ntype = "local"\n'


def wrong(folder: Path, text: str, **env: str) -> str:
    """What the owner is told of this file."""
    (folder / "bridge.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config("bridge.toml", env={"BRIDGE_MCP_STATE_DIR": str(folder / "state")} | env, cwd=folder)
    assert str(folder / "bridge.toml") in str(caught.value)
    assert not (folder / "state").exists(), "nothing is begun"
    return str(caught.value)


@pytest.mark.shows("config.mistakes")
@pytest.mark.parametrize(
    ("text", "key", "fix"),
    [
        ("[aprovals]\n", "aprovals", "Did you mean 'approvals'?"),
        (LOCAL + 'respnder = "relay"\n', "channels.desk.respnder", "Did you mean 'responder'?"),
        (LOCAL + "zzz = 1\n", "channels.desk.zzz", "The keys here are: type, "),
        (LOCAL + 'responder = "robot"\n', "channels.desk.responder", "'assistant', 'relay' or 'off'"),
        ("[channels.desk]\n", "channels.desk.type", "missing"),
        *[
            (LOCAL.replace("desk", taken), f"channels.{taken}: this name is taken", "Use another name, also in routes")
            for taken in ("calls", "gate", "hook", "channel", "request", "oauth")
        ],
        (LOCAL + 'model = "fsat"\n[models.fast]\nmodel = "x"\n', "channels.desk.model", "Did you mean 'fast'?"),
        (LOCAL + 'responder = "assistant"\n', "channels.desk.responder", "BRIDGE_MCP_MODEL"),
        (LOCAL + 'tool_servers = ["file"]\n[tool_servers.files]\ncommand = "x"\n', "tool_servers", "'files'"),
        (LOCAL + 'system_prompt_file = "no.md"\n', "channels.desk.system_prompt_file", "no.md"),
        (LOCAL + 'system_prompt = "a"\nsystem_prompt_file = "bridge.toml"\n', "system_prompt_file", "Keep one"),
        (LOCAL + 'token_env = "HOME"\n', "channels.desk.token_env", "there is no such key"),
        ('[channels.t]\ntype = "telegram"\n', "channels.t", "token_env"),
        (BOT + 'api_base_url = "x"\n', "channels.t.api_base_url", "https://"),
        ('[channels.t]\ntype = "telegram"\ntoken_env = "LONG"\n', "channels.t.token", "@BotFather"),
        (BOT + BOT.replace(".t", ".u"), "channels.u.token: t has the same", "bot of its own"),
        (BOT + 'webhook_url = "https://h/x"\n', "channels.t.webhook_url", "Give both"),
        (BOT + 'webhook_listen = "h:1"\n', "channels.t.webhook_listen", "Give both"),
        (BOT + 'webhook_url = "https://h/x"\nwebhook_listen = "here"\n', "webhook_listen", "127.0.0.1:8443"),
        (BOT + 'webhook_url = "h"\nwebhook_listen = "h:1"\n', "webhook_url", "https://"),
        (BOT + 'webhook_url = "https://h/x"\nwebhook_listen = "h:1"\nwebhook_secret_env = "SHORT"\n',
         "channels.t.webhook_secret", "secrets.token_urlsafe"),
        (BOT + 'webhook_secret_env = "LONG"\n', "channels.t.webhook_secret_env", "webhook_url and webhook_listen"),
        (BOT + 'poll_timeout_s = 60\n', "channels.t.poll_timeout_s", "less than or equal to 50"),
        (BOT + 'groups = "all"\n', "channels.t.groups", "'mention', 'always' or 'observe'"),
        (BOT + '[channels.t.chats."-5"]\ngroups = "all"\n', "channels.t.chats.-5.groups", "'observe'"),
        (BOT + '[channels.t.chats.family]\ngroups = "always"\n', 'channels.t.chats."family"', "number"),
        (LOCAL + 'groups = "always"\n', "channels.desk.groups", "there is no such key"),
        ('[channels.calls]\ntype = "local"\n', "channels.calls", "another name"),
        ('[channels."a b"]\ntype = "local"\n', 'channels."a b"', "letters"),
        ('[channels.d]\ntype = "fax"\n', "channels.d.type", "The types are: local, telegram, slack"),
        ("[approvals]\nseparate = true\n[clients.stdio]\nperson_decides = true\n",
         "clients.stdio.person_decides", "Take one of the two away"),
        ('[models.default]\nmodel = "x"\nscript = "s"\n', "models.default.script", "scripted"),
        ('[models.default]\nmodel = "scripted"\nscript = "no.toml"\n', "models.default.script", "no.toml"),
        ('[models.default]\nmodel = "x"\nbase_url = "host:1"\n', "models.default.base_url", "http"),
        ('[models.default]\nmodel = "x"\nusd_per_million_input = 2\n', "usd_per_million_input", "Set both"),
        ('[models.default]\nmodel = "x"\nusd_per_million_cached = 2\n', "usd_per_million_cached", "Set both"),
        ('[models.default]\nmodel = "x"\nusd_per_million_output = -2\n', "usd_per_million_output", "greater than"),
        (MODEL + "first_token_s = 0\n", "models.default.first_token_s", "greater than 0"),
        (MODEL + 'stream = "yes"\n', "models.default.stream", "boolean"),
        (MODEL + "vision = 1\n", "models.default.vision", "boolean"),
        (MODEL + 'pdf = "auto"\n', "models.default.pdf", "boolean"),
        (MODEL + 'via = "sdk"\n', "models.default.via", "'auto', 'openai' or 'litellm'"),
        (MODEL + "context_tokens = 999\n", "models.default.context_tokens", "greater than or equal to 1000"),
        (MODEL + "context_tokens = 8e3\n", "models.default.context_tokens", "integer"),
        (MODEL + "reserve_tokens = -1\n", "models.default.reserve_tokens", "greater than or equal to 0"),
        (LOCAL + MODEL + "context_tokens = 8000\nreserve_tokens = 4001\n",
         "models.default.reserve_tokens: that leaves less than half of the 8,000", "Lower it, or leave it out"),
        (LOCAL + "image_turns = -1\n", "channels.desk.image_turns", "greater than or equal to 0"),
        (LOCAL + 'summarise = "never"\n', "channels.desk.summarise", "boolean"),
        (LOCAL + 'while_busy = "wait"\n', "channels.desk.while_busy", "'join', 'queue' or 'interrupt'"),
        (LOCAL + 'chat_context = "off"\n', "channels.desk.chat_context", "boolean"),
        (LOCAL + 'timezone = "Berlin"\n', "channels.desk.timezone: there is no time zone 'Berlin'", "Europe/Berlin"),
        (LOCAL + 'timezone = "../etc/passwd"\n', "channels.desk.timezone", "Europe/Berlin"),
        ('[tool_servers.s]\ncommand = "x"\ninstructions = "all"\n', "tool_servers.s.instructions", "boolean"),
        ("[tool_servers.s]\n", "tool_servers.s", "exactly one"),
        ('[tool_servers.s]\ncommand = "x"\nurl = "http://h/mcp"\n', "tool_servers.s", "exactly one"),
        ('[tool_servers.s]\ncommand = "x"\nheaders = { a = "b" }\n', "tool_servers.s.headers", "Remove it"),
        ('[tool_servers.s]\nurl = "http://h/mcp"\nargs = ["b"]\n', "tool_servers.s.args", "Remove it"),
        ('[tool_servers.s]\nurl = "h"\n', "tool_servers.s.url", "http"),
        ('[tool_servers.s]\ncommand = "x"\ntimeout_s = 0\n', "tool_servers.s.timeout_s", "greater than 0"),
        ('[tool_servers.s]\ncommand = "x"\n[tool_servers.s.tools."d_*"]\nconfirm = "never"\n',
         'tool_servers.s.tools."d_*".confirm', "'confirmation'"),
        ('[approvals]\nroute = "desk"\n' + LOCAL, "approvals.route", "channel/chat_id"),
        ('[approvals]\nroute = "dsk/1"\n' + LOCAL, "approvals.route", "Did you mean 'desk'?"),
        ("[approvals]\nexpires_s = -1\n", "approvals.expires_s", "greater than or equal to 0"),
        ("[clients.c]\n", "clients.c", "token_env"),
        ('[clients.c]\ntoken_env = "SHORT"\n', "clients.c.token", "secrets.token_urlsafe"),
        ('[clients.c]\ntoken_env = "LONG"\nscopes = ["root"]\n', "clients.c.scopes", "'admin'"),
        ('[clients.c]\ntoken_env = "LONG"\nchannels = ["dek"]\n' + LOCAL, "clients.c.channels", "Did you mean 'desk'?"),
        ('[clients.c]\ntoken_env = "LONG"\n[clients.d]\ntoken_env = "LONG"\n', "clients.d.token", "c has the same"),
        ('[clients.stdio]\ntoken_env = "LONG"\n', "clients.stdio", "Remove it"),
        ('[store]\nurl = "mysql://h/db"\n', "store.url", "sqlite:///PATH"),
        ('[store]\nurl = "postgresql://h/db"\n', "store.url", "?sslmode=verify-full"),
        ('[store]\nurl = "postgresql://h/db?sslmode=prefer"\n', "store.url", "?sslmode=verify-full"),
        ('[store]\nurl = "postgresql://me:pw@localhost/db"\n', "store.url", "url_env"),
        ('[store]\nurl = "postgresql:///db?password=pw"\n', "store.url", "url_env"),
        ('[store]\nurl = "sqlite:///a.db"\nurl_env = "X"\n', "store.url", "Keep one"),
        ('[store]\nurl = "postgresql:///db"\ndirect_url = "http://h"\n', "store.direct_url", "postgresql://"),
        ("[engine]\nmax_turns = 0\n", "engine.max_turns", "greater than or equal to 1"),
        ("[engine]\nmax_turns = true\n", "engine.max_turns", "integer"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_key_and_its_fix(tmp_path: Path, text: str, key: str, fix: str) -> None:
    told = wrong(tmp_path, text, SHORT="shrt", LONG="a-token-that-is-long", BOT="1:planted")
    assert f"{key}" in told
    assert fix in told
    assert "\n" not in told, "one mistake is one line"


@pytest.mark.shows("config.mistakes")
def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = wrong(
        tmp_path,
        '[channels.t]\ntype = "telegram"\ntoken_env = "NOPE"\nmodel = "m"\ntool_servers = ["a", "b"]\n'
        '[clients.c]\ntoken_env = "ALSO_NOPE"\n',
    )
    assert "5 problems" in told
    for part in ("NOPE", "channels.t.model", "'a'", "'b'", "ALSO_NOPE"):
        assert part in told


@pytest.mark.shows("config.missing-secret")
def test_a_missing_secret_stops_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bridge.toml").write_text("""
        [models.default]
        model = "x"
        api_key_env = "KEY_NOT_SET"
        [channels.t]
        type = "telegram"
        token_env = "BOT_NOT_SET"
        [channels.u]
        type = "telegram"
        token_file = "no"
        [tool_servers.far]
        url = "http://127.0.0.1:9/mcp"
        headers_env = { X-Key = "HEADER_NOT_SET" }
        [tool_servers.near]
        command = "x"
        [clients.c]
        token_file = "empty"
        [clients.d]
        token_env = "THERE"
        """)
    config = load_config(
        "bridge.toml", env={"BRIDGE_MCP_STATE_DIR": str(tmp_path / "s"), "THERE": "x" * 16}, cwd=tmp_path
    )
    fix = "The environment variable {0} is not set. Set {0} and start again."
    assert config.models["default"].lacking == fix.format("KEY_NOT_SET")
    telegram = {name: each.lacking for name, each in config.channels.items()}
    assert telegram["t"] == fix.format("BOT_NOT_SET")
    assert telegram["u"].startswith(f"{tmp_path / 'no'} cannot be read: No such file")
    assert {server.name: server.lacking for server in config.tool_servers} == {
        "far": fix.format("HEADER_NOT_SET"),
        "near": "",
    }
    assert [client.name for client in config.clients] == ["d"]
    assert config.lacking["clients.c.token_file"] == f"{tmp_path / 'empty'} is empty. Write the secret into that file."
    assert set(config.lacking) == {
        "models.default.api_key_env",
        "channels.t.token_env",
        "channels.u.token_file",
        "tool_servers.far.headers_env.X-Key",
        "clients.c.token_file",
    }


def test_a_secret_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    told = wrong(tmp_path, '[channels.t]\ntype = "telegram"\ntoken = "123:planted"\n')
    assert "planted" not in told
    assert "token_env or token_file" in told
    told = wrong(tmp_path, '[models.default]\nmodel = "x"\napi_key = "sk-planted"\n')
    assert "planted" not in told
    assert "api_key_env or api_key_file" in told


@pytest.mark.parametrize("text", ["[channels\n", "a = = 1\n"])
def test_what_is_no_toml_names_the_line(tmp_path: Path, text: str) -> None:
    told = wrong(tmp_path, text)
    assert "not valid TOML" in told
    assert "line 1" in told


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(
            "bridge.toml", env={"BRIDGE_MCP_STATE_DIR": str(tmp_path / "s"), "HOME": str(tmp_path)}, cwd=tmp_path
        )


@pytest.mark.parametrize(
    ("text", "line", "example"),
    [
        (LOCAL + 'tool_servers = "time"\n', "(line 3)", 'Write it as a list: tool_servers = ["…"]'),
        ("[approvals]\nexpires_s = '5'\n", "(line 2)", "Write a number, without quotes: expires_s = 10"),
        ('[clients.stdio]\n\nperson_decides = "yes"\n', "(line 3)", "without quotes: person_decides = true"),
        ("[models.default]\nmodel = 5\n", "(line 2)", 'Write it in quotes: model = "…"'),
        ("approvals = 5\n", "(line 1)", "Write it as a section of its own: [approvals]"),
        ("[engine]\nmax_turns = 1.5\n", "(line 2)", "without quotes: max_turns = 10"),
        ('[tool_servers.t]\ncommand = "x"\nenv = "A=b"\n', "(line 3)", "Write it as a table: env = {"),
        ('[tool_servers.t]\ncommand = "x"\n[tool_servers.t.tools."a b"]\nwait = 1\n', "(line 4)", "The keys here are"),
    ],
)
def test_a_value_of_the_wrong_kind_is_told_with_its_line_and_how_to_write_it(
    tmp_path: Path, text: str, line: str, example: str
) -> None:
    told = wrong(tmp_path, text)
    assert line in told
    assert example in told


def test_one_pass_finds_the_wrong_shapes_and_the_wrong_meanings_and_accuses_nobody_else(tmp_path: Path) -> None:
    told = wrong(
        tmp_path,
        '[models.fast]\nmodel = 5\n[channels.desk]\ntype = "local"\nmodel = "fast"\n'
        '[channels.other]\ntype = "local"\nmodel = "none"\n[tool_servers.t]\nurl = "h"\n[aprovals]\n',
    )
    assert "4 problems" in told
    for part in ("models.fast.model", "channels.other.model", "tool_servers.t.url", "aprovals"):
        assert part in told
