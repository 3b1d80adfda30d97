"""A bridge in this process, spoken to as `PipedBridge` is: quicker to start, and many of them fit beside each other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.lowlevel import checkpoint
from mcp.client.client import Client

from bridge_mcp.assembly import open_bridge
from bridge_mcp.config import load_config
from bridge_mcp.core.policy import SCOPES, Principal
from bridge_mcp.server.app import always, build_server

__all__ = ["InnerBridge"]


class InnerBridge:
    """One bridge with its config and its state in `folder`, in a thread of its own.

    Args:
        folder: where its config and state are kept; `errors` is there, and stays empty.
        config: the text of `bridge.toml`.
        secrets: environment variables that the config names.
    """

    def __init__(self, folder: Path, config: str, secrets: dict[str, str]) -> None:
        self.folder, self.state = folder, folder / "state"
        self.errors = folder / "stderr.log"
        self._secrets = secrets
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._client: Client | None = None
        (folder / "home").mkdir()
        self.errors.touch()
        (folder / "bridge.toml").write_text(config, "utf-8")

    def start(self) -> None:
        """Open it as the engine, with a client that has every scope."""
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._client = self._stack.enter_context(self._portal.wrap_async_context_manager(self._opened()))

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[Client]:
        own = {
            "HOME": str(self.folder / "home"),
            "BRIDGE_MCP_CONFIG": str(self.folder / "bridge.toml"),
            "BRIDGE_MCP_STATE_DIR": str(self.state),
        }
        config = load_config(env=own | self._secrets, cwd=self.folder)
        who = Principal("stdio", "client", frozenset(SCOPES), via="mcp")
        async with open_bridge(config) as assembly, Client(build_server(assembly.bridge, always(who))) as client:
            yield client

    def breathe(self) -> None:
        """Return once its event loop has run what was due."""
        assert self._portal is not None, "it is not started"
        self._portal.call(checkpoint)

    def stop(self) -> None:
        """Close it."""
        self._stack.close()

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """What a tool answers: its structured result, else its text; an error under `ERROR`."""
        assert self._portal is not None, "it is not started"
        assert self._client is not None, "it is not started"
        result = self._portal.call(partial(self._client.call_tool, tool, arguments))
        text = "".join(str(getattr(block, "text", "")) for block in result.content)
        if result.is_error:
            return {"ERROR": text}
        return result.structured_content or {"text": text, "blocks": [block.type for block in result.content]}
