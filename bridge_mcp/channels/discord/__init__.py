"""Discord as a channel: one bot per channel, on the HTTP and gateway layers of discord.py."""
