"""`bridge-mcp hook` as agents call it: a process with the call on standard input, beside a bridge that is up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.hooks.hosts import HOSTS
from tests.acceptance.parts import COMMAND, WAIT_S, Home
from tests.cases.hook_inputs import hook_event, hook_input

CONFIG = """\
[channels.desk]
type = "local"
responder = "relay"
[approvals]
route = "desk/main"
"""


class Hook:
    """One hook that an agent has called."""

    def __init__(self, home: Home, host: str, told: str, options: Sequence[str] = (), **env: str) -> None:
        self.process = subprocess.Popen(
            [COMMAND, "hook", host, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home.work,
            env=home.environment(**env),
        )
        assert self.process.stdin is not None
        self.process.stdin.write(told.encode())
        self.process.stdin.close()
        self.process.stdin = None

    def answer(self, code: int = 0) -> Any:
        """What it told its agent, as JSON; None for nothing."""
        out, err = self.process.communicate(timeout=WAIT_S)
        assert self.process.returncode == code, err
        return json.loads(out) if out else None


@contextmanager
def served(home: Home) -> Generator[None]:
    """A bridge that is up."""
    home.write(CONFIG)
    with subprocess.Popen(
        [COMMAND, "serve"], cwd=home.work, env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            assert process.stdout is not None
            assert b"The bridge is up" in process.stdout.readline()
            yield
        finally:
            process.terminate()
            process.wait(WAIT_S)


def waiting(home: Home, number: int = 1) -> list[dict[str, Any]]:
    """The approvals that wait, once they are so many."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = home.json("approvals", "list")
        if len(found) >= number:
            return found
    raise AssertionError("nobody was asked")


def outcome(home: Home, conversation: str) -> dict[str, Any]:
    """How the log of a call ended, once it has."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        entries = [json.loads(line) for line in home.run("log", conversation, "--json").splitlines()]
        for each in entries:
            if each["kind"] == "Finished":
                return each["entry"]
    raise AssertionError("it never ended")


@pytest.mark.shows("approvals.hook-asked")
def test_agents_ask_in_the_chat_and_are_answered_in_their_own_words(home: Home) -> None:
    with served(home):
        asked = {host: Hook(home, host, hook_input(host, "asks")) for host in HOSTS}
        found = {each["requested_by"].removeprefix("hook:"): each for each in waiting(home, len(HOSTS))}
        assert set(found) == set(HOSTS)
        ids = [found[host]["id"] for host in HOSTS]
        home.run("approvals", "approve", *ids[:3])
        home.run("approvals", "reject", ids[3], "not now")
        home.run("say", "desk/main", f"/approve {ids[4]}")
        answers = {host: asked[host].answer() for host in HOSTS}
        assert answers["claude-code"]["hookSpecificOutput"]["decision"] == {"behavior": "allow"}
        assert answers["codex"]["hookSpecificOutput"]["decision"] == {"behavior": "allow"}
        assert answers["cursor"] == {"permission": "allow"}
        assert answers["gemini"] == {"decision": "deny", "reason": "Rejected by owner: not now"}
        assert answers["copilot"] == {"permissionDecision": "allow"}
        told = Hook(home, "claude-code", hook_input("claude-code", "done"))
        assert told.answer() is None
        assert outcome(home, found["claude-code"]["conversation"])["outcome"] == "ok"

        killed = Hook(home, "claude-code", hook_input("claude-code", "asks", session_id="other"))
        (approval,) = waiting(home)
        killed.process.send_signal(signal.SIGTERM)
        told_nothing, _ = killed.process.communicate(timeout=WAIT_S)
        assert told_nothing == b""
        assert killed.process.returncode in (0, -signal.SIGTERM), "the signal may come before the hook listens for it"
        assert outcome(home, approval["conversation"])["outcome"] == "undelivered"
        (lapsed,) = home.json("approvals", "list", "--status", "cancelled")
        assert "gone" in lapsed["note"]


def asked(home: Home, text: str) -> None:
    """Wait until a question stands in the chat."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        told = home.run("events", "--json").splitlines()
        if any(text in line for line in told):
            return
    raise AssertionError("nothing was asked")


@pytest.mark.shows("approvals.hook-asked")
def test_questions_and_plans_of_an_agent_are_answered_in_the_chat(home: Home) -> None:
    """By processes as Claude Code starts them: what a person writes is what its hook answers."""
    with served(home):
        question = Hook(home, "claude-code", hook_input("claude-code", "question"))
        asked(home, "Which color?")
        home.run("say", "desk/main", "blue")
        asked(home, "Which sizes?")
        home.run("say", "desk/main", "small, LARGE")
        answers = question.answer()["hookSpecificOutput"]["decision"]["updatedInput"]["answers"]
        assert answers == {"Which color?": "Blue", "Which sizes?": "Small, Large"}
        plan = Hook(home, "claude-code", hook_input("claude-code", "plan"))
        asked(home, "Shall it begin?")
        home.run("say", "desk/main", "keep planning")
        said = json.dumps(plan.answer()["hookSpecificOutput"])
        assert "The plan was not approved: keep planning." in said
        assert "allow" not in said


def test_where_nobody_is_known_the_answer_says_what_to_set(home: Home) -> None:
    home.write('[channels.desk]\ntype = "local"\nresponder = "relay"\n')
    with subprocess.Popen(
        [COMMAND, "serve"], cwd=home.work, env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            assert process.stdout is not None
            assert b"The bridge is up" in process.stdout.readline()
            for name in ("asks", "question"):
                hook = Hook(home, "claude-code", hook_input("claude-code", name), ["--unattended"])
                told = json.dumps(hook.answer())
                assert "knows nobody to ask" in told
                assert 'route = \\"CHANNEL/CHAT\\" under [approvals]' in told
        finally:
            process.terminate()
            process.wait(WAIT_S)


def test_without_an_engine_nobody_is_told_yes(home: Home) -> None:
    home.write(CONFIG)
    hooks = [Hook(home, host, hook_input(host, "asks"), ["--unattended"]) for host in ("cursor", "gemini")]
    for told in [json.dumps(hook.answer()) for hook in hooks]:
        assert "no engine running" in told
        assert "deny" in told


def test_what_cannot_be_read_is_a_no(home: Home) -> None:
    for told, config in (("no json", CONFIG), ("[]", CONFIG), (hook_input("cursor", "asks"), "[nonsense")):
        home.write(config)
        done = home.done("hook", "cursor", stdin=told)
        if config == CONFIG:
            assert (done.returncode, done.stdout) == (2, "")
            assert "could not read what the hook was told" in done.stderr
        else:
            assert json.loads(done.stdout)["permission"] == "ask"
            assert "not valid TOML" in json.loads(done.stdout)["user_message"]


@pytest.mark.parametrize("name", ["asks", "done"])
def test_a_hook_loads_no_mcp_and_never_becomes_the_engine(home: Home, name: str) -> None:
    home.write(CONFIG)
    names = "('mcp', 'mcp_types', 'fastmcp', 'litellm', 'telegram')"
    script = (
        "import sys; from bridge_mcp.cli import main; code = main(['hook', 'claude-code', '--wait-s', '0']);"
        f"print(code, [n for n in {names} if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=hook_input("claude-code", name), capture_output=True, text=True,
        timeout=60, cwd=home.work, env=home.environment(), check=False,
    )  # fmt: skip
    assert done.stderr.endswith("0 []\n"), done.stderr
    assert not (home.state / "engine.pulse").exists()


@pytest.mark.shows("cli.hook-light")
def test_the_first_half_loads_next_to_nothing(home: Home) -> None:
    """What stands between an agent's call and the log: no library, and little of the standard library."""
    home.write(CONFIG)
    home.run("status")
    script = (
        "import sys, os; from bridge_mcp.cli import hook, start; from bridge_mcp.callers import CallerLock;"
        "from bridge_mcp.hooks import filing, store_files; from bridge_mcp.hooks.hosts import host_named;"
        "there = store_files.usual_files(None, os.environ); host = host_named('claude-code');"
        "call = host.read(hook.read_input(), os.environ);"
        "lock = CallerLock(there.callers).__enter__(); name = filing.request(there.store, host, call, lock.name);"
        "heavy = ('asyncio', 'typing', 'dataclasses', 'pathlib', 'msgspec', 'anyio', 'logging', 'inspect');"
        "print(name[:6], [n for n in heavy if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=hook_input("claude-code", "asks"), capture_output=True, text=True,
        timeout=60, cwd=home.work, env=home.environment(), check=True,
    )  # fmt: skip
    assert done.stdout == "calls/ []\n"


@pytest.mark.shows("cli.hook-settings")
def test_an_agent_s_settings_are_changed_and_changed_back(home: Home) -> None:
    settings = home.root / ".claude" / "settings.json"
    settings.parent.mkdir()
    before = '{\n  "model": "opus" // mine\n}\n'
    settings.write_text(before, "utf-8")
    shown = home.run("hook", "claude-code", "--install", "--print")
    assert '+    "PermissionRequest": [' in shown
    assert settings.read_text("utf-8") == before
    assert "is changed" in home.run("hook", "claude-code", "--install")
    command = f"BRIDGE_MCP_STATE_DIR={home.state} {COMMAND} hook claude-code"
    assert command in settings.read_text("utf-8")
    assert "says so already" in home.run("hook", "claude-code", "--install")
    assert settings.with_name("settings.json.before-bridge-mcp").read_text("utf-8") == before
    assert "is changed" in home.run("hook", "claude-code", "--uninstall")
    assert settings.read_text("utf-8") == before
    settings.write_text("{ nonsense", "utf-8")
    assert "was left alone" in home.run("hook", "claude-code", "--install", code=1)
    assert settings.read_text("utf-8") == "{ nonsense"


def test_the_command_in_the_settings_is_what_a_shell_runs(home: Home) -> None:
    home.write(CONFIG)
    home.run("hook", "cursor", "--install")
    said = json.loads((home.root / ".cursor" / "hooks.json").read_text("utf-8"))
    (entry,) = said["hooks"]["beforeShellExecution"]
    done = subprocess.run(
        ["/bin/sh", "-c", f"{entry['command']} --unattended"], input=json.dumps(hook_event("cursor", "asks")),
        capture_output=True, text=True, cwd="/", env={"PATH": os.defpath, "HOME": str(home.root)}, timeout=60,
        check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["permission"] == "deny"
    assert Path(home.state / "bridge.db").exists()
