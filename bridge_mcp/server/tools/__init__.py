"""The tools of the MCP face: their arguments, their results, and the list of them."""
