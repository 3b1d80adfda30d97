"""Models: adapters that answer one request each."""
