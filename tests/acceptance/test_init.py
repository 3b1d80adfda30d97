"""`init` at a terminal, in an empty home: what it asks, tries and writes, and that Ctrl-C leaves nothing."""

from __future__ import annotations

import tomllib

import pytest

from bridge_mcp.cli.init_channels import CHANNELS
from tests.acceptance.parts import COMMAND, Home
from tests.acceptance.terminal import Terminal
from tests.servers.model_apis.openai_server import OpenAIServer
from tests.servers.telegram import TelegramServer

CLEAR = "\x15"
KEY = "sk-a-key-that-nobody-may-see"
WHO, WHERE, ELSE = "Who answers in the chats?", "Where do people write?", "Where else do people write?"
ADDRESS, NAME, SECRET = "The endpoint's address:", "The model's name there:", "Its key (nothing: none is needed):"
LAST = CHANNELS[-1].title
SERVER, TOKEN = "The server's address:", "The bot's token, from @BotFather (/newbot):"


def started(home: Home, *arguments: str, columns: int = 80) -> Terminal:
    """`init` in a terminal, in a home without anything of the bridge."""
    if home.config.parent.exists():
        home.config.parent.rmdir()
    (home.root / "tmp").mkdir(exist_ok=True)
    env = home.environment(PROMPT_TOOLKIT_NO_CPR="1", TMPDIR=str(home.root / "tmp"))
    return Terminal(COMMAND, "init", *arguments, columns=columns, env=env, cwd=home.work)


def answer(screen: Terminal, *steps: tuple[str, str]) -> None:
    """Wait for each question, and answer it."""
    for question, said in steps:
        screen.until(question)
        screen.type(f"{said}\r")


def files_in(home: Home) -> list[str]:
    return sorted(str(each.relative_to(home.root)) for each in home.root.rglob("*") if each.is_file())


@pytest.mark.shows("cli.init-asks")
@pytest.mark.parametrize("columns", [40, 100])
def test_it_tries_what_it_is_told_and_writes_what_works(home: Home, columns: int) -> None:
    (home.root / ".codex").mkdir()
    (home.root / ".codex" / "config.toml").write_text("# mine\n")
    with OpenAIServer() as model, TelegramServer() as telegram, started(home, columns=columns) as screen:
        answer(
            screen,
            (f"{WHO} 1", "9"),
            ("One of 1 to 3. Number [1]:", "3"),
            (ADDRESS, f"{CLEAR}http://127.0.0.1:9/v1"),
            (NAME, f"{CLEAR}house"),
            (SECRET, KEY),
            ("Nothing answers at 127.0.0.1:9", "1"),
            (f"1 {ADDRESS}", f"{CLEAR}{model.url}"),
            (f"{model.url} {NAME}", f"{CLEAR}house"),
            (f"{model.url} {NAME} house {SECRET}", KEY),
            (WHERE, "3"),
            (SERVER, f"{CLEAR}{telegram.url}"),
            (TOKEN, "123:not-a-bot"),
            ("does not know this token", "1"),
            (f"1 {SERVER}", f"{CLEAR}{telegram.url}"),
            (f"[1]: 1 {SERVER} {telegram.url} {TOKEN}", telegram.token),
            (f"{ELSE} 1", ""),
            ("Which MCP host shall start it?", "1"),
        )
        assert screen.end() == 0
        shown = screen.joined
        token = telegram.token
    assert "✓modeldefaultopenai/houseanswers" in shown
    assert f"Wrote{home.config}." in shown
    assert "✓hostcodexstartsitas'bridge'" in shown
    assert KEY not in shown
    assert token not in shown
    said = tomllib.loads(home.config.read_text())
    assert said["models"]["default"]["api_key_file"] == "secrets/default.api_key"
    assert said["channels"]["telegram"]["token_file"] == "secrets/telegram.token"
    secrets = home.config.parent / "secrets"
    assert {each.name: each.read_text() for each in secrets.iterdir()} == {
        "default.api_key": f"{KEY}\n",
        "telegram.token": f"{token}\n",
    }
    for each in (home.config, *secrets.iterdir()):
        assert each.stat().st_mode & 0o777 == 0o600
    assert secrets.stat().st_mode & 0o777 == 0o700
    entry = tomllib.loads((home.root / ".codex" / "config.toml").read_text())["mcp_servers"]["bridge"]
    assert entry["args"] == ["--config", str(home.config)]
    holders = [each for each in files_in(home) if KEY.encode() in (home.root / each).read_bytes()]
    assert holders == ["config/bridge-mcp/secrets/default.api_key"]
    assert "is there already" in home.run("init", code=1)


@pytest.mark.shows("cli.init-asks")
@pytest.mark.parametrize("at", range(6))
def test_ctrl_c_at_any_question_leaves_nothing(home: Home, at: int) -> None:
    with started(home) as screen:
        questions = [
            ("vLLM, …) Number [1]:", "3"), (ADDRESS, f"{CLEAR}http://127.0.0.1:9/v1"), (NAME, ""), (SECRET, KEY),
            ("Leave it out Number [1]:", "2"), (f"{LAST} Number [1]:", "2"),
        ]  # fmt: skip
        answer(screen, *questions[:at])
        screen.until(questions[at][0])  # the prompt itself: before it the terminal takes Ctrl-C for itself
        screen.type("\x03")
        assert screen.end() == 130
        assert "Nothingwaswritten." in screen.joined
    assert files_in(home) == []
    assert not home.config.parent.exists()
    assert list((home.root / "tmp").iterdir()) == []


def test_without_a_model_it_takes_two_answers_and_another_file_is_named(home: Home) -> None:
    with started(home, "--here") as screen:
        answer(screen, (f"{WHO} 1", ""), (WHERE, ""))
        assert screen.end() == 0
        assert "Nohostreadsitbyitself" in screen.joined
    assert home.run("check", "--config", str(home.work / "bridge.toml"), "--no-ask")
    assert not home.config.exists()


def test_a_terminal_that_ends_is_a_no(home: Home) -> None:
    with started(home) as screen:
        screen.until("vLLM, …) Number [1]:")
        screen.type("\x04")
        assert screen.end() == 130
    assert files_in(home) == []


def test_what_is_left_out_is_told_by_its_key_and_what_is_left_to_do_at_the_end(home: Home) -> None:
    with started(home) as screen:
        answer(
            screen,
            (f"{WHO} 1", "3"),
            (ADDRESS, f"{CLEAR}localhost:11434"),
            (NAME, ""),
            (SECRET, ""),
            ("Leave it out Number [1]:", "3"),
            (f"{LAST} Number [1]:", ""),
        )
        assert screen.end() == 0
        shown = screen.joined
    assert "✗models.defaultbase_url:thisisnotanhttporhttpsaddress." in shown
    assert "Haveahost'smodelanswer" in shown
