"""Why a nested server is not connected, told with the next move."""

from __future__ import annotations

from pathlib import Path

from bridge_mcp.toolservers.diagnostics import explained
from bridge_mcp.toolservers.settings import ToolServer

DENIED = PermissionError(13, "Permission denied")


def test_a_missing_command_is_not_found_even_where_a_folder_on_path_cannot_be_read() -> None:
    """The system says "permission denied" for the whole search when one folder of PATH is closed to this user."""
    told = explained(ToolServer("bad", command="no-such-command"), DENIED, None, "", False)
    assert told.startswith("The command 'no-such-command' was not found. Install it")


def test_a_command_that_is_there_and_cannot_be_started_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("")
    for server in (
        ToolServer("bad", command="tool", env={"PATH": str(tmp_path)}),
        ToolServer("bad", command=str(tmp_path / "tool")),
    ):
        assert "cannot be started" in explained(server, DENIED, None, "", False)
