"""Many processes on one Postgres: who drives which conversation, who holds which channel, and who may work at all."""
