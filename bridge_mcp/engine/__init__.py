"""The orchestrator: takes messages in, drives conversations step by step, sends messages out. Knows only ports."""
