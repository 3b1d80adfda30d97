"""The MCP face: tools, resources and prompts over the service, on the mcp SDK."""
