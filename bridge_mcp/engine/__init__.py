"""The engine: works on conversations step by step, and sends messages. Knows only ports."""
