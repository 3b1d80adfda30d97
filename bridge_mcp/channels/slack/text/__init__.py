"""Texts: Markdown as rich text that can neither ping nor fetch, and Slack's markup as Markdown."""
