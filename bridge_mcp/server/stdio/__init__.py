"""MCP over standard input and output: lines of JSON-RPC."""
