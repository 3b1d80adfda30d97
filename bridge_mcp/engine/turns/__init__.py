"""Turns: which conversation is worked on when, its model calls and its tool calls."""
