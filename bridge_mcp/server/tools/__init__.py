"""The tools of the MCP face: what they take, what they answer, and which there are."""
