"""Texts: Markdown as Discord shows it, in pieces that it takes."""
