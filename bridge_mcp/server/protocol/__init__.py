"""The parts of MCP beside tools: tasks, elicitation, resources, prompts, subscriptions, cancellation, errors."""
