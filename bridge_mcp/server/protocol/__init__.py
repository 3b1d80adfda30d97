"""What MCP has beside tools: tasks, elicitation, resources, prompts, subscriptions, cancellation, errors."""
