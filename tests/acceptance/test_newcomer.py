"""The path of a newcomer, in an empty home: at terminals of 40 and 80 columns, and in pipes."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time

import pytest

from tests.acceptance.parts import COMMAND, WAIT_S, Home
from tests.acceptance.terminal import Terminal

NAME = "notes  of  mine, " + "and a long name that no terminal shows in one line " * 3 + "end"


def terminal(home: Home, *arguments: str, columns: int, **env: str) -> Terminal:
    return Terminal(COMMAND, *arguments, columns=columns, env=home.environment(**env), cwd=home.work)


def shown(home: Home, *arguments: str, columns: int) -> list[str]:
    """The lines that a command leaves on a terminal."""
    with terminal(home, *arguments, columns=columns) as screen:
        screen.end()
        return screen.lines


def until_connected(home: Home) -> None:
    """Wait for the tool servers of the engine."""
    ends_at = time.monotonic() + WAIT_S
    while any(server["state"] != "ready" for server in home.json("servers", "list")):
        assert time.monotonic() < ends_at
        time.sleep(0.2)


@pytest.mark.parametrize("columns", [40, 80])
def test_the_first_hour_never_meets_silence(home: Home, columns: int) -> None:
    home.config.parent.rmdir()
    with terminal(home, "init", "--template", columns=columns) as screen:
        assert screen.end() == 0
        assert f"Wrote{home.config}." in screen.joined
        assert "Everyhostandcommandofthisuserreadsit." in screen.joined
    with terminal(home, "chat", columns=columns) as screen:
        screen.until("No model answers here")
        screen.until("set BRIDGE_MCP_MODEL")
        screen.type("hello?\r")
        screen.until("hello?")
        screen.type("/nonsense\r/help\r")
        screen.until("/status - this chat")
        screen.type("\x04")
        assert screen.end() == 0


@pytest.mark.shows("cli.terminals")
def test_nothing_is_cut_off_on_terminals_and_in_pipes(home: Home) -> None:
    home.scripted("connect_timeout_s = 120\n")
    with terminal(home, "chat", "desk/main", columns=100) as chat:
        chat.until("Ctrl-D ends the chat")
        until_connected(home)
        chat.type(f"delete {NAME}\r")
        chat.until("/approve ap_")
        (approval,) = home.json("approvals", "list")
        whole = "".join(json.dumps({"path": NAME}, indent=2).split())
        for columns in (40, 80):
            lines = shown(home, "approvals", "list", columns=columns)
            assert max(map(len, lines)) <= columns
            joined = "".join("".join(lines).split())
            for part in (approval["id"], approval["digest"], whole, "files__delete_file"):
                assert part in joined
        piped = home.run("approvals", "list")
        assert not re.search(r"[ \t]+$", piped, re.MULTILINE), "no line ends in blanks"
        assert f'"path": {json.dumps(NAME)}' in piped
        assert f"  {approval['digest']}\n" in piped
        for command in (("status",), ("check", "--no-ask")):
            piped = home.run(*command)
            assert not re.search(r"[ \t]+$", piped, re.MULTILINE)
            assert str(home.config) in piped
            lines = shown(home, *command, columns=40)
            assert max(map(len, lines)) <= 40
            joined = "".join("".join(lines).split())
            assert str(home.config) in joined
            assert str(home.state / "bridge.db") in joined
        assert "1 approval, 0 messages" in home.run("status")
        chat.type("/reject\r")
        chat.type(f"/reject {approval['id']}\r")
        chat.until("Rejected")
        chat.type("\x04")
        assert chat.end() == 0


def test_a_stream_of_any_encoding_is_written_to(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    home.run("say", "desk/main", "Grüße ✓ 你好")
    for encoding in ("ascii", "cp1252"):
        command = [COMMAND, "events", "--after", "0"]
        env = home.environment(PYTHONIOENCODING=encoding)
        told = subprocess.run(command, env=env, cwd=home.work, capture_output=True, check=True)
        assert told.stderr == b""
        assert b"owner: Gr" in told.stdout
        raw = subprocess.run([*command, "--json"], env=env, cwd=home.work, capture_output=True, check=True).stdout
        assert json.loads(raw.decode(encoding))["body"]["text"] == "Grüße ✓ 你好"


def test_a_typing_mistake_begins_no_conversation(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    assert "but one 'desk/main'. Write that, or begin a new one with --new." in home.run(
        "say", "desk/mian", "x", code=1
    )
    home.run("say", "desk/mian", "x", "--new")
    home.run("say", "desk/mian", "once it is there, it is meant")
    home.run("say", "desk/kitchen", "what looks like no other is a new one")


def test_a_terminal_takes_no_verdict_where_the_command_line_may_not(home: Home) -> None:
    home.scripted("[approvals]\ncli = false\n")
    with terminal(home, "chat", "desk/main", columns=100) as chat:
        chat.until("Ctrl-D ends the chat")
        until_connected(home)
        chat.type("delete notes\r")
        chat.until("an approver decides in a chat ([approvals] cli is off)")
        (approval,) = home.json("approvals", "list")
        chat.type(f"/approve {approval['id']}\r")
        chat.until("No verdict is taken on the command line: [approvals] cli is off.")
        chat.type("/status\r")
        chat.until("Waiting: files__delete_file")
        chat.type("\x04")
        assert chat.end() == 0
    assert [each["status"] for each in home.json("approvals", "list")] == ["waiting"]


def test_a_word_in_the_place_of_a_file_makes_none(home: Home) -> None:
    assert "/newbot" in home.run("init", "telegram")
    assert "xoxb" in home.run("init", "Slack")
    home.run("migrate", "--from", "sqlite:///none.db", "--to", "sqlite:///other.db", code=1)
    assert list(home.work.iterdir()) == []


def test_words_that_people_try_first_are_understood(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    assert home.run("help") == home.run("--help")
    assert home.run("help", "install") == home.run("install", "--help")
    assert json.loads(home.run("--json", "status"))["version"]
    assert "no such event yet" in home.run("events")
    assert home.run("events", "--json") == ""


def test_a_home_that_is_none_is_written_nowhere_else(home: Home) -> None:
    """An empty HOME would be the root of all folders, a relative one a folder of the project that is open."""
    for wrong in ("", "somewhere"):
        env = {"HOME": wrong, "XDG_CONFIG_HOME": "", "BRIDGE_MCP_STATE_DIR": ""}
        for command in (
            ("status",), ("init",), ("install", "cursor"), ("completion", "zsh", "--install"),
            ("hook", "claude-code", "--install"),
        ):  # fmt: skip
            assert "home folder is not an absolute path" in home.run(*command, code=1, **env)
    assert list(home.work.iterdir()) == []


def test_a_configuration_that_is_a_broken_link_is_not_taken_for_none(home: Home) -> None:
    """Nobody goes by the defaults where the owner's rules are only out of reach."""
    home.config.symlink_to(home.root / "dotfiles" / "bridge.toml")
    assert "a link that leads nowhere" in home.run("status", code=1)
    assert "a link that leads nowhere" in home.run("check", code=1)
    home.config.unlink()
    home.config.mkdir()
    assert "is no file" in home.run("say", "local/main", "hello", code=1)


def test_what_cannot_be_written_is_told_in_a_line(home: Home) -> None:
    (home.root / ".local").write_text("a file where a folder should be")
    told = home.run("completion", "bash", "--install", code=1)
    assert "cannot be written" in told
    assert "bridge-mcp completion bash > FILE" in told
    told = home.run("check", "--no-ask", code=1, BRIDGE_MCP_STATE_DIR=str(home.root / ".local" / "state"))
    assert "✗ store        The state folder" in told
    assert "✓ channels" in told, "what can be looked at is looked at"


def test_arguments_in_a_command_are_told_where_they_belong(home: Home) -> None:
    home.write('[tool_servers.files]\ncommand = "no-such-program -y files"\n')
    told = home.run("check", "--no-ask", code=1)
    assert "command = 'no-such-program', and in args the rest" in told


def test_a_port_that_is_taken_is_told_in_a_line(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (line,) = home.run("console", "--no-open", "--port", str(port), code=1).splitlines()
    assert f"Cannot listen on 127.0.0.1:{port}" in line
    assert "Choose another port, or 0 for any." in line


def test_nothing_is_no_message(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    for text in ("", "  \n"):
        assert "The message is empty." in home.run("say", "desk/main", text, code=1)
    assert "The message is empty." in home.run("say", "desk/main", "-", code=1)
    assert home.json("conversations")["conversations"] == []
