"""Errors in the words of the face that shows them."""

from __future__ import annotations

import pytest

from bridge_mcp.core.errors import BadInput, NotFound
from bridge_mcp.core.face_words import AS_COMMANDS, AS_PAGES, in_words


def test_people_are_told_of_commands_and_pages() -> None:
    error = NotFound("There is no conversation 'list_tools/x'.", fix="See list_conversations.")
    assert in_words(error, AS_COMMANDS) == "There is no conversation 'list_tools/x'. See bridge-mcp conversations."
    assert in_words(error, AS_PAGES) == "There is no conversation 'list_tools/x'. See Conversations."
    assert str(error).endswith("See list_conversations."), "agents know it as a tool"


@pytest.mark.parametrize(
    "error", [BadInput("list_tools"), BadInput("Broken.", fix="Set max_file_mb."), ValueError("x")]
)
def test_what_is_no_tool_stays(error: Exception) -> None:
    assert in_words(error, AS_COMMANDS) == str(error)
