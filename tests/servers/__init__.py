"""Small real MCP servers that tests use as nested servers: each is run as `python -m tests.servers.NAME`."""
