"""Moves a whole bridge between a file of SQLite's and a database of Postgres', in either direction."""
