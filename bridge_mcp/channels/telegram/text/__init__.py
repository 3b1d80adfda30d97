"""Text: from Markdown to Telegram's entities, and cut into messages."""
