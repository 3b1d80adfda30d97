"""MCP Events (SEP-3415): events that clients poll, or that are posted to them as signed webhooks."""
