"""`bridge-mcp demo`: the main job by real parts, every step checked, and nothing left behind."""
