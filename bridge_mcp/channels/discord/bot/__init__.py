"""The bot: its settings, its requests, its session on the gateway, and what `check` asks about it."""
