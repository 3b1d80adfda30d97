"""What a release hands out beside the wheel: an MCPB bundle that carries it, and the registry's `server.json`."""
