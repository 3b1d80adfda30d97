"""Nested MCP servers: one supervisor each, all of their tools in one box."""
