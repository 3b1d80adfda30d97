"""Inputs from outside that once went wrong, and players that run any input of the same shape."""
