"""A nested server behind OAuth, over Streamable HTTP on loopback: `python -m tests.servers.guarded --http PORT`.

Its authorization server is FastMCP's own for tests: it registers every client and lets everybody in.
"""

from __future__ import annotations

import argparse
import socket
import sys

import anyio
import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from mcp.server.auth.settings import ClientRegistrationOptions


async def serve(port: int) -> None:
    """Serve, and tell the port on stdout."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    port = listener.getsockname()[1]
    options = ClientRegistrationOptions(enabled=True)
    auth = InMemoryOAuthProvider(base_url=f"http://127.0.0.1:{port}", client_registration_options=options)
    server: FastMCP[None] = FastMCP("guarded", auth=auth)

    @server.tool
    def hello() -> str:
        """Says hello."""
        return "hello"

    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    config = uvicorn.Config(server.http_app(), log_level="error", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve(sockets=[listener])


def main() -> None:
    """Serve as asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, default=0)
    anyio.run(serve, parser.parse_args().http)


if __name__ == "__main__":
    main()
