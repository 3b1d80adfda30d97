"""Sending: outgoing actions as requests of the Bot API, at the rate that Telegram takes."""
