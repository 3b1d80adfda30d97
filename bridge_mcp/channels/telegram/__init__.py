"""Telegram: one bot, received by long polls or a webhook, on python-telegram-bot's `Bot`.

Receiving and sending know nothing of each other; `channel` puts them together. Only `type`, `channel` and `settings`
may be imported before the library is needed.
"""
