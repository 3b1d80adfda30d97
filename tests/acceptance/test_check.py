"""`bridge-mcp check` tries what it claims, goes on behind a failing part, and warns of what holds for nothing."""

from __future__ import annotations

import re

import pytest

from tests.acceptance.parts import Home
from tests.servers.model_apis.answers import failing
from tests.servers.model_apis.openai_server import OpenAIServer

MODEL = """
[models.house]
model = "qwen3"
base_url = "{url}"
[models.away]
model = "qwen3"
base_url = "http://127.0.0.1:9/v1"
"""


def test_a_model_is_asked_and_not_only_looked_at(home: Home) -> None:
    with OpenAIServer() as server:
        server.answer(failing(404, "The model `qwen3` does not exist."))
        home.write(MODEL.format(url=server.url))
        told = home.run("check", code=1)
        assert re.search(r"✗ model house +.*does not exist", told)
        assert re.search(r"✗ model away +Nothing answers at 127\.0\.0\.1:9", told)
        assert re.search(r"✓ model house +qwen3 answers", home.run("check", code=1))
        asked = len(server.requests)
        assert asked == 2
        assert re.search(r"✓ model house +qwen3: not asked", home.run("check", "--no-ask", code=1))
        assert len(server.requests) == asked


@pytest.mark.shows("cli.check")
def test_what_can_be_checked_is_checked_behind_a_failing_part_and_patterns_are_held_to_the_tools(home: Home) -> None:
    home.scripted(
        'connect_timeout_s = 120\nallowed_tools = ["list_*", "delete_flie"]\n'
        '[approvals.tools."files__delete_file"]\nconfirmation = "required"\n'
        '[approvals.tools."flies__*"]\nconfirmation = "required"\n'
        '[clients.stdio]\nperson_decides = true\n[clients.far]\ntoken_env = "FAR"\n'
        'channels = ["desk"]\n'
        '[clients.lost]\ntoken_env = "NOT_SET"\n[channels.broken]\ntype = "lcal"\n'
    )
    findings = home.json("check", code=1, FAR="a-token-that-is-long-enough")
    told = [
        f"{'!' if each['warning'] else '✓' if each['fine'] else '✗'} {each['what']}: {each['told']}"
        for each in findings
    ]
    assert told[0].startswith("✗ settings: ")
    assert "channels.broken.type (line" in told[0]
    assert "✓ model default: scripted" in told
    assert (
        "✓ client stdio: may read, send, approve, tools; everywhere; a person at its host decides in a form of it"
        in told
    )
    assert "✓ client far: may read; desk" in told
    assert "✗ client lost: The environment variable NOT_SET is not set. Set NOT_SET and start again." in told
    assert "✓ server files: connected, 1 tool" in told
    (allowed,) = [line for line in told if "allowed_tools" in line]
    assert allowed.startswith("! pattern: tool_servers.files.allowed_tools matches no tool.")
    assert any(line.startswith('! pattern: approvals.tools."flies__*" matches no tool.') for line in told)
    assert not home.state.exists(), "with broken settings, nothing is made"
