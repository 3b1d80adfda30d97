"""An MCP server that is a chat bridge. The map of the house is in `bridge_mcp/README.md`."""

__version__ = "0.1.0"
