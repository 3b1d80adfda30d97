"""Hosts and clients that nobody here wrote, each in an environment of its own, against the installed command."""
