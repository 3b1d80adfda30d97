"""The bot itself: its connections, settings and health, and what `check` asks of it."""
