"""Several workers on one Postgres, and everything that may happen to them at the same time."""
