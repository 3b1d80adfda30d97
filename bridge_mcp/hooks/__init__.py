"""`bridge-mcp hook`: permission prompts of coding agents, asked in the chat, and the agents' settings for that."""
