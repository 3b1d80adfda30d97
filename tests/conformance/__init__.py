"""The official conformance suite of MCP, run against the installed command and its client of nested servers."""
