"""What the examples run in: a temporary folder with a bridge.toml that needs no key and no network.

It has a local channel, a scripted model, and a real nested MCP server that looks after a folder of files.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult

__all__ = ["Sandbox", "answer", "sandbox"]

RULES = """
[[rule]]
when = "(?i)tidy up"
say = "Let me look."
call = [{ tool = "files__list_files" }]

[[rule]]
on = "result"
tool = "files__list_files"
call = [
    { tool = "files__delete_file", arguments = { path = "draft-old.txt" } },
    { tool = "files__delete_file", arguments = { path = "taxes.txt" } },
]

[[rule]]
on = "result"
tool = "files__delete_file"
say = "I have done what I was allowed to."

[default]
say = "(scripted) You said: {text}"
"""

CONFIG = """
[models.default]
model = "scripted"
script = "rules.toml"

[channels.local]
type = "local"
responder = "{responder}"

[tool_servers.files]
command = {python}
args = ["-m", "bridge_mcp.demo_files_server", {files}]
confirmation = "{confirmation}"
"""


@dataclass(frozen=True)
class Sandbox:
    """A folder to run bridges in."""

    config: Path
    files: Path
    state: Path

    @property
    def environment(self) -> dict[str, str]:
        """For processes that shall share this sandbox."""
        return {**os.environ, "BRIDGE_MCP_STATE_DIR": str(self.state), "BRIDGE_MCP_CONFIG": str(self.config)}

    def connect(self, *arguments: str) -> AbstractAsyncContextManager[Client]:
        """A real `bridge-mcp` as a child process, and a real MCP client connected to it."""
        command = [sys.executable, "-m", "bridge_mcp", *arguments]
        server = StdioServerParameters(command=command[0], args=command[1:], env=self.environment)
        return Client(stdio_client(server))


@contextmanager
def sandbox(responder: str = "assistant", confirmation: str = "default") -> Generator[Sandbox]:
    """Make the folder; it is gone afterwards. `confirmation` says which calls of its tools ask first."""
    with tempfile.TemporaryDirectory(prefix="bridge-mcp-example-") as name:
        folder = Path(name)
        files, state = folder / "files", folder / "state"
        files.mkdir()
        for file in ("draft-old.txt", "letter.txt", "taxes.txt"):
            (files / file).write_text(f"This is {file}.\n")
        (folder / "rules.toml").write_text(RULES)
        config = folder / "bridge.toml"
        config.write_text(
            CONFIG.format(
                responder=responder,
                confirmation=confirmation,
                python=json.dumps(sys.executable),
                files=json.dumps(str(files)),
            )
        )
        yield Sandbox(config, files, state)


def answer(result: CallToolResult) -> dict[str, Any]:
    """A tool's structured answer; an error ends the example with what it says."""
    if result.is_error or result.structured_content is None:
        raise SystemExit(f"the bridge refused: {[getattr(block, 'text', '') for block in result.content]}")
    return result.structured_content
