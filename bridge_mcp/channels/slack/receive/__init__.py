"""Receiving: events from Socket Mode or posts, and messages of a gap, into the inbox."""
