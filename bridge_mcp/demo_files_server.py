"""The nested server of `bridge-mcp demo`: the files of one folder, over stdio, as an MCP server of its own.

    python -m bridge_mcp.demo_files_server FOLDER [--count FILE]

It knows nothing of the bridge. Every path is taken below FOLDER, links resolved, and nothing outside of it is touched.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

__all__ = ["files_server", "main"]

MAX_LISTED = 1000
MAX_READ = 100_000
"""Bytes of a file that `read_file` gives."""
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
DELETES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)


def inside(folder: Path, path: str) -> Path:
    """The file of this path, which is below the folder.

    Raises:
        ToolError: it leads out of the folder, or there is no such file.
    """
    try:
        target = (folder / path).resolve(strict=True)
    except FileNotFoundError:
        raise ToolError(f"There is no file '{path}'. list_files shows what there is.") from None
    except (OSError, ValueError) as exc:
        raise ToolError(f"'{path}' is not a usable path: {exc}. Take one that list_files shows.") from None
    if not target.is_relative_to(folder):
        raise ToolError(f"'{path}' leads out of the folder. Take a path that list_files shows.")
    if not target.is_file():
        raise ToolError(f"'{path}' is not a file. list_files shows the files.")
    return target


def files_server(folder: Path, counted: Callable[[str], None]) -> MCPServer[Any]:
    """The server over one folder; `counted` is told of every effect, after it happened."""
    folder = folder.resolve(strict=True)
    server: MCPServer[Any] = MCPServer("files", log_level="ERROR")

    @server.tool(annotations=READS, structured_output=False)
    def list_files() -> str:
        """The files in the folder and below it: one a line, with the size in bytes."""
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.resolve().is_relative_to(folder))
        lines = [f"{path.relative_to(folder).as_posix()} ({path.stat().st_size} bytes)" for path in files[:MAX_LISTED]]
        if len(files) > MAX_LISTED:
            lines.append(f"({len(files) - MAX_LISTED} more files are not shown)")
        # File names may hold bytes that are no UTF-8, which no JSON message can carry.
        return "\n".join(lines).encode("utf-8", "replace").decode() or "The folder is empty."

    @server.tool(annotations=READS, structured_output=False)
    def read_file(path: str) -> str:
        """The text of a file. `path` is relative to the folder."""
        data = inside(folder, path).read_bytes()
        try:
            text = data[:MAX_READ].decode("utf-8", "strict" if len(data) <= MAX_READ else "ignore")
        except UnicodeDecodeError:
            raise ToolError(f"'{path}' is not a text file.") from None
        return text if len(data) <= MAX_READ else f"{text}\n[{len(data) - MAX_READ} more bytes are not shown]"

    @server.tool(annotations=DELETES, structured_output=False)
    def delete_file(path: str) -> str:
        """Delete a file for good. `path` is relative to the folder."""
        target = inside(folder, path)
        target.unlink()
        counted(f"delete {target.relative_to(folder).as_posix()}")
        return f"Deleted {path}."

    return server


def main() -> None:
    """Serve on stdio until stdin ends."""
    parser = argparse.ArgumentParser(description="An MCP server for the files of one folder.")
    parser.add_argument("folder", type=Path, help="the folder; nothing outside of it is touched")
    parser.add_argument("--count", type=Path, help="append one line to this file for every effect")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"'{options.folder}' is not a folder")

    def counted(effect: str) -> None:
        if options.count is not None:
            with options.count.open("a", encoding="utf-8") as lines:
                lines.write(effect + "\n")

    files_server(options.folder, counted).run("stdio")


if __name__ == "__main__":
    main()
