"""Slack: one app in one workspace, over Socket Mode or posted events, on slack-sdk's async clients.

Receiving and sending know nothing of each other; `channel` puts them together. Only `type`, `channel`, `settings` and
`manifest` may be imported before the library is needed.
"""
