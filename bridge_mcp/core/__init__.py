"""The pure core: entries, decisions, transcripts, policy. No I/O, no clock, no randomness, no logging."""
