"""Sending: actions cut into requests, each sent once as far as anybody can know, at the pace Slack asks for."""
