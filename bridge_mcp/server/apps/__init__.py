"""MCP Apps: cards that a host shows its user in a frame (https://github.com/modelcontextprotocol/ext-apps)."""
