"""MCP hosts on this machine: where their settings are, what stands in them, and how these are changed in place."""
