"""A gate before somebody's MCP server: a relay between its host and its process, in which tool calls wait."""
