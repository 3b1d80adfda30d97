"""MCP over Streamable HTTP: the ASGI app, authentication, limits."""
