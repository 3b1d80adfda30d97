"""The command `bridge-mcp`. Plain, it serves MCP over stdio and imports nothing that serving does not need."""

from bridge_mcp.cli.start import main

__all__ = ["main"]
