"""The installed command, serving MCP over HTTP to whoever is on this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["served"]

COMMAND = str(Path(sys.executable).with_name("bridge-mcp"))


@contextmanager
def served(environment: Mapping[str, str]) -> Generator[str]:
    """Its address, as long as this is entered.

    Args:
        environment: all that it gets; names its configuration and its state folder.

    Raises:
        RuntimeError: it did not start; with what it said.
    """
    with subprocess.Popen(
        [COMMAND, "serve", "--http", "127.0.0.1:0", "--insecure-loopback"],
        env=dict(environment),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        told = ""
        for line in process.stderr:
            told += line
            address = re.search(r"http://127\.0\.0\.1:\d+/mcp", line)
            if address:
                break
        else:
            raise RuntimeError(f"the bridge did not start:\n{told}")
        try:
            yield address[0]
        finally:
            process.terminate()
