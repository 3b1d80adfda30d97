"""Programs from npm that carry MCP from one transport to another, between the bridge and a client."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.installing import machine, node_folder, npm_modules, ran
from tests.hosts.serving import served
from tests.hosts.stage import COMMAND

__all__ = ["GATEWAYS", "McpRemote", "Supergateway"]

HERE = Path(__file__).parent
START_S = 60


@dataclass(frozen=True, slots=True)
class McpRemote:
    """Its stdio for a client, before the bridge over HTTP."""

    packages: tuple[str, ...]
    blind: bool = False

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        modules = npm_modules(folder, self.packages)
        own = machine(folder, first=node_folder(modules))
        with served(environment) as address:
            remote = [str(modules / ".bin" / "mcp-remote"), address, "--transport", "http-only"]
            return client(remote, folder, own)


@dataclass(frozen=True, slots=True)
class Supergateway:
    """Both of its ways in a row: its stdio for a client, its HTTP between, the bridge's stdio behind."""

    packages: tuple[str, ...]
    blind: bool = False

    def run(self, folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
        """Which checks hold."""
        modules = npm_modules(folder, self.packages)
        own = machine(folder, first=node_folder(modules))
        gateway = str(modules / ".bin" / "supergateway")
        port = free_port()
        ahead = [gateway, "--stdio", COMMAND, "--outputTransport", "streamableHttp", "--stateful", "--port", str(port)]
        with started(ahead, {**own, **environment, "PATH": own["PATH"]}, port):
            behind = [gateway, "--streamableHttp", f"http://127.0.0.1:{port}/mcp", "--logLevel", "none"]
            return client(behind, folder, own)


GATEWAYS: dict[str, McpRemote | Supergateway] = {
    "mcp-remote": McpRemote(("mcp-remote@0.15.1",)),
    "supergateway": Supergateway(("supergateway@4.0.0",)),
}


def client(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> dict[str, bool]:
    """Which checks hold for the SDK's own client, the one installed here, before a command that speaks stdio."""
    script = str(HERE / "scripts" / "mcp_session.py")
    first, *more = command
    told = ran([sys.executable, script, str(HERE), first, json.dumps(dict(environment)), *more], folder)
    found: dict[str, bool] = json.loads(told.strip().splitlines()[-1])
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str], port: int) -> Generator[None]:
    """Run a command that listens on a port, until this is left.

    Raises:
        RuntimeError: it does not listen within `START_S` seconds.
    """
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            until = time.monotonic() + START_S
            while not listens(port):
                if time.monotonic() > until or process.poll() is not None:
                    raise RuntimeError(f"{os.path.basename(command[0])} does not listen on {port}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
