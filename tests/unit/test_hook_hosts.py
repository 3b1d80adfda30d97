"""What each host's hooks tell, and what it is answered: yes, no, other arguments, its own prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge_mcp.hooks.events import BrokenInput, Ended, Outcome, Permission
from bridge_mcp.hooks.fallbacks import FALLBACKS
from bridge_mcp.hooks.filing import asks, rule_text
from bridge_mcp.hooks.hosts import HOSTS, host_named
from tests.cases.hook_inputs import hook_event

ATTENDED = {"CLAUDE_CODE_SESSION_ATTENDED": "1"}
BUILD = {"command": "npm run build && ls", "description": "build"}
RULE = {
    "type": "addRules",
    "rules": [{"toolName": "Bash", "ruleContent": "npm run build:*"}],
    "behavior": "allow",
    "destination": "localSettings",
}


def permission(host: str, name: str, **changes: Any) -> Permission:
    found = host_named(host).read(hook_event(host, name, **changes), ATTENDED)
    assert isinstance(found, Permission)
    return found


@pytest.mark.parametrize(
    ("host", "name", "event", "tool", "arguments"),
    [
        ("claude-code", "asks", "PermissionRequest", "Bash", BUILD),
        ("claude-code", "before", "PreToolUse", "Write", {"file_path": "/home/ann/project/a.txt", "content": "hi"}),
        ("codex", "asks", "PermissionRequest", "Bash", {"command": "touch made.txt", "description": "because"}),
        ("codex", "before", "PreToolUse", "Bash", {"command": "touch made.txt"}),
        ("cursor", "asks", "beforeShellExecution", "Shell", {"command": "npm install express"}),
        ("cursor", "mcp", "beforeMCPExecution", "database_query", {"query": "DELETE FROM users"}),
        ("gemini", "asks", "BeforeTool", "run_shell_command", {"command": "touch made.txt", "description": "d"}),
        ("copilot", "asks", "preToolUse", "bash", {"command": "touch made.txt", "description": "make"}),
        ("copilot", "permission", "permissionRequest", "bash", {"command": "touch made.txt"}),
    ],
)
def test_a_call_is_read_whole(host: str, name: str, event: str, tool: str, arguments: dict[str, Any]) -> None:
    call = permission(host, name)
    assert (call.event, call.tool, call.arguments, call.folder) == (event, tool, arguments, "/home/ann/project")
    assert call.session


@pytest.mark.parametrize(
    ("host", "name", "words"),
    [
        ("claude-code", "asks", "Claude Code in /home/ann/project asks to run Bash"),
        ("cursor", "mcp", "Cursor in /home/ann/project asks to run database_query of npx -y database-server"),
        ("gemini", "asks", "Gemini CLI in /home/ann/project asks to run run_shell_command"),
    ],
)
def test_people_are_told_first_who_asks_from_where(host: str, name: str, words: str) -> None:
    assert asks(host_named(host), permission(host, name)) == words


def test_a_folder_below_the_own_home_is_shown_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert asks(host_named("codex"), permission("codex", "asks")) == "Codex in ~/project asks to run Bash"


@pytest.mark.parametrize(
    ("host", "name", "error"),
    [
        ("claude-code", "done", ""),
        ("claude-code", "failed", "Exit code 1\nnpm error"),
        ("codex", "done", ""),
        ("cursor", "done", ""),
        ("cursor", "failed", "Command timed out after 30s"),
        ("gemini", "done", ""),
        ("gemini", "failed", "no space"),
        ("copilot", "done", ""),
        ("copilot", "failed", "it broke"),
    ],
)
def test_the_hook_after_a_call_tells_what_became_of_it(host: str, name: str, error: str) -> None:
    found = host_named(host).read(hook_event(host, name), {})
    assert isinstance(found, Outcome)
    assert found.error == error
    before = permission(host, "before" if name == "failed" and host == "cursor" else "asks")
    assert (found.session, found.tool) == (before.session, before.tool)
    assert found.arguments == before.arguments


@pytest.mark.parametrize("host", HOSTS)
def test_the_end_of_a_session_is_known(host: str) -> None:
    found = host_named(host).read(hook_event(host, "ended"), {})
    assert isinstance(found, Ended)
    assert found.session == permission(host, "asks").session


def test_only_rules_that_allow_are_offered_and_no_change_of_a_mode() -> None:
    call = permission("claude-code", "asks")
    assert call.rules == (RULE,)
    assert rule_text(RULE) == "Bash(npm run build:*) (localSettings)"
    refused = RULE | {"behavior": "deny"}
    odd: list[Any] = [refused, {"type": "setMode", "mode": "bypassPermissions"}, "x", RULE | {"rules": []}]
    assert permission("claude-code", "asks", permission_suggestions=odd).rules == ()


def test_what_a_rule_says_beside_its_usual_parts_is_shown_too() -> None:
    odd = RULE | {"rules": [{"toolName": "Bash", "ruleContent": "ls", "else": 1}]}
    assert rule_text(odd) == '{"toolName": "Bash", "ruleContent": "ls", "else": 1} (localSettings)'


SPECIFIC = "hookSpecificOutput"


@pytest.mark.parametrize(
    ("host", "name", "yes", "no"),
    [
        (
            "claude-code",
            "asks",
            {SPECIFIC: {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}},
            {SPECIFIC: {"hookEventName": "PermissionRequest", "decision": {"behavior": "deny", "message": "why"}}},
        ),
        (
            "claude-code",
            "before",
            {SPECIFIC: {"hookEventName": "PreToolUse", "permissionDecision": "allow"}},
            {
                SPECIFIC: {
                    "hookEventName": "PreToolUse",
                    "permissionDecision": "deny",
                    "permissionDecisionReason": "why",
                }
            },
        ),
        (
            "codex",
            "asks",
            {SPECIFIC: {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}},
            {SPECIFIC: {"hookEventName": "PermissionRequest", "decision": {"behavior": "deny", "message": "why"}}},
        ),
        (
            "codex",
            "before",
            None,
            {
                SPECIFIC: {
                    "hookEventName": "PreToolUse",
                    "permissionDecision": "deny",
                    "permissionDecisionReason": "why",
                }
            },
        ),
        (
            "cursor",
            "asks",
            {"permission": "allow"},
            {"permission": "deny", "user_message": "why", "agent_message": "why"},
        ),
        ("gemini", "asks", {"decision": "allow"}, {"decision": "deny", "reason": "why"}),
        (
            "copilot",
            "asks",
            {"permissionDecision": "allow"},
            {"permissionDecision": "deny", "permissionDecisionReason": "why"},
        ),
        ("copilot", "permission", {"behavior": "allow"}, {"behavior": "deny", "message": "why"}),
    ],
)
def test_yes_and_no_in_each_host_s_own_words(host: str, name: str, yes: Any, no: Any) -> None:
    found, call = host_named(host), permission(host, name)
    assert found.allow(call) == yes
    assert found.deny(call, "why") == no


@pytest.mark.parametrize(
    ("host", "name", "path"),
    [
        ("claude-code", "asks", [SPECIFIC, "decision", "updatedInput"]),
        ("claude-code", "before", [SPECIFIC, "updatedInput"]),
        ("codex", "before", [SPECIFIC, "updatedInput"]),
        ("cursor", "before", ["updated_input"]),
        ("gemini", "asks", [SPECIFIC, "tool_input"]),
        ("copilot", "asks", ["modifiedArgs"]),
    ],
)
def test_changed_arguments_go_where_the_host_takes_them(host: str, name: str, path: list[str]) -> None:
    found, call = host_named(host), permission(host, name)
    assert found.takes_edits(call)
    answer: Any = found.allow(call, {"command": "ls"})
    for part in path:
        answer = answer[part]
    assert answer == {"command": "ls"}


@pytest.mark.parametrize(
    ("host", "name"), [("codex", "asks"), ("cursor", "asks"), ("cursor", "mcp"), ("copilot", "permission")]
)
def test_some_take_no_other_arguments(host: str, name: str) -> None:
    assert not host_named(host).takes_edits(permission(host, name))


def test_standing_permissions_go_back_as_the_host_wrote_them() -> None:
    host, call = host_named("claude-code"), permission("claude-code", "asks")
    answer: Any = host.allow(call, None, call.rules)
    assert answer[SPECIFIC]["decision"] == {"behavior": "allow", "updatedPermissions": [RULE]}


def test_claude_code_says_whether_anybody_sits_there() -> None:
    host, event = host_named("claude-code"), hook_event("claude-code", "asks")
    modes = {
        name: found.mode
        for name, environment in {"there": ATTENDED, "nobody": {"CLAUDE_CODE_SESSION_ATTENDED": "0"}}.items()
        if isinstance(found := host.read(event, environment), Permission)
    }
    assert modes == {"there": "interactive", "nobody": "headless"}
    assert permission("claude-code", "asks", permission_mode="bypassPermissions").mode == "bypass"


READ_AS_A_YES = [
    ("cursor", None),
    ("gemini", None),
    ("copilot", None),
]
"""Silence that lets a call run; of Claude Code and Codex only before any tool."""

NAMES = {
    ("claude-code", "PermissionRequest"): "asks",
    ("claude-code", "PreToolUse"): "before",
    ("codex", "PermissionRequest"): "asks",
    ("codex", "PreToolUse"): "before",
    ("cursor", "beforeShellExecution"): "asks",
    ("cursor", "beforeMCPExecution"): "mcp",
    ("cursor", "preToolUse"): "before",
    ("gemini", "BeforeTool"): "asks",
    ("copilot", "preToolUse"): "asks",
    ("copilot", "permissionRequest"): "permission",
}


@pytest.mark.parametrize(
    ("host", "event", "mode"),
    [(host, event, mode) for (host, event), modes in FALLBACKS.items() for mode in modes],
)
@pytest.mark.shows("approvals.hook-no-yes")
def test_where_the_bridge_cannot_decide_no_answer_can_be_read_as_a_yes(host: str, event: str, mode: Any) -> None:
    found, call = host_named(host), permission(host, NAMES[host, event])
    call.mode = mode
    answer = found.fallback(call, "why")
    told = str(answer)
    assert "'allow'" not in told
    if (host, answer) in READ_AS_A_YES or event == "PreToolUse":
        assert answer is not None
    if FALLBACKS[host, event][mode] == "deny":
        assert answer == found.deny(call, "why")
    else:
        assert answer is None or "'ask'" in told


def test_the_readme_has_the_same_table() -> None:
    words = {"prompt": "its own prompt", "deny": "no"}
    rows = [
        f"| {host_named(host).label} | `{event}` | " + " | ".join(words[answer] for answer in modes.values()) + " |"
        for (host, event), modes in FALLBACKS.items()
    ]
    assert "\n".join(rows) in (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def test_the_table_names_every_event_that_can_be_asked() -> None:
    assert set(FALLBACKS) == set(NAMES)
    assert {host for host, _ in FALLBACKS} == set(HOSTS)


@pytest.mark.parametrize(
    ("host", "event"),
    [
        ("claude-code", {}),
        ("claude-code", {"hook_event_name": "Notification"}),
        ("claude-code", {"hook_event_name": "PermissionRequest", "tool_name": "Bash", "tool_input": "ls"}),
        ("codex", {"hook_event_name": 3}),
        ("cursor", {"hook_event_name": "beforeReadFile", "file_path": "/etc/passwd"}),
        ("cursor", {"hook_event_name": "beforeMCPExecution", "tool_name": "x", "tool_input": "{"}),
        ("gemini", {"hook_event_name": "BeforeTool", "tool_name": "x"}),
        ("copilot", {"toolName": "bash", "toolArgs": "{"}),
        ("copilot", {"sessionId": "s"}),
    ],
)
def test_what_is_not_known_is_refused(host: str, event: dict[str, Any]) -> None:
    with pytest.raises(BrokenInput):
        host_named(host).read(event, {})
