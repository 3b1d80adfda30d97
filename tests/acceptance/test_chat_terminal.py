"""`chat` on real terminals of 40 and 80 columns: streaming, editing, verdicts, interrupting, and what is kept of it."""

from __future__ import annotations

import json
import time

import pytest

from tests.acceptance.parts import COMMAND, Home
from tests.acceptance.terminal import Terminal
from tests.servers.slow_stream import slow_stream

UP, DOWN_PASTE, END_PASTE = "\x1b[A", "\x1b[200~", "\x1b[201~"
CTRL_C, CTRL_D = "\x03", "\x04"
SEEN_S = 1.1
"""How long a call has to be on the screen before a `y` means it: here time itself is what is tested."""

SLOW = """\
[models.default]
model = "slow"
base_url = "{address}"
[channels.desk]
type = "local"
"""


def chat(home: Home, *arguments: str, columns: int = 80, **env: str) -> Terminal:
    terminal = Terminal(
        COMMAND, "chat", *arguments, columns=columns, lines=60, env=home.environment(**env), cwd=home.work
    )
    terminal.until("Ctrl-D ends the chat")
    terminal.until("›")
    return terminal


@pytest.mark.shows("cli.chat-terminal")
@pytest.mark.parametrize("columns", [40, 80])
def test_a_reply_streams_and_then_stands_once(home: Home, columns: int) -> None:
    words = "Once upon a time there was a bridge that told everything as it came . ".split(" ")
    with slow_stream(*(f"{word} " for word in words)) as stream:
        home.write(SLOW.format(address=stream.address))
        with chat(home, columns=columns) as screen:
            screen.type("tell me\r")
            stream.let(4)
            screen.until("Once upon a time")
            screen.type("half a th")
            stream.let(4)
            screen.until("there was a bridge")
            screen.until_last("› half a th")
            stream.let(len(words))
            screen.until("assistant Once upon a time there was a bridge that told everything as it came")
            screen.gone("  Once upon", but=1)
            screen.type("ought\r")
            stream.let(len(words))
            screen.until("› half a thought")
            screen.type(CTRL_D)
            assert screen.end() == 0
            assert max(map(len, screen.lines)) <= columns


@pytest.mark.shows("cli.chat-terminal")
def test_the_first_ctrl_c_stops_the_answer_and_the_second_leaves(home: Home) -> None:
    with slow_stream("Never", " ending", " story") as stream:
        home.write(SLOW.format(address=stream.address))
        with chat(home) as screen:
            screen.type("go on\r")
            stream.let()
            screen.until("Never")
            screen.type(CTRL_C)
            screen.until("Stopped.")
            screen.until("Ctrl-C once more leaves.")
            stream.let(2)
            assert stream.hung_up.wait(10), "the model is not paid any longer"
            screen.gone("Never")
            screen.type(CTRL_C)
            assert screen.end() == 0
    last = home.run("log", "desk/main", "--json")
    assert json.loads(last.splitlines()[-1])["kind"] == "Stopped"


@pytest.mark.shows("cli.chat-terminal")
@pytest.mark.parametrize("columns", [40, 80])
def test_y_or_n_decides_the_call_that_is_shown_whole(home: Home, columns: int) -> None:
    home.scripted("connect_timeout_s = 120\n")
    for name in ("one.txt", "two.txt"):
        (home.work / "files" / name).write_text("x", "utf-8")
    hostile = "two.txt" + " " * 90 + "\u202etxt.exe\u2066 /etc/shadow"
    with chat(home, "desk/main", columns=columns) as screen:
        screen.type("delete one.txt\r")
        screen.until("Run files__delete_file? y/n ›")
        screen.until('"path": "one.txt"')
        time.sleep(SEEN_S)
        screen.type("y\r")
        screen.until("approved by owner (cli)")
        screen.until("Deleted one.txt.")
        screen.type(f"delete {hostile}\r")
        screen.until("<U+202E>txt.exe<U+2066> /etc/shadow")
        screen.until("y/n ›")
        assert "\u202e" not in "".join(screen.lines)
        time.sleep(SEEN_S)
        screen.type("what is that?\r")
        screen.until("A call waits first: y or n, and Enter")
        screen.type("n\r")
        screen.until("rejected by owner (cli)")
        screen.until("Not run: it was rejected.")
        screen.type(CTRL_D)
        assert screen.end() == 0
    assert not (home.work / "files" / "one.txt").exists()
    assert (home.work / "files" / "two.txt").exists()


@pytest.mark.shows("cli.chat-terminal")
def test_what_others_write_comes_above_the_line_that_is_typed(home: Home) -> None:
    home.scripted()
    with chat(home, "plain/main") as screen:
        screen.type("I am typ")
        screen.until("I am typ")
        home.run("say", "plain/main", "from another process", "--name", "Ann")
        screen.until("Ann from another process")
        screen.until("echo: from another process")
        screen.until_last("› I am typ")
        screen.type("ing\r")
        screen.until("echo: I am typing")
        assert screen.joined.count("Iamtyping") == 2, "said once, and echoed once"
        screen.type(CTRL_D)
        assert screen.end() == 0


@pytest.mark.shows("cli.chat-terminal")
def test_pastes_tab_and_history(home: Home) -> None:
    home.scripted()
    home.run("say", "plain/kitchen", "soup?")
    secret = "sk-proj-abcdefghijklmnop0123456789"
    with chat(home, "plain/main", PLANTED=secret) as screen:
        screen.type(f"{DOWN_PASTE}first line\nsecond line{END_PASTE}")
        screen.until("second line")
        screen.type("\r")
        screen.until("echo: first line second line")
        screen.type(f"my key is {secret}\r")
        screen.until(f"echo: my key is {secret}")
        screen.type("/who\t")
        screen.until_last("› /whoami")
        screen.type("\r")
        screen.until("You are owner, in plain/main")
        screen.type("/open plain/k\t")
        screen.until_last("› /open plain/kitchen")
        screen.type("\r")
        screen.until("plain/kitchen: /help lists the commands")
        screen.until("soup?")
        screen.type("/whoami\r")
        screen.until("You are owner, in plain/kitchen")
        screen.type("/open telegram/1\r")
        screen.until("error: telegram is no local channel.")
        screen.type(CTRL_D)
        assert screen.end() == 0
    texts = [m["text"] for m in messages(home) if m["kind"] == "Heard"]
    assert texts[0] == "first line\nsecond line"
    kept = home.state / "chat_history"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert secret not in kept.read_text("utf-8")
    assert json.loads(kept.read_text("utf-8").splitlines()[0]) == "first line\nsecond line"
    with chat(home, "plain/main") as screen:
        screen.type("/who" + UP)
        screen.until("› /whoami")
        screen.type("\r")
        screen.until("You are owner, in plain/main")
        screen.type("/quit\r")
        assert screen.end() == 0


def messages(home: Home) -> list[dict[str, str]]:
    """The entries of the first conversation."""
    entries = [json.loads(line) for line in home.run("log", "plain/main", "--json").splitlines()]
    return [{"kind": each["kind"], "text": str(each["entry"].get("text", ""))} for each in entries]


@pytest.mark.shows("cli.chat-terminal")
def test_no_verdict_is_taken_where_the_owner_takes_none_here(home: Home) -> None:
    home.scripted("connect_timeout_s = 120\n[approvals]\ncli = false\n")
    (home.work / "files" / "kept.txt").write_text("x", "utf-8")
    with chat(home, "desk/main") as screen:
        screen.type("delete kept.txt\r")
        screen.until("an approver decides in a chat ([approvals] cli is off)")
        screen.until_last("›")
        time.sleep(SEEN_S)
        screen.type("y\r")
        screen.until("A call waits first: an approver decides in a chat")
        screen.type(CTRL_D)
        assert screen.end() == 0
    assert (home.work / "files" / "kept.txt").exists()


@pytest.mark.shows("cli.say-wait")
def test_say_waits_for_the_answer_and_prints_that_alone(home: Home) -> None:
    home.scripted()
    assert home.run("say", "plain/main", "hello", "--wait") == "echo: hello\n"
    assert "You are owner, in plain/main" in home.run("say", "plain/main", "/whoami", "-w")
    told = home.json("say", "plain/main", "again", "--wait")
    assert (told["outcome"], told["text"]) == ("replied", "echo: again")
    refused = home.run("say", "desk/main", "delete x.txt", "--wait", "--wait-s", "10", code=1)
    assert "A call waits for a verdict: bridge-mcp approvals approve ap_" in refused
    assert '"path": "x.txt"' in refused
    assert "There is no answer after 10 s." in refused


@pytest.mark.shows("cli.say-wait")
def test_say_waits_for_nobody_who_will_not_answer(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\n')
    told = home.run("say", "desk/main", "hello", "--wait", code=1)
    assert "No model answers here" in told
    assert "set BRIDGE_MCP_MODEL" in told
    assert home.run("conversations") == "There is no conversation yet.\n", "nothing was said in vain"


@pytest.mark.shows("cli.conversations")
@pytest.mark.parametrize("columns", [40, 80])
def test_conversations_are_listed_the_most_recent_first(home: Home, columns: int) -> None:
    home.scripted()
    for place, text in (("plain/first", "one"), ("desk/second", "two \u202e lines\nhere")):
        home.run("say", place, text)
    lines = home.run("conversations").splitlines()
    assert [line.split()[0] for line in lines] == ["desk/second", "plain/first"]
    assert "1 message, " in lines[1]
    assert "<U+202E>" in lines[0]
    assert [each["id"] for each in home.json("conversations", "--channel", "plain")["conversations"]] == ["plain/first"]
    assert home.run("conversations", "--query", "nobody") == "No conversation is like that.\n"
    with Terminal(COMMAND, "conversations", columns=columns, env=home.environment(), cwd=home.work) as screen:
        assert screen.end() == 0
        assert max(map(len, screen.lines)) <= columns
        assert "desk/second" in screen.lines[0]


@pytest.mark.shows("cli.progress")
def test_long_work_shows_a_bar_on_a_terminal_and_nothing_in_a_pipe(home: Home) -> None:
    home.scripted()
    for name in ("kitchen", "garden", "attic"):
        home.run("say", f"plain/{name}", "hello")
    with Terminal(COMMAND, "rebuild", columns=60, env=home.environment(), cwd=home.work) as screen:
        screen.end()
        assert "Rebuilding" in screen.seen
        assert "3/3" in screen.seen
        assert screen.lines[0].startswith("Rebuilt 3 conversations"), "the bar is gone in the end"
    done = home.done("rebuild")
    assert (done.returncode, "\x1b" in done.stderr, "Rebuilding" in done.stderr) == (0, False, False)
    with Terminal(
        COMMAND, "log", "plain/attic", "--verify", columns=60, env=home.environment(), cwd=home.work
    ) as screen:
        screen.end()
        assert "Verifying" in screen.seen
        assert "the log is whole" in screen.lines[-1]
