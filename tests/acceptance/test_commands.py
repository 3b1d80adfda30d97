"""Every command, as the owner runs it, on a state folder of its own."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import tomllib
from contextlib import closing

import pytest

from bridge_mcp import __version__
from bridge_mcp.channels.registry import BUILT_IN
from bridge_mcp.config.schema import File
from bridge_mcp.engine_lock import make_lock
from bridge_mcp.reference import drawn
from tests.acceptance.parts import COMMAND, Home
from tests.servers.postgres import Database

COMMANDS = (
    "approvals",
    "chat",
    "check",
    "demo",
    "events",
    "init",
    "log",
    "migrate",
    "pair",
    "rebuild",
    "say",
    "send",
    "serve",
    "status",
)


def test_version_and_help(home: Home) -> None:
    assert home.run("--version").strip() == __version__
    told = home.run("--help")
    for command in COMMANDS:
        assert re.search(rf"│ {command} ", told), command
    assert "--remember" in home.run("approvals", "approve", "--help")
    assert not home.state.exists(), "help begins nothing"


@pytest.mark.shows("cli.errors")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sned"], "send"),
        (["send", "desk/main"], "TEXT"),
        (["events", "--after", "x"], "--after"),
        (["approvals", "approve", "ap_1", "--remember", "forever"], "--remember"),
        (["--scopes"], "--scopes"),
        (["say", "desk/main", "two", "words"], "goes into quotes"),
        (["console", "--port", "65536"], "--port"),
    ],
)
def test_wrong_usage_is_exit_code_2(home: Home, arguments: list[str], told: str) -> None:
    assert told in home.run(*arguments, code=2)


@pytest.mark.shows("cli.errors")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["send", "nowhere/main", "hi"], "There is no channel 'nowhere'"),
        (["send", "desk", "hi"], "Write channel/chat_id"),
        (["log", "desk/never"], "There is no conversation 'desk/never'. See bridge-mcp conversations."),
        (["forget", "desk/never", "--yes"], "See bridge-mcp conversations."),
        (["scheduled", "--cancel", "x"], "See bridge-mcp scheduled."),
        (["approvals", "approve"], "bridge-mcp approvals list shows their ids."),
        (["service", "install", "--http", "banana"], "HOST:PORT"),
        (["init", "telegrm"], "Did you mean 'telegram'?"),
        (["init", "cursor"], "bridge-mcp install cursor"),
        (["init", "notes"], "neither a platform"),
        (["migrate", "--from", "sqlite:///none.db", "--to", "sqlite:///other.db"], "There is no store at"),
        (["approvals", "approve", "ap_0000000000000000"], "ap_0000000000000000"),
        (["approvals", "revoke", "7"], "There is no grant 7"),
        (["pair", "add", "NOCODE"], "There is no open code"),
        (["pair", "remove", "desk", "1"], "1 is not paired"),
        (["events", "--after", "99"], "cursor"),
        (["events", "--type", "message.lost"], "message.received"),
        (["chat", "nowhere/main"], "There is no channel"),
        (["serve", "--http", "here"], "HOST:PORT"),
        (["serve", "--http", "127.0.0.1:0"], "[clients.NAME]"),
        (["--scopes", "read,root"], "there is no scope 'root'"),
        (["--config", "none.toml"], "bridge-mcp init none.toml"),
        (["status", "--config", "none.toml"], "bridge-mcp init none.toml"),
    ],
)
def test_an_error_is_one_line_with_its_fix_and_exit_code_1(home: Home, arguments: list[str], told: str) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    (line,) = home.run(*arguments, code=1).splitlines()
    assert line.startswith("error: ")
    assert told in line


@pytest.mark.shows("config.mistakes")
def test_all_of_a_bad_configuration_is_told_at_once(home: Home) -> None:
    home.write('[channels.desk]\ntype = "lcal"\n[aprovals]\n')
    for arguments in (["status"], ["check"], []):
        told = home.run(*arguments, code=1)
        assert "2 problems" in told
        assert "channels.desk.type" in told
        assert "Did you mean 'approvals'?" in told
    assert not home.state.exists()


@pytest.mark.shows("cli.init")
def test_init_writes_settings_that_every_host_finds_and_never_writes_over(home: Home) -> None:
    told = home.run("init")
    assert f"Wrote {home.config}." in told
    assert "Every host and command of this user reads it." in told
    assert told.endswith("then run: bridge-mcp check\n")
    text = home.config.read_text("utf-8")
    assert f"✓ settings     {home.config}" in home.run("check")
    assert "is there already" in home.run("init", code=1)
    assert home.config.read_text("utf-8") == text
    assert [path.name for path in home.work.iterdir()] == []


def test_init_elsewhere_says_that_no_host_reads_it_and_how_one_would(home: Home) -> None:
    for arguments, written in ((["elsewhere/my.toml"], "elsewhere/my.toml"), (["--here"], "bridge.toml")):
        told = home.run("init", *arguments)
        target = home.work / written
        assert target.exists()
        assert "No host reads it by itself" in told
        assert told.endswith(f"then run: bridge-mcp --config {target} check\n")
        home.run("--config", str(target), "check")
    assert "Every host and command with this BRIDGE_MCP_CONFIG" in home.run(
        "init", "x.toml", BRIDGE_MCP_CONFIG="x.toml"
    )
    assert "does not say otherwise (x.toml)" in home.run("init", BRIDGE_MCP_CONFIG="x.toml")


@pytest.mark.shows("config.own-file")
def test_a_config_of_the_working_folder_runs_nothing_and_is_named_in_one_line(home: Home) -> None:
    touched = home.root / "owned"
    evil = f'[tool_servers.evil]\ncommand = "touch"\nargs = [{json.dumps(str(touched))}]\n'
    stranger = home.work / "bridge.toml"
    stranger.write_text(evil, "utf-8")
    note = f"note: {stranger} is not taken by itself; to use it: --config {stranger}\n"
    for arguments in (["status"], ["say", "local/main", "x"]):
        done = home.done(*arguments)
        assert (done.returncode, done.stderr) == (0, note), arguments
        assert "evil" not in done.stdout
    assert note in home.done(stdin="").stderr
    assert re.search(r"! settings +.*is not taken by itself; to use it: --config", home.run("check"))
    assert not touched.exists()
    assert home.json("servers", "list", "--config", "bridge.toml")[0]["name"] == "evil"


@pytest.mark.shows("cli.status")
def test_the_file_that_holds_is_told_by_status_check_and_the_start(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    assert str(home.config) in home.run("check")
    assert str(home.config) in home.run("status").replace("\n", "").replace(" ", "")
    assert f"settings: {home.config}" in home.done(stdin="").stderr


@pytest.mark.shows("cli.init")
def test_every_line_that_init_comments_out_is_a_setting_there_is(home: Home) -> None:
    home.run("init")
    lines = home.config.read_text("utf-8").splitlines()
    shown = [re.sub(r"^# (?=\[|\w+ = )", "", line) for line in lines]
    file = File.model_validate(tomllib.loads("\n".join(shown)))
    assert file.channels is not None
    assert {section.type for section in file.channels.values()} == set(BUILT_IN)
    assert file.http.allowed_hosts
    assert file.engine.max_turns == 64


@pytest.mark.shows("cli.messages")
def test_send_say_events_log_and_status(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    assert home.run("send", "desk/main", "first").startswith("sent  desk/main#0")
    again = ("send", "desk/main", "second", "--idempotency-key", "k")
    assert "that key had been used" not in home.run(*again)
    assert "that key had been used" in home.run(*again)
    assert home.json("send", "desk/main", "third")["status"] == "sent"
    home.run("send", "desk/main", "-", stdin="from a pipe")
    told = home.run("say", "desk/main", "what a person says", "--name", "Ann")
    assert told.startswith("said  desk/main#4")
    assert "No engine is running" in told

    events = home.run("events", "--after", "0").splitlines()
    assert [line.split()[2] for line in events] == ["message.sent"] * 4 + ["message.received"]
    assert "Ann: what a person says" in events[-1]
    told = home.run("events", "--after", "0", "--type", "message.received", "--json")
    (event,) = [json.loads(line) for line in told.splitlines()]
    assert (event["conversation"], event["body"]["text"]) == ("desk/main", "what a person says")

    log = home.run("log", "desk/main").splitlines()
    assert [line.split()[2] for line in log] == ["posted"] * 4 + ["heard"]
    assert "first" in log[0]
    assert "from a pipe" in log[3]
    done = home.done("log", "desk/main", "--verify")
    assert done.returncode == 0
    assert "✓ the log is whole" in done.stderr
    entries = [json.loads(line) for line in home.run("log", "desk/main", "--json", "--after", "2").splitlines()]
    assert [(e["seq"], e["kind"]) for e in entries] == [(3, "Posted"), (4, "Heard")]

    status = home.json("status")
    assert (status["version"], status["engine_pid"], status["event_cursor"]) == (__version__, None, 5)
    told = home.run("status")
    assert "desk" in told
    assert "No engine is running" in told


@pytest.mark.shows("store.chain")
def test_verify_finds_what_was_tampered_with(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    home.run("send", "desk/main", "as it was")
    connection = sqlite3.connect(home.state / "bridge.db")
    changed = connection.execute("UPDATE log SET body = replace(body, 'as it was', 'as it never was')").rowcount
    connection.commit()
    connection.close()
    assert changed == 1
    done = home.done("log", "desk/main", "--verify")
    assert done.returncode == 1
    assert "✗ desk/main" in done.stderr


@pytest.mark.shows("cli.reference")
def test_the_reference_is_markdown_in_a_pipe(home: Home) -> None:
    assert home.run("reference", "chat") == drawn("chat")
    assert "Choose from" in home.run("reference", "all", code=2)


def test_pairing_needs_a_channel_that_needs_it(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    assert "Nobody was let in" in home.run("pair", "list")
    assert home.json("pair", "list") == {"pairings": [], "requests": []}
    assert "It needs no pairing" in home.run("pair", "add", "desk", "42", code=1)


def test_migrate_says_from_where_to_where(home: Home) -> None:
    assert re.search(r"is new, at schema version \d+\.$", home.run("migrate").strip())
    assert re.search(r"is at schema version \d+\.$", home.run("migrate").strip())


def test_rebuild_mends_what_stands_beside_the_logs_while_no_engine_runs(home: Home) -> None:
    home.scripted()
    home.run("say", "desk/main", "hello")
    with closing(sqlite3.connect(home.state / "bridge.db")) as connection, connection:
        connection.execute("DELETE FROM messages")
    engine = make_lock(home.state / "engine.lock")
    assert engine.acquire()
    try:
        assert "The engine, another process, works with this store. End that process" in home.run("rebuild", code=1)
    finally:
        engine.release()
    told = home.done("rebuild")
    assert re.fullmatch(r"Rebuilt 1 conversation \(entries: 1\) in \d+\.\d s\.\n", told.stdout), told.stdout
    assert told.stderr == "✓ the logs are whole, and all that is computed from them agrees\n"
    assert told.returncode == 0


@pytest.mark.shows("store.rebuild")
def test_rebuild_mends_a_database_that_nobody_else_has_open(home: Home, store_database: Database) -> None:
    home.write('[store]\nurl_env = "DB"\n[channels.desk]\ntype = "local"\n')
    url = store_database.tcp_url
    home.run("say", "desk/main", "hello", DB=url)
    with store_database.connect() as connection:
        connection.execute("DELETE FROM messages")
    with store_database.connect():
        assert "is in use by 1 other connections. End every host, worker" in home.run("rebuild", code=1, DB=url)
    told = home.done("rebuild", DB=url)
    assert re.fullmatch(r"Rebuilt 1 conversation \(entries: 1\) in \d+\.\d s\.\n", told.stdout), told
    assert told.stderr == "✓ the logs are whole, and all that is computed from them agrees\n"


@pytest.mark.shows("cli.disguise")
def test_what_could_disguise_itself_is_made_visible(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    home.run("say", "desk/main", "safe\u202egnp.exe\u202c \x1b[31mred", "--name", "An\u200bn\u2066")
    for arguments in (["events", "--after", "0"], ["log", "desk/main"]):
        told = home.run(*arguments)
        assert "safe<U+202E>gnp.exe<U+202C> <U+001B>[31mred" in told
        assert "An<U+200B>n<U+2066>" in told
        assert not re.search("[\u202e\u2066\u200b\x1b]", told)
    raw = home.run("events", "--after", "0", "--json")
    assert not re.search("[\u202e\u2066\u200b\x1b]", raw)
    assert json.loads(raw)["body"]["text"] == "safe\u202egnp.exe\u202c \x1b[31mred"


def test_a_conversation_id_that_could_disguise_itself_is_made_visible_by_every_command(home: Home) -> None:
    home.scripted()
    evil = "plain/a\u202eb\u2066\x1b[2Kc\x9b"
    shown = "plain/a<U+202E>b<U+2066><U+001B>[2Kc<U+009B>"
    for arguments, stdin, names_it in (
        (["say", evil, "hello", "--new"], "", True),
        (["send", evil, "hello", "--new"], "", True),
        (["chat", evil, "--log-level", "debug"], "hello\n", True),
        (["events", "--after", "0"], "", True),
        (["log", evil], "", False),
        (["log", evil, "--verify"], "", False),
        (["log", f"{evil}x"], "", True),
        (["approvals", "list", "--conversation", evil], "", False),
        (["status", "--log-level", "debug"], "", False),
        (["check", "--no-ask"], "", False),
    ):
        done = home.done(*arguments, stdin=stdin)
        told = done.stdout + done.stderr
        assert not re.search("[\u202e\u2066\x1b\x9b]", told), arguments
        assert not names_it or shown in told, (arguments, told)


@pytest.mark.shows("cli.check")
def test_check_really_connects_and_each_finding_has_its_fix(home: Home) -> None:
    home.scripted(
        '[tool_servers.gone]\ncommand = "no-such-command-here"\n[models.far]\nmodel = "x"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    told = home.run("check", code=1)
    assert re.search(r"✓ settings +.*bridge\.toml", told)
    assert re.search(r"✓ store +.*bridge\.db, schema version \d+ \(new\)", told)
    assert re.search(r"✓ model default +scripted", told)
    assert re.search(r"✗ model far +Nothing answers at 127\.0\.0\.1:9", told)
    assert re.search(r"✓ server files +connected, 3 tools", told)
    assert re.search(r"✗ server gone +.*no-such-command-here", told)


def test_the_log_level_is_said_by_option_or_environment(home: Home) -> None:
    home.scripted()
    for arguments, env in ((["--log-level", "info"], {}), ([], {"BRIDGE_MCP_LOG": "INFO"})):
        assert "the engine now" in home.done("chat", "plain/main", *arguments, stdin="x\n", **env).stderr
    assert home.done("chat", "plain/main", "--log-level", "error", stdin="x\n", BRIDGE_MCP_LOG="debug").stderr == ""
    assert "The levels are" in home.run("status", code=1, BRIDGE_MCP_LOG="loud")


def test_check_finds_a_store_that_is_none(home: Home) -> None:
    home.state.mkdir()
    (home.state / "bridge.db").write_text("this is no database, and long enough to be sure of it " * 40)
    told = home.run("check", code=1)
    assert re.search(r"✗ store +.*bridge\.db", told)
    findings = home.json("check", code=1)
    assert [finding["what"] for finding in findings if not finding["fine"]] == ["store"]


def test_output_that_nobody_reads_to_its_end_is_no_disaster(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    home.run("send", "desk/main", "x" * 90_000)
    shell = f"'{COMMAND}' log desk/main | head -c 10"
    done = subprocess.run(
        ["sh", "-c", shell],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home.work,
        env=home.environment(),
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
